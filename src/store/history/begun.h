/*
 * What has begun and not ended yet, inside one transaction.
 *
 * A record may say that a subject begins or ends (enum mrc_record_mark). The commit that stores it
 * notes the same here. So after a crash, this table has exactly the subjects whose end is not in
 * the history, even if the history has trimmed the record of their beginning.
 *
 *     commit:   record "A begins"   record "B begins"   record "A ends"     - crash -
 *     rows:     A                   A B                 B                      B
 *
 * Rows up to the horizon are those that servers before this one left. The horizon is the newest
 * number of the file at the moment when the first child of this server binds the ring to it
 * (commit.h). What a child of this server leaves when it dies is in the roster, and does not
 * concern this table (regions/roster.h).
 *
 *     row: subject (24 bytes) -> u64 check | u64 number of the record | its payload
 *
 * check is a keyed hash of all that follows it, and of the subject.
 */
#ifndef MRC_STORE_HISTORY_BEGUN_H
#define MRC_STORE_HISTORY_BEGUN_H

#include "apr_errno.h"

#include "store/base/record.h"
#include "store/history/history.h"
#include "store/lmdb/env.h"

/* Notes that the subject of RECORD, which has its number, has begun. */
apr_status_t mrc_history_begun_add(const struct mrc_history_txn *txn,
                                   const struct mrc_record *record);

/* Forgets SUBJECT, if the table has it. */
apr_status_t mrc_history_begun_remove(const struct mrc_history_txn *txn,
                                      const struct mrc_record_subject *subject);

/*
 * Appends to SLICE the rows up to HORIZON that come after *AT, until it has MAX_BYTES, and moves
 * *AT past them. The records have number, payload and subject. APR_EOF: there are no more, and
 * SLICE has the last ones. Rows whose bytes have changed are left out.
 */
apr_status_t mrc_history_begun_read(const struct mrc_history_txn *txn, uint64_t horizon,
                                    struct mrc_history_left *at, size_t max_bytes,
                                    struct mrc_history_slice *slice);

#endif
