/*
 * The records of a durable history, inside one transaction.
 *
 * Numbers follow each other without a gap, from the oldest record that is kept to the newest. The
 * newest is never removed, whatever the bounds say: it tells which number comes next. The bounds
 * hold exactly for who asks mrc_history_table_oldest(), where every replay begins. What lies before
 * that is removed when something is appended, some at a time, and the last part of it (a quarter of
 * what the bounds allow) is left: replays that have begun go on in it.
 *
 *     record: u64 check | i64 time_us | u64 sum_bytes | u32 id_bytes | u32 payload_bytes
 *             | u32 stored_bytes | u32 0 | id | payload
 *
 * check is a keyed hash of all that follows it, and of the number; sum_bytes is the sum of
 * stored_bytes of all records up to this one, since the beginning of time.
 */
#ifndef MRC_STORE_HISTORY_TABLE_H
#define MRC_STORE_HISTORY_TABLE_H

#include <stdint.h>

#include "apr_errno.h"

#include "core/base/bytes.h"
#include "store/history/env.h"
#include "store/ring/ring.h"

/* A record as it lies in the map: valid until the transaction ends, or writes. */
struct mrc_history_row {
    uint64_t number;
    int64_t time_us;
    uint64_t sum_bytes;
    uint32_t stored_bytes;
    struct mrc_bytes id;
    struct mrc_bytes payload;
};

/* The oldest and the newest record that are there. APR_NOTFOUND: none is. */
apr_status_t mrc_history_table_first(const struct mrc_history_txn *txn,
                                     struct mrc_history_row *ret_row);
apr_status_t mrc_history_table_last(const struct mrc_history_txn *txn,
                                    struct mrc_history_row *ret_row);

/* The record NUMBER. APR_NOTFOUND; MRC_STATUS_CORRUPT: its bytes are not what was written. */
apr_status_t mrc_history_table_get(const struct mrc_history_txn *txn, uint64_t number,
                                   struct mrc_history_row *ret_row);

/* Appends ROW, whose number follows that of the last; sum_bytes is set here. */
apr_status_t mrc_history_table_append(const struct mrc_history_txn *txn,
                                      const struct mrc_history_row *row);

/*
 * Removes what is past BOUNDS at NOW_US, and the part that is left beyond, at most MAX records, and
 * none from number KEEP on.
 */
apr_status_t mrc_history_table_trim(const struct mrc_history_txn *txn,
                                    const struct mrc_ring_bounds *bounds, int64_t now_us,
                                    uint64_t keep, unsigned max);

/*
 * The number that replay begins with under BOUNDS at NOW_US; that after the last if nothing is
 * within them. RET_BEHIND gets how many are there that the bounds exclude. APR_NOTFOUND: there is
 * no record.
 */
apr_status_t mrc_history_table_oldest(const struct mrc_history_txn *txn,
                                      const struct mrc_ring_bounds *bounds, int64_t now_us,
                                      uint64_t *ret_number, uint64_t *ret_behind);

/* The earliest number from OLDEST on of a record with this ID. APR_NOTFOUND. */
apr_status_t mrc_history_table_find(const struct mrc_history_txn *txn, struct mrc_bytes id,
                                    uint64_t oldest, uint64_t *ret_number);

#endif
