#include "store/history/check.h"

#include "apr_general.h"
#include "apr_time.h"

#include "store/base/status.h"
#include "store/history/env.h"
#include "store/history/files.h"
#include "store/history/table.h"

#define ROWS_PER_CLOCK 256 /* the clock is read once in this many rows */

/*
 * LMDB's own database of free pages, which readers may open. It maps the number of a transaction to
 * the count of the pages that it freed and their numbers in descending order. The first two pages
 * of the file are its headers. A writer takes pages from this database, and crashes if a number in
 * it is wrong.
 */
#define FREE_DBI   0
#define FIRST_PAGE 2

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

/* Whether VALUE, of the database of free pages, lists pages of a file that ends with page LAST. */
static bool is_page_list(const MDB_val *value, size_t last)
{
    const size_t *list = value->mv_data;
    size_t count, below = last + 1;

    if (value->mv_size < sizeof(*list) || value->mv_size % sizeof(*list))
        return false;
    count = list[0]; /* VALUE may be longer than the list */
    if (count > value->mv_size / sizeof(*list) - 1)
        return false;
    for (size_t i = 1; i <= count; below = list[i++]) {
        if (list[i] < FIRST_PAGE || list[i] >= below)
            return false;
    }
    return true;
}

static bool are_free_pages_sound(MDB_txn *txn)
{
    MDB_cursor *cursor = NULL;
    MDB_val key, value;
    MDB_envinfo info;
    int rc;

    if (mdb_env_info(mdb_txn_env(txn), &info) || mdb_cursor_open(txn, FREE_DBI, &cursor))
        return false;
    while ((rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == MDB_SUCCESS) {
        if (key.mv_size != sizeof(size_t) || !is_page_list(&value, info.me_last_pgno))
            break;
    }
    mdb_cursor_close(cursor);
    return rc == MDB_NOTFOUND;
}

static apr_status_t check_rows(const struct mrc_history_txn *txn, struct mrc_error *error)
{
    apr_time_t until = apr_time_now() + MRC_HISTORY_CHECK_US;
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
        if (number % ROWS_PER_CLOCK == 0 && apr_time_now() > until)
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
            status =
                are_free_pages_sound(txn.txn)
                    ? check_rows(&txn, error)
                    : mrc_status_set(error, MRC_STATUS_CORRUPT, "its list of free pages is wrong");
            mrc_history_env_abort(&txn);
        }
        mrc_history_env_close(env);
    }
    apr_pool_destroy(pool);
    return status;
}
