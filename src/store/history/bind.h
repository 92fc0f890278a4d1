/*
 * The two halves of a durable history, a file and the ring before it, brought to the same state.
 *
 *     file     [first . . . . . . . . . . . . . last]            numbers
 *     ring                      [tail . . . head)                numbers = seq + offset
 *
 * Threads: whoever holds the publish lock (staging.h), in a transaction of the file that is the
 * caller's to commit. Errors: the file's and the ring's own, as it is said in status.h.
 */
#ifndef MRC_STORE_HISTORY_BIND_H
#define MRC_STORE_HISTORY_BIND_H

#include "store/history/table.h"
#include "store/ring/ring.h"

struct mrc_history;

/* ROW as the ring's record SEQ. Points into the row. */
struct mrc_ring_record mrc_history_bind_record(const struct mrc_history_row *row, uint64_t seq);

/*
 * Appends to the ring what the file has and the ring has not, and wakes its readers. RET_LAST gets
 * the number of the last update. MRC_STATUS_CORRUPT: the file ends before the ring does; somebody
 * has put an older one in its place.
 */
apr_status_t mrc_history_bind_catch_up(const struct mrc_history *history,
                                       const struct mrc_history_txn *txn, uint64_t *ret_last);

/* Fills an empty ring with the newest updates of the file, up to half of it. Sets the offset. */
apr_status_t mrc_history_bind_fill(struct mrc_history *history, const struct mrc_history_txn *txn);

/*
 * The hub gets this store in a reload: the file gets what the ring has and it has not. Sets the
 * offset.
 */
apr_status_t mrc_history_bind_adopt(struct mrc_history *history, const struct mrc_history_txn *txn);

#endif
