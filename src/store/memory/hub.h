/*
 * One hub of the server, and its memory.
 */
#ifndef MRC_STORE_MEMORY_HUB_H
#define MRC_STORE_MEMORY_HUB_H

#include <stdbool.h>
#include <stddef.h>

#include "apr_errno.h"
#include "core/base/err.h"

struct mrc_hub_segment;
struct mrc_hub_shape;
struct mrc_memory;
struct mrc_memory_hub;

/* ---- Any thread of any process ----------------------------------------------------------------*/

/* The hub KEY; NULL: there is none. Call it again after each reconcile. */
struct mrc_memory_hub *mrc_memory_hub_find(const struct mrc_memory *memory, const char *key);

/* The segment of HUB; NULL: it is on demand and not made, so nobody has used it yet. */
struct mrc_hub_segment *mrc_memory_hub_segment(struct mrc_memory_hub *hub);

/*
 * The segment of HUB, which is made if it is not yet. MRC_STATUS_NO_ROOM, APR_TIMEUP;
 * MRC_STATUS_SUPERSEDED: a reload has replaced it.
 */
apr_status_t mrc_memory_hub_make(struct mrc_memory_hub *hub, struct mrc_error *error,
                                 struct mrc_hub_segment **ret_segment);

/* Whether a site had a hub in the place of HUB, which then was given back or replaced. */
bool mrc_memory_hub_was_given(const struct mrc_memory_hub *hub);

/* ---- Only the parent --------------------------------------------------------------------------*/

/* Creates a hub: on demand, at PLACE in the file of the batch; or at once (MRC_MEMORY_OWN_FILE). It
 * is not in the list yet. */
apr_status_t mrc_memory_hub_create(struct mrc_memory *memory, const struct mrc_hub_shape *shape,
                                   size_t place, struct mrc_error *error,
                                   struct mrc_memory_hub **ret_hub);

/* Puts HUB into the list, and takes it out. Another hub may have its key by then. */
void mrc_memory_hub_enlist(struct mrc_memory *memory, struct mrc_memory_hub *hub);
void mrc_memory_hub_delist(struct mrc_memory *memory, struct mrc_memory_hub *hub);

/* Gives HUB, which is in the list, another KEY. Children of earlier generations know the old one.
 */
void mrc_memory_hub_rename(struct mrc_memory *memory, struct mrc_memory_hub *hub, const char *key);

/* Attaches HUB, whose segment is made. */
struct mrc_hub_segment *mrc_memory_hub_attach(struct mrc_memory_hub *hub);

/* Wakes the children that have subscribers in HUB. */
void mrc_memory_hub_wake(const struct mrc_memory *memory, struct mrc_memory_hub *hub);

/* Frees HUB, which is not in the list. Children keep the segment that they have. */
void mrc_memory_hub_destroy(struct mrc_memory *memory, struct mrc_memory_hub *hub);

#endif
