/*
 * Brings the file and the ring of a durable history to the same state.
 *
 *     file     [first . . . . . . . . . . . . . last]            numbers
 *     ring                      [tail . . . head)                number = seq + offset
 *
 * Threads: the holder of the publish lock (regions/staging.h), in a transaction of the file that
 * the caller commits. Errors: those of the file and of the ring.
 */
#ifndef MRC_STORE_HISTORY_BIND_H
#define MRC_STORE_HISTORY_BIND_H

#include "store/lmdb/table.h"
#include "store/ring/ring.h"

struct mrc_history;

/*
 * Appends to the ring the records that only the file has, and wakes the readers. RET_LAST gets the
 * number of the last record. MRC_STATUS_CORRUPT: the file ends before the ring does, so an older
 * file has taken its place.
 */
apr_status_t mrc_history_bind_catch_up(const struct mrc_history *history,
                                       const struct mrc_history_txn *txn, uint64_t *ret_last);

/* Fills the empty ring with the newest records of the file, up to half of the ring. Sets the
 * offset. */
apr_status_t mrc_history_bind_fill(struct mrc_history *history, const struct mrc_history_txn *txn);

/*
 * Appends to the file the records that only the ring has: the hub changed to this store in a
 * reload. Sets the offset.
 */
apr_status_t mrc_history_bind_adopt(struct mrc_history *history, const struct mrc_history_txn *txn);

#endif
