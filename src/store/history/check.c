#include "store/history/check.h"

#include <errno.h>

#include "store/base/clock.h"
#include "store/base/status.h"
#include "store/lmdb/env.h"
#include "store/lmdb/files.h"
#include "store/lmdb/pages.h"
#include "store/lmdb/table.h"

#define ROWS_PER_CLOCK 256 /* the clock is read once in this many rows */

/* Whether the index finds the id of ROW, in ROW or in a record before it. */
static bool is_found(const struct mrc_history_txn *txn, const struct mrc_history_row *row)
{
    uint64_t number;

    return mrc_history_table_find(txn, row->record.id, 0, &number) == APR_SUCCESS &&
           number <= row->record.seq;
}

/* Whether there are COUNT records, and as many entries in the index. */
static bool is_complete(const struct mrc_history_txn *txn, uint64_t count)
{
    MDB_stat records, ids;

    return mdb_stat(txn->txn, txn->dbs.records, &records) == MDB_SUCCESS &&
           mdb_stat(txn->txn, txn->dbs.ids, &ids) == MDB_SUCCESS && records.ms_entries == count &&
           ids.ms_entries == count;
}

static apr_status_t check_rows(const struct mrc_history_txn *txn, int64_t until_us,
                               struct mrc_error *error)
{
    struct mrc_history_row first, last, row;
    apr_status_t status = mrc_history_table_last(txn, &last);

    if (status == APR_NOTFOUND)
        return is_complete(txn, 0)
                   ? APR_SUCCESS
                   : mrc_status_set(error, MRC_STATUS_CORRUPT,
                                    "its index has entries, but there are no records");
    if (!status)
        status = mrc_history_table_first(txn, &first);
    if (status)
        return mrc_status_set(error, status, "its first or last record cannot be read");
    if (!is_complete(txn, last.record.seq - first.record.seq + 1))
        return mrc_status_set(error, MRC_STATUS_CORRUPT, "records are missing");
    for (uint64_t number = last.record.seq; number >= first.record.seq && number; number--) {
        status = mrc_history_table_get(txn, number, &row);
        if (status)
            return mrc_status_set(error, MRC_STATUS_CORRUPT, "record %llu cannot be read",
                                  (unsigned long long)number);
        if (!is_found(txn, &row))
            return mrc_status_set(error, MRC_STATUS_CORRUPT, "record %llu is not in the index",
                                  (unsigned long long)number);
        if (number % ROWS_PER_CLOCK == 0 && mrc_clock_us() > until_us)
            break;
    }
    return APR_SUCCESS;
}

static apr_status_t check_pages(const struct mrc_history_txn *txn, int64_t until_us,
                                struct mrc_error *error)
{
    int rc = mrc_lmdb_pages_check(txn->txn, until_us);

    if (rc == MDB_CORRUPTED)
        return mrc_status_set(error, MRC_STATUS_CORRUPT, "its pages are damaged");
    return rc ? mrc_status_set(error, mrc_history_env_status(rc), "its pages cannot be read: %s",
                               mdb_strerror(rc))
              : APR_SUCCESS;
}

static apr_status_t check_file(struct mrc_history_env *env, struct mrc_error *error)
{
    int64_t until_us = mrc_clock_us() + MRC_HISTORY_CHECK_US;
    struct mrc_history_txn txn;
    apr_status_t status = mrc_history_env_begin(env, false, &txn);

    if (status)
        return mrc_status_set(error, status, "it cannot be read");
    status = check_pages(&txn, until_us - MRC_HISTORY_CHECK_US / 2, error);
    if (!status)
        status = check_rows(&txn, until_us, error);
    mrc_history_env_abort(&txn);
    return status;
}

apr_status_t mrc_history_check(apr_pool_t *pool, const char *dir, struct mrc_error *error)
{
    const struct mrc_history_env_options options = {.read_only = true};
    struct mrc_history_env *env;
    unsigned newest;
    apr_status_t status = mrc_history_files_find(dir, &newest);

    if (status == ENOENT || (!status && newest == 0))
        return APR_SUCCESS;
    if (status)
        return mrc_status_set(error, status, "%.200s cannot be read: %s", dir,
                              mdb_strerror(status));
    status = mrc_history_env_open(pool, dir, &options, error, &env);
    if (!status) {
        status = check_file(env, error);
        mrc_history_env_close(env);
    }
    return status;
}
