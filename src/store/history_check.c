#include "store/history_check.h"

#include "apr_general.h"
#include "apr_time.h"

#include "store/history_env.h"
#include "store/history_files.h"
#include "store/history_table.h"
#include "store/status.h"

#define ROWS_PER_LOOK 256 /* at the clock */

/* Whether the id of ROW leads to a record with this id, which is not after it. */
static bool is_found(const struct mrc_history_txn *txn, const struct mrc_history_row *row)
{
    uint64_t number;

    return mrc_history_table_find(txn, row->id, 0, &number) == APR_SUCCESS && number <= row->number;
}

/* Whether there are as many records, and entries of the index, as the numbers say. */
static bool is_complete(const struct mrc_history_txn *txn, uint64_t count)
{
    MDB_stat records, ids;

    return mdb_stat(txn->txn, txn->dbs.records, &records) == MDB_SUCCESS &&
           mdb_stat(txn->txn, txn->dbs.ids, &ids) == MDB_SUCCESS && records.ms_entries == count &&
           ids.ms_entries == count;
}

static apr_status_t check_rows(const struct mrc_history_txn *txn, struct mrc_error *error)
{
    apr_time_t until = apr_time_now() + MRC_HISTORY_CHECK_US;
    struct mrc_history_row first, last, row;
    apr_status_t status = mrc_history_table_last(txn, &last);

    if (status == APR_NOTFOUND)
        return is_complete(txn, 0)
                   ? APR_SUCCESS
                   : mrc_status_set(error, MRC_STATUS_CORRUPT, "its index leads to nothing");
    if (!status)
        status = mrc_history_table_first(txn, &first);
    if (status)
        return mrc_status_set(error, status, "its first or last record cannot be read");
    if (!is_complete(txn, last.number - first.number + 1))
        return mrc_status_set(error, MRC_STATUS_CORRUPT, "records are missing");
    for (uint64_t number = last.number; number >= first.number && number; number--) {
        status = mrc_history_table_get(txn, number, &row);
        if (status)
            return mrc_status_set(error, MRC_STATUS_CORRUPT, "record %llu cannot be read",
                                  (unsigned long long)number);
        if (!is_found(txn, &row))
            return mrc_status_set(error, MRC_STATUS_CORRUPT, "record %llu is not in the index",
                                  (unsigned long long)number);
        if (number % ROWS_PER_LOOK == 0 && apr_time_now() > until)
            break;
    }
    return APR_SUCCESS;
}

apr_status_t mrc_history_check(const char *dir, struct mrc_error *error)
{
    const struct mrc_history_env_options options = {.read_only = true};
    struct mrc_history_env *env;
    struct mrc_history_txn txn;
    apr_pool_t *pool;
    apr_status_t status;

    if (mrc_history_files_newest(dir) == 0)
        return APR_SUCCESS;
    status = apr_pool_create(&pool, NULL);
    if (status)
        return mrc_status_set(error, status, "out of memory");
    status = mrc_history_env_open(pool, dir, &options, error, &env);
    if (!status) {
        status = mrc_history_env_begin(env, false, &txn);
        if (status) {
            mrc_status_set(error, status, "%.200s cannot be read", dir);
        } else {
            status = check_rows(&txn, error);
            mrc_history_env_abort(&txn);
        }
        mrc_history_env_close(env);
    }
    apr_pool_destroy(pool);
    return status;
}
