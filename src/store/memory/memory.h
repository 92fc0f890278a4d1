/*
 * All shared memory of one server: made before the first child, kept over reloads, resized,
 * removed.
 *
 *     RUNTIME_DIR/mercure-KEY.control     who lives; its creator holds flock() on it
 *     RUNTIME_DIR/mercure-KEY.hub-N       one for each hub
 *
 * KEY is 24 hexadecimal digits, the creator's pid and random bits, so two servers can share a
 * directory. The lock lives as long as any process of the server: files whose control file can be
 * locked are what a crash left, and the next server to start removes them.
 *
 * Everything here lives in the process pool, refers to nothing in the module's own code or
 * constants, and registers no cleanup: httpd unloads the module at a reload and loads it again,
 * perhaps elsewhere. The caller keeps the pointer (as user data of the process pool).
 *
 * Only the parent calls these, in one thread; children use what they inherited, through
 * mrc_memory_hub(), _control() and _notify().
 */
#ifndef MRC_STORE_MEMORY_MEMORY_H
#define MRC_STORE_MEMORY_MEMORY_H

#include <stddef.h>
#include <stdint.h>

#include "apr_errno.h"
#include "apr_pools.h"
#include "core/base/err.h"
#include "store/documents/documents.h"
#include "store/regions/hub_segment.h"
#include "store/shm/control.h"
#include "store/shm/notify.h"

struct mrc_memory;

/* The parent never waits longer for a lock. */
#define MRC_MEMORY_WAIT_US 2000000

/*
 * How many bytes of memory these hubs and the control segment take, exactly; creates nothing. 0: a
 * shape is impossible, with the reason in ERROR.
 */
uint64_t mrc_memory_size(const struct mrc_hub_shape *shapes, size_t n, unsigned nslots,
                         struct mrc_error *error);

/*
 * Removes what dead servers left in RUNTIME_DIR (which must exist), then makes the control segment
 * and the notification descriptors for NSLOTS children: at least twice ServerLimit, since
 * generations overlap.
 */
apr_status_t mrc_memory_open(apr_pool_t *process_pool, const char *runtime_dir, unsigned nslots,
                             struct mrc_error *error, struct mrc_memory **ret_memory);

/*
 * Makes the hubs be those of SHAPES, at start and at each reload: a hub of the same size is kept
 * and gets the new bounds; one of another size moves with its history to a new segment; one that is
 * gone is superseded and removed. Children that live keep what they have inherited; a publication
 * that reaches one of them for a hub that has moved gets MRC_STATUS_SUPERSEDED, and those that
 * listen are woken and find mrc_ring_is_superseded().
 *
 * Success with a text in ERROR is a warning to be logged: a hub goes on as it was before the
 * reload, because there is no room for the new one or its lock did not come. Failure: some hub has
 * no segment (mrc_memory_hub() is NULL for it), or a shape is impossible (then nothing was done).
 */
apr_status_t mrc_memory_reconcile(struct mrc_memory *memory, const struct mrc_hub_shape *shapes,
                                  size_t n, struct mrc_error *error);

/*
 * Makes the documents of a new configuration be those of SPECS; those without a first version keep
 * the one that they had before, if they were there. Children that live keep what they have
 * inherited.
 */
apr_status_t mrc_memory_set_documents(struct mrc_memory *memory,
                                      const struct mrc_document_spec *specs, size_t n,
                                      struct mrc_error *error);

/* The documents; NULL: none were set. */
struct mrc_documents *mrc_memory_documents(const struct mrc_memory *memory);

/* The segment of the hub KEY; NULL: none. Ask again after each reconcile. */
struct mrc_hub_segment *mrc_memory_hub(const struct mrc_memory *memory, const char *key);

/* The I-th hub, for folding and status; NULL past the last. */
struct mrc_hub_segment *mrc_memory_hub_at(const struct mrc_memory *memory, size_t i);

struct mrc_control *mrc_memory_control(const struct mrc_memory *memory);
const struct mrc_notify *mrc_memory_notify(const struct mrc_memory *memory);

/*
 * The server stops: unmaps, closes, removes the files. Does nothing in any other process than the
 * one that opened. Accepts NULL.
 */
void mrc_memory_close(struct mrc_memory *memory);

#endif
