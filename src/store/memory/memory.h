/*
 * All shared memory of one server: created before the first child, kept over reloads, resized, and
 * removed.
 *
 *     RUNTIME_DIR/mercure-KEY.control     child slots; the server holds flock() on it
 *     RUNTIME_DIR/mercure-KEY.hub-N       one for each hub, or for many hubs on demand (hub_file.h)
 *
 * KEY is 24 hexadecimal digits, the creator's pid and random bits, so two servers can share a
 * directory. The lock is held as long as any process of the server lives. If a control file can be
 * locked, its server has crashed, and the next server to start removes the files.
 *
 * Everything here lives in the process pool and refers to nothing in the module's own code or
 * constants; its cleanups are those of APR. At a reload httpd unloads the module and loads it
 * again, perhaps at another address. The caller keeps the pointer (as user data of the process
 * pool).
 *
 * A hub on demand takes no memory until the first process that needs it makes it. Then every
 * process has it, including the children of earlier generations.
 *
 * Only the parent calls these functions, in one thread. Children use what they have inherited,
 * through mrc_memory_hub(), _hub_at(), _control(), _notify() and _inquiry(), and the functions of
 * hub.h for them, in any thread.
 */
#ifndef MRC_STORE_MEMORY_MEMORY_H
#define MRC_STORE_MEMORY_MEMORY_H

#include <stddef.h>
#include <stdint.h>

#include "apr_errno.h"
#include "apr_pools.h"
#include "core/base/err.h"
#include "store/documents/documents.h"
#include "store/hub/segment.h"
#include "store/memory/hub.h"
#include "store/shm/control.h"
#include "store/shm/inquiry.h"
#include "store/shm/notify.h"

struct mrc_memory;

/* The longest time that the parent waits for locks in one call; but it waits for those of each hub
 * at least for a moment, although others have used up the time. */
#define MRC_MEMORY_WAIT_US     2000000
#define MRC_MEMORY_WAIT_MIN_US 100000

/*
 * The most bytes of memory that these hubs and the control segment may take; creates nothing. 0: a
 * shape is impossible, ERROR has the reason.
 */
uint64_t mrc_memory_size(const struct mrc_hub_shape *const *shapes, size_t n, unsigned nslots,
                         struct mrc_error *error);

/*
 * The room in RUNTIME_DIR for the memory of a server, including what its files take now, which a
 * reload uses again. UINT64_MAX: unknown.
 */
uint64_t mrc_memory_room(const char *runtime_dir);

/*
 * Removes the files of dead servers from RUNTIME_DIR, which must exist. Then creates the control
 * segment and the notification descriptors for NSLOTS children: at least twice ServerLimit, because
 * generations overlap.
 */
apr_status_t mrc_memory_open(apr_pool_t *process_pool, const char *runtime_dir, unsigned nslots,
                             struct mrc_error *error, struct mrc_memory **ret_memory);

/* Sets what all hubs may take together, from now on; 0: what the file system has. */
void mrc_memory_set_limit(struct mrc_memory *memory, uint64_t bytes);

/*
 * Returns memory that the hubs do not need to the file system (ring/reclaim.h), at most once in
 * MRC_MEMORY_RECLAIM_US. Does not wait.
 */
#define MRC_MEMORY_RECLAIM_US ((int64_t)60 * 1000 * 1000)
void mrc_memory_reclaim(struct mrc_memory *memory);

/*
 * Changes the hubs to those of SHAPES, at start and at each reload. A hub of the same size is kept
 * and gets the new bounds; a hub of another size moves with its history to a new segment; a hub
 * without a shape is superseded and removed. A new hub that is on demand gets no memory yet, and
 * one that its site has not used for an hour is given back (idle.h). Of a set for sites (sites.h)
 * that gets another number of hubs, the sites keep theirs. Running children keep the
 * segments that they have inherited. A publication that reaches one of them for a hub that has
 * moved gets MRC_STATUS_SUPERSEDED; children with subscribers are woken and find
 * mrc_ring_is_superseded().
 *
 * Calls WARN(WARN_CTX) with a text for the log for each hub that continues as before the reload,
 * because there is no room for the new segment, or its lock is held, or that cannot take over all
 * of its old one. Failure: a hub has no segment (mrc_memory_hub() returns NULL for it), or a shape
 * is impossible and nothing was done; ERROR has the reason.
 */
typedef void mrc_memory_warn_fn(void *ctx, const char *text);
apr_status_t mrc_memory_reconcile(struct mrc_memory *memory,
                                  const struct mrc_hub_shape *const *shapes, size_t n,
                                  mrc_memory_warn_fn *warn, void *warn_ctx,
                                  struct mrc_error *error);

/*
 * Replaces the documents by those of SPECS, for a new configuration. A document without a first
 * version keeps the version that the old one of the same name has. Running children keep the
 * documents that they have inherited.
 */
apr_status_t mrc_memory_set_documents(struct mrc_memory *memory,
                                      const struct mrc_document_spec *specs, size_t n,
                                      struct mrc_error *error);

/* The documents; NULL: they were never set. */
struct mrc_documents *mrc_memory_documents(const struct mrc_memory *memory);

/* The I-th hub; NULL after the last. */
struct mrc_memory_hub *mrc_memory_hub_at(const struct mrc_memory *memory, size_t i);

/* The segment of the hub KEY; NULL: there is none, or it is not made. */
struct mrc_hub_segment *mrc_memory_hub(const struct mrc_memory *memory, const char *key);

/* Parts of MEMORY, which live as long as it. */
struct mrc_control *mrc_memory_control(const struct mrc_memory *memory);
const struct mrc_notify *mrc_memory_notify(const struct mrc_memory *memory);
struct mrc_inquiry *mrc_memory_inquiry(const struct mrc_memory *memory);

/*
 * Unmaps, closes and removes everything when the server stops. Does nothing in a process other than
 * the one that called mrc_memory_open(). Accepts NULL.
 */
void mrc_memory_close(struct mrc_memory *memory);

#endif
