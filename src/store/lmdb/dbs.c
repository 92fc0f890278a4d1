#include "store/lmdb/dbs.h"

#include <errno.h>
#include <string.h>

#include "apr_general.h"

#define FORMAT 1

static MDB_val val_of(const void *data, size_t size)
{
    return (MDB_val){.mv_size = size, .mv_data = (void *)(uintptr_t)data};
}

/* Reads the property NAME of the file, which has SIZE bytes. */
static int get_about(MDB_txn *txn, MDB_dbi dbi, const char *name, void *ret, size_t size)
{
    MDB_val key = val_of(name, strlen(name));
    MDB_val value;
    int rc = mdb_get(txn, dbi, &key, &value);

    if (rc)
        return rc;
    if (value.mv_size != size)
        return MDB_CORRUPTED;
    memcpy(ret, value.mv_data, size);
    return MDB_SUCCESS;
}

static int put_about(MDB_txn *txn, MDB_dbi dbi, const char *name, const void *data, size_t size)
{
    MDB_val key = val_of(name, strlen(name));
    MDB_val value = val_of(data, size);

    return mdb_put(txn, dbi, &key, &value, 0);
}

/* Writes the properties of a new file. */
static int put_properties(MDB_txn *txn, MDB_dbi dbi, const char *hub_key)
{
    const uint32_t format = FORMAT;
    uint64_t random[3];
    int rc;

    if (apr_generate_random_bytes((unsigned char *)random, sizeof(random)) != APR_SUCCESS)
        return EIO;
    random[0] |= 1; /* an epoch is never 0 */
    rc = put_about(txn, dbi, "format", &format, sizeof(format));
    if (!rc)
        rc = put_about(txn, dbi, "epoch", &random[0], sizeof(random[0]));
    if (!rc)
        rc = put_about(txn, dbi, "hash", &random[1], 2 * sizeof(random[0]));
    if (!rc)
        rc = put_about(txn, dbi, "key", hub_key, strlen(hub_key));
    return rc;
}

/* A file of an earlier release does not have the database NAME. A tool, which has no HUB_KEY, does
 * without it. */
static int open_newer(MDB_txn *txn, const char *name, unsigned flags, const char *hub_key,
                      MDB_dbi *ret_dbi)
{
    int rc = mdb_dbi_open(txn, name, flags, ret_dbi);

    if (rc != MDB_NOTFOUND || hub_key)
        return rc;
    *ret_dbi = 0;
    return MDB_SUCCESS;
}

/*
 * Reads the key for positions. A file of an earlier release has none: it gets one in a transaction
 * that writes, and a tool, which has no HUB_KEY, does without one.
 */
static int open_position_key(MDB_txn *txn, bool create, const char *hub_key,
                             struct mrc_history_dbs *dbs)
{
    int rc = get_about(txn, dbs->about, "positions", dbs->position_key, sizeof(dbs->position_key));

    if (rc != MDB_NOTFOUND || (hub_key && !create))
        return rc;
    memset(dbs->position_key, 0, sizeof(dbs->position_key));
    if (!hub_key)
        return MDB_SUCCESS;
    if (apr_generate_random_bytes(dbs->position_key, sizeof(dbs->position_key)) != APR_SUCCESS)
        return EIO;
    return put_about(txn, dbs->about, "positions", dbs->position_key, sizeof(dbs->position_key));
}

static int compare_numbers(const MDB_val *a, const MDB_val *b)
{
    uint64_t x, y;

    if (a->mv_size != sizeof(x) || b->mv_size != sizeof(y))
        return (a->mv_size > b->mv_size) - (a->mv_size < b->mv_size);
    memcpy(&x, a->mv_data, sizeof(x));
    memcpy(&y, b->mv_data, sizeof(y));
    return (x > y) - (x < y);
}

/* Opens a database whose keys are numbers of 64 bits, and its values, too, if there are several of
 * a key. On a 32-bit system, LMDB itself would compare only 32 bits of them in some places. */
static int open_numbers(MDB_txn *txn, const char *name, unsigned flags, MDB_dbi *ret_dbi)
{
    int rc = mdb_dbi_open(txn, name, flags | MDB_INTEGERKEY, ret_dbi);

    if (sizeof(size_t) >= sizeof(uint64_t))
        return rc;
    if (!rc)
        rc = mdb_set_compare(txn, *ret_dbi, compare_numbers);
    if (!rc && flags & MDB_DUPSORT)
        rc = mdb_set_dupsort(txn, *ret_dbi, compare_numbers);
    return rc;
}

static int open_dbs(MDB_txn *txn, bool create, const char *hub_key, struct mrc_history_dbs *dbs)
{
    unsigned flags = create ? MDB_CREATE : 0;
    uint32_t format;
    int rc;

    rc = open_numbers(txn, "records", flags, &dbs->records);
    if (!rc)
        rc = open_numbers(txn, "ids", flags | MDB_DUPSORT | MDB_DUPFIXED | MDB_INTEGERDUP,
                          &dbs->ids);
    if (!rc)
        rc = mdb_dbi_open(txn, "about", flags, &dbs->about);
    if (!rc)
        rc = open_newer(txn, "begun", flags, hub_key, &dbs->begun);
    if (!rc)
        rc = open_newer(txn, "revoked", flags, hub_key, &dbs->revoked);
    if (rc)
        return rc;
    rc = get_about(txn, dbs->about, "format", &format, sizeof(format));
    if (rc == MDB_NOTFOUND && create) {
        rc = put_properties(txn, dbs->about, hub_key);
        format = FORMAT;
    }
    if (!rc && format != FORMAT)
        rc = MDB_VERSION_MISMATCH;
    if (!rc)
        rc = get_about(txn, dbs->about, "epoch", &dbs->epoch, sizeof(dbs->epoch));
    if (!rc)
        rc = get_about(txn, dbs->about, "hash", dbs->hash_key, sizeof(dbs->hash_key));
    if (!rc)
        rc = open_position_key(txn, create, hub_key, dbs);
    return rc;
}

int mrc_history_dbs_open(MDB_env *env, const char *hub_key, bool read_only,
                         struct mrc_history_dbs *dbs)
{
    bool create = false;

    for (;;) {
        MDB_txn *txn;
        int rc = mdb_txn_begin(env, NULL, create ? 0 : MDB_RDONLY, &txn);

        if (rc)
            return rc;
        rc = open_dbs(txn, create, hub_key, dbs);
        if (rc) {
            mdb_txn_abort(txn);
            if (rc != MDB_NOTFOUND || create || !hub_key || read_only)
                return rc == MDB_NOTFOUND ? MDB_CORRUPTED : rc;
            create = true;
            continue;
        }
        return mdb_txn_commit(txn);
    }
}
