/*
 * Commits the updates of many publishers to the file and the ring together.
 *
 * The holder of the publish lock (regions/staging.h) is the leader. It commits all staged updates
 * in one transaction, then appends them to the ring in the same order. A leader may die between the
 * two steps. Therefore every leader first appends the records that only the file has to the ring
 * (bind.h): every committed update reaches the subscribers, and so does every update that the tool
 * imports while the hub runs.
 *
 * The ring belongs to one file, which the epoch and the offset in the staging area identify. The
 * first child that opens the history binds a ring without an epoch, after a start or after a change
 * of the hub's store.
 */
#ifndef MRC_STORE_HISTORY_COMMIT_H
#define MRC_STORE_HISTORY_COMMIT_H

#include "store/history/backend.h"
#include "store/history/history.h"
#include "store/lmdb/env.h"
#include "store/regions/staging.h"
#include "store/ring/ring.h"

/* The back end lmdb in one process. */
struct mrc_history_lmdb {
    struct mrc_history base;
    struct mrc_history_env *env;
    struct mrc_staging *staging;
    unsigned slot; /* of this child */
    enum mrc_history_sync sync;
    uint64_t epoch; /* of the file */
};

/* Binds the ring to the file. Under the publish lock. */
apr_status_t mrc_history_commit_bind(struct mrc_history_lmdb *history);

/*
 * Commits as the leader: the staged updates (unless sync is full and the caller has OWN updates),
 * and then the caller's COUNT updates OWN, which are in no slot. Sets the status of each. Under the
 * publish lock.
 */
apr_status_t mrc_history_commit_lead(const struct mrc_history_lmdb *history, struct mrc_staged *own,
                                     size_t count);

/* After leading, and after the lock was released: forgets dead readers from time to time. */
void mrc_history_commit_clean_up(const struct mrc_history_lmdb *history);

/* Removes records that BOUNDS exclude, if the publish lock is free. */
void mrc_history_commit_try_trim(const struct mrc_history_lmdb *history,
                                 const struct mrc_ring_bounds *bounds, int64_t now_us);

#endif
