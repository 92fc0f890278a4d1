/*
 * The hubs that one reconcile has created. Those on demand are in one file.
 *
 * Each hub holds its batch, and the last one to leave frees it: then the file is removed and
 * unmapped. Only the parent.
 */
#ifndef MRC_STORE_MEMORY_BATCH_H
#define MRC_STORE_MEMORY_BATCH_H

#include <stddef.h>

struct batch;
struct mrc_hub_shape;
struct mrc_memory;
struct mrc_memory_hub;

/*
 * Returns the batch of the reconcile that is running, which gets another holder. NULL: out of
 * memory.
 */
struct batch *mrc_memory_batch_join(struct mrc_memory *memory);

/* Accepts NULL. */
void mrc_memory_batch_leave(struct mrc_memory *memory, struct batch *batch);

/* Creates the file of COUNT hubs on demand. Without it, each of them gets a file of its own. */
void mrc_memory_batch_create_file(struct mrc_memory *memory,
                                  const struct mrc_hub_shape *const *shapes, size_t count);

/* HUB, which has memory in the file of its batch, is no longer in use: its memory is kept as long
 * as a child lives that may use it. */
void mrc_memory_batch_add_former(struct mrc_memory *memory, const struct mrc_memory_hub *hub);

/* Gives back the memory of former hubs that no child uses any more. */
void mrc_memory_batch_clear_formers(const struct mrc_memory *memory, struct batch *batch);

/* Removes the hub file NUMBER of this server. */
void mrc_memory_batch_remove_file(const struct mrc_memory *memory, unsigned number);

#endif
