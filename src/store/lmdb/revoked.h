/*
 * The revocations of a hub in its durable history, inside one transaction. They outlive the server;
 * the list in shared memory (regions/revocations.h) is what the children read.
 *
 *     row: id (16 bytes) -> until_us (8 bytes) | data
 */
#ifndef MRC_STORE_LMDB_REVOKED_H
#define MRC_STORE_LMDB_REVOKED_H

#include <stddef.h>
#include <stdint.h>

#include "apr_errno.h"

#include "store/base/record.h"
#include "store/lmdb/env.h"

/* Removes the rows that have ended at NOW_US, and adds the COUNT ENTRIES, or replaces them. */
apr_status_t mrc_history_revoked_put(const struct mrc_history_txn *txn,
                                     const struct mrc_revocation *entries, size_t count,
                                     int64_t now_us);

/* Removes the row ID, if there is one. */
apr_status_t mrc_history_revoked_remove(const struct mrc_history_txn *txn,
                                        const unsigned char id[MRC_REVOCATION_ID_BYTES]);

/* Calls FN(CTX) for each row, until it returns an error. */
apr_status_t mrc_history_revoked_each(const struct mrc_history_txn *txn, mrc_revocation_fn *fn,
                                      void *ctx);

#endif
