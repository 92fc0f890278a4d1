/*
 * The records of a durable history, inside one transaction.
 *
 * Numbers follow each other without a gap, from the oldest record in the file to the newest. The
 * newest is never removed, whatever the bounds say, because it determines the next number.
 *
 * The bounds are exact in mrc_history_table_oldest(), where every replay begins. Older records stay
 * in the file for a while: appending removes them a few at a time, and leaves the newest of them (a
 * quarter of what the bounds allow), so a replay that has begun can continue.
 *
 *     record: u64 check | i64 time_us | u64 sum_bytes | u32 id_bytes | u32 payload_bytes
 *             | u32 stored_bytes | u32 0 | id | payload
 *
 * check is a keyed hash of all that follows it, and of the number. sum_bytes is the sum of
 * stored_bytes of all records up to this one, including those that were removed.
 */
#ifndef MRC_STORE_LMDB_TABLE_H
#define MRC_STORE_LMDB_TABLE_H

#include <stdint.h>

#include "apr_errno.h"

#include "core/base/bytes.h"
#include "store/base/record.h"
#include "store/lmdb/env.h"
#include "store/ring/ring.h"

/* A record as views into the map; valid until the transaction writes or ends. */
struct mrc_history_row {
    struct mrc_record record; /* its seq is the number */
    uint64_t sum_bytes;
};

/* The sum of stored_bytes of the records FROM to TO, both included. */
static inline uint64_t mrc_history_table_bytes(const struct mrc_history_row *from,
                                               const struct mrc_history_row *to)
{
    return to->sum_bytes - from->sum_bytes + from->record.stored_bytes;
}

/* The oldest and the newest record in the file. APR_NOTFOUND: there is none. */
apr_status_t mrc_history_table_first(const struct mrc_history_txn *txn,
                                     struct mrc_history_row *ret_row);
apr_status_t mrc_history_table_last(const struct mrc_history_txn *txn,
                                    struct mrc_history_row *ret_row);

/* The record NUMBER. APR_NOTFOUND; MRC_STATUS_CORRUPT: its bytes have changed. */
apr_status_t mrc_history_table_get(const struct mrc_history_txn *txn, uint64_t number,
                                   struct mrc_history_row *ret_row);

/* Appends RECORD; its seq must be the number after the last. */
apr_status_t mrc_history_table_append(const struct mrc_history_txn *txn,
                                      const struct mrc_record *record);

/*
 * Removes records that BOUNDS exclude at NOW_US, except for those that stay for running replays; at
 * most MAX records, and none with the number KEEP or above.
 */
apr_status_t mrc_history_table_trim(const struct mrc_history_txn *txn,
                                    const struct mrc_ring_bounds *bounds, int64_t now_us,
                                    uint64_t keep, unsigned max);

/*
 * The number where replay begins under BOUNDS at NOW_US; the number after the last if the bounds
 * exclude all records. RET_BEHIND gets the number of records in the file that the bounds exclude.
 * APR_NOTFOUND: there is no record.
 */
apr_status_t mrc_history_table_oldest(const struct mrc_history_txn *txn,
                                      const struct mrc_ring_bounds *bounds, int64_t now_us,
                                      uint64_t *ret_number, uint64_t *ret_behind);

/* The earliest number, from OLDEST on, of a record with this ID. APR_NOTFOUND. */
apr_status_t mrc_history_table_find(const struct mrc_history_txn *txn, struct mrc_bytes id,
                                    uint64_t oldest, uint64_t *ret_number);

#endif
