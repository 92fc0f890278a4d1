#include "store/lmdb/revoked.h"

#include <string.h>

static MDB_val key_of(const unsigned char id[MRC_REVOCATION_ID_BYTES])
{
    return (MDB_val){.mv_size = MRC_REVOCATION_ID_BYTES, .mv_data = (void *)(uintptr_t)id};
}

/* Reads a row. False: it is not a revocation. */
static bool read_row(const MDB_val *key, const MDB_val *value, struct mrc_revocation *ret_entry)
{
    if (key->mv_size != sizeof(ret_entry->id) || value->mv_size < sizeof(ret_entry->until_us))
        return false;
    memcpy(ret_entry->id, key->mv_data, sizeof(ret_entry->id));
    memcpy(&ret_entry->until_us, value->mv_data, sizeof(ret_entry->until_us));
    ret_entry->data = (struct mrc_bytes){(const char *)value->mv_data + sizeof(ret_entry->until_us),
                                         value->mv_size - sizeof(ret_entry->until_us)};
    return true;
}

/* Removes the rows that have ended. */
static int remove_old(const struct mrc_history_txn *txn, int64_t now_us)
{
    MDB_val key, value;
    MDB_cursor *cursor;
    int rc = mdb_cursor_open(txn->txn, txn->dbs.revoked, &cursor);

    if (rc)
        return rc;
    for (rc = mdb_cursor_get(cursor, &key, &value, MDB_FIRST); !rc;
         rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) {
        struct mrc_revocation entry;

        if (read_row(&key, &value, &entry) && entry.until_us <= now_us)
            rc = mdb_cursor_del(cursor, 0);
        if (rc)
            break;
    }
    mdb_cursor_close(cursor);
    return rc == MDB_NOTFOUND ? MDB_SUCCESS : rc;
}

static int put_row(const struct mrc_history_txn *txn, const struct mrc_revocation *entry)
{
    MDB_val key = key_of(entry->id);
    MDB_val value = {.mv_size = sizeof(entry->until_us) + entry->data.len};
    int rc = mdb_put(txn->txn, txn->dbs.revoked, &key, &value, MDB_RESERVE);

    if (rc)
        return rc;
    memcpy(value.mv_data, &entry->until_us, sizeof(entry->until_us));
    memcpy((char *)value.mv_data + sizeof(entry->until_us), entry->data.ptr, entry->data.len);
    return MDB_SUCCESS;
}

apr_status_t mrc_history_revoked_put(const struct mrc_history_txn *txn,
                                     const struct mrc_revocation *entries, size_t count,
                                     int64_t now_us)
{
    int rc = remove_old(txn, now_us);

    for (size_t i = 0; i < count && !rc; i++)
        rc = put_row(txn, &entries[i]);
    return mrc_history_env_status(rc);
}

apr_status_t mrc_history_revoked_remove(const struct mrc_history_txn *txn,
                                        const unsigned char id[MRC_REVOCATION_ID_BYTES])
{
    MDB_val key = key_of(id);
    int rc = mdb_del(txn->txn, txn->dbs.revoked, &key, NULL);

    return mrc_history_env_status(rc == MDB_NOTFOUND ? MDB_SUCCESS : rc);
}

apr_status_t mrc_history_revoked_each(const struct mrc_history_txn *txn, mrc_revocation_fn *fn,
                                      void *ctx)
{
    apr_status_t status = APR_SUCCESS;
    MDB_val key, value;
    MDB_cursor *cursor;
    int rc = mdb_cursor_open(txn->txn, txn->dbs.revoked, &cursor);

    if (rc)
        return mrc_history_env_status(rc);
    for (rc = mdb_cursor_get(cursor, &key, &value, MDB_FIRST); !rc && status == APR_SUCCESS;
         rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) {
        struct mrc_revocation entry;

        if (read_row(&key, &value, &entry))
            status = fn(ctx, &entry);
    }
    mdb_cursor_close(cursor);
    return status != APR_SUCCESS || rc == MDB_NOTFOUND ? status : mrc_history_env_status(rc);
}
