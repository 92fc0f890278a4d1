#include "store/lmdb/table.h"

#include <string.h>

#include "core/base/siphash.h"
#include "store/base/status.h"

/* Kept beyond the bounds for running replays, in addition to a quarter of the bounds. */
#define LOOSE_COUNT  64
#define LOOSE_BYTES  65536
#define LOOSE_AGE_US 10000000

struct head {
    uint64_t check;
    int64_t time_us;
    uint64_t sum_bytes;
    uint32_t id_bytes;
    uint32_t payload_bytes;
    uint32_t stored_bytes;
    uint32_t reserved;
};
_Static_assert(sizeof(struct head) == 40, "the head of a record has 40 bytes");

static MDB_val val_of_number(const uint64_t *number)
{
    return (MDB_val){.mv_size = sizeof(*number), .mv_data = (void *)(uintptr_t)number};
}

/* The value of the first word of a record. RECORD may be at any address. */
static uint64_t check_of(const struct mrc_history_dbs *dbs, uint64_t number, const char *record,
                         size_t size)
{
    struct mrc_bytes rest = {record + sizeof(uint64_t), size - sizeof(uint64_t)};

    return mrc_siphash(dbs->hash_key, rest) ^ number;
}

static apr_status_t read_row(const struct mrc_history_txn *txn, const MDB_val *key,
                             const MDB_val *value, struct mrc_history_row *ret_row)
{
    const char *bytes = value->mv_data;
    uint64_t number;
    struct head head;

    if (key->mv_size != sizeof(number) || value->mv_size < sizeof(head))
        return MRC_STATUS_CORRUPT;
    memcpy(&number, key->mv_data, sizeof(number));
    memcpy(&head, bytes, sizeof(head));
    if ((uint64_t)head.id_bytes + head.payload_bytes != value->mv_size - sizeof(head) ||
        head.check != check_of(&txn->dbs, number, bytes, value->mv_size))
        return MRC_STATUS_CORRUPT;
    bytes += sizeof(head);
    *ret_row = (struct mrc_history_row){
        .record =
            {
                .seq = number,
                .time_us = head.time_us,
                .stored_bytes = head.stored_bytes,
                .id = {bytes, head.id_bytes},
                .payload = {bytes + head.id_bytes, head.payload_bytes},
            },
        .sum_bytes = head.sum_bytes,
    };
    return APR_SUCCESS;
}

/* The first or last record. */
static apr_status_t end_row(const struct mrc_history_txn *txn, MDB_cursor_op op,
                            struct mrc_history_row *ret_row)
{
    MDB_cursor *cursor;
    MDB_val key, value;
    apr_status_t status;
    int rc = mdb_cursor_open(txn->txn, txn->dbs.records, &cursor);

    if (rc)
        return mrc_history_env_status(rc);
    rc = mdb_cursor_get(cursor, &key, &value, op);
    status = rc ? mrc_history_env_status(rc) : read_row(txn, &key, &value, ret_row);
    mdb_cursor_close(cursor);
    return status;
}

apr_status_t mrc_history_table_first(const struct mrc_history_txn *txn,
                                     struct mrc_history_row *ret_row)
{
    return end_row(txn, MDB_FIRST, ret_row);
}

apr_status_t mrc_history_table_last(const struct mrc_history_txn *txn,
                                    struct mrc_history_row *ret_row)
{
    return end_row(txn, MDB_LAST, ret_row);
}

apr_status_t mrc_history_table_get(const struct mrc_history_txn *txn, uint64_t number,
                                   struct mrc_history_row *ret_row)
{
    MDB_val key = val_of_number(&number);
    MDB_val value;
    int rc = mdb_get(txn->txn, txn->dbs.records, &key, &value);

    return rc ? mrc_history_env_status(rc) : read_row(txn, &key, &value, ret_row);
}

/* ---- Appending --------------------------------------------------------------------------------*/

apr_status_t mrc_history_table_append(const struct mrc_history_txn *txn,
                                      const struct mrc_record *record)
{
    uint64_t hash = mrc_siphash(txn->dbs.hash_key, record->id);
    MDB_val number = val_of_number(&record->seq);
    MDB_val hash_val = val_of_number(&hash);
    struct mrc_history_row last = {.sum_bytes = 0};
    struct head head = {
        .time_us = record->time_us,
        .id_bytes = (uint32_t)record->id.len,
        .payload_bytes = (uint32_t)record->payload.len,
        .stored_bytes = (uint32_t)record->stored_bytes,
    };
    MDB_val value = {.mv_size = sizeof(head) + record->id.len + record->payload.len};
    apr_status_t status = mrc_history_table_last(txn, &last);
    char *bytes;
    int rc;

    if (status && status != APR_NOTFOUND)
        return status;
    head.sum_bytes = last.sum_bytes + record->stored_bytes;
    rc = mdb_put(txn->txn, txn->dbs.records, &number, &value, MDB_APPEND | MDB_RESERVE);
    if (rc)
        return rc == MDB_KEYEXIST ? MRC_STATUS_CORRUPT : mrc_history_env_status(rc);
    bytes = value.mv_data;
    memcpy(bytes, &head, sizeof(head));
    if (record->id.len)
        memcpy(bytes + sizeof(head), record->id.ptr, record->id.len);
    if (record->payload.len)
        memcpy(bytes + sizeof(head) + record->id.len, record->payload.ptr, record->payload.len);
    head.check = check_of(&txn->dbs, record->seq, bytes, value.mv_size);
    memcpy(bytes, &head.check, sizeof(head.check));
    number = val_of_number(&record->seq);
    return mrc_history_env_status(mdb_put(txn->txn, txn->dbs.ids, &hash_val, &number, 0));
}

/* ---- Bounds -----------------------------------------------------------------------------------*/

/* Whether BOUNDS exclude ROW; LAST is the newest. */
static bool is_excluded(const struct mrc_history_row *row, const struct mrc_history_row *last,
                        const struct mrc_ring_bounds *bounds, int64_t now_us)
{
    return bounds->off || (bounds->count && last->record.seq - row->record.seq >= bounds->count) ||
           (bounds->bytes && mrc_history_table_bytes(row, last) > bounds->bytes) ||
           mrc_ring_is_older(row->record.time_us, bounds->age_us, now_us);
}

/* The bounds of the records that stay in the file for running replays. */
static struct mrc_ring_bounds loosen(const struct mrc_ring_bounds *bounds)
{
    struct mrc_ring_bounds loose = *bounds;

    if (loose.count)
        loose.count += loose.count / 4 + LOOSE_COUNT;
    if (loose.bytes)
        loose.bytes += loose.bytes / 4 + LOOSE_BYTES;
    if (loose.age_us)
        loose.age_us += loose.age_us / 4 + LOOSE_AGE_US;
    return loose;
}

static apr_status_t remove_row(const struct mrc_history_txn *txn, const struct mrc_history_row *row)
{
    uint64_t hash = mrc_siphash(txn->dbs.hash_key, row->record.id);
    uint64_t number = row->record.seq;
    MDB_val hash_val = val_of_number(&hash);
    MDB_val number_val = val_of_number(&number);
    int rc = mdb_del(txn->txn, txn->dbs.ids, &hash_val, &number_val);

    if (rc == MDB_SUCCESS || rc == MDB_NOTFOUND)
        rc = mdb_del(txn->txn, txn->dbs.records, &number_val, NULL);
    return mrc_history_env_status(rc);
}

apr_status_t mrc_history_table_trim(const struct mrc_history_txn *txn,
                                    const struct mrc_ring_bounds *bounds, int64_t now_us,
                                    uint64_t keep, unsigned max)
{
    const struct mrc_ring_bounds loose = loosen(bounds);
    struct mrc_history_row last;
    apr_status_t status = mrc_history_table_last(txn, &last);

    for (unsigned i = 0; !status && i < max; i++) {
        struct mrc_history_row row;

        status = mrc_history_table_first(txn, &row);
        if (status)
            break;
        if (row.record.seq >= keep || row.record.seq >= last.record.seq ||
            !is_excluded(&row, &last, &loose, now_us))
            return APR_SUCCESS;
        status = remove_row(txn, &row);
    }
    return status == APR_NOTFOUND ? APR_SUCCESS : status;
}

/* The first number from LOW on whose record is within the bound of BYTES. */
static apr_status_t within_bytes(const struct mrc_history_txn *txn,
                                 const struct mrc_history_row *last, uint64_t bytes, uint64_t low,
                                 uint64_t *ret_number)
{
    uint64_t high = last->record.seq + 1;

    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        struct mrc_history_row row;
        apr_status_t status = mrc_history_table_get(txn, middle, &row);

        if (status)
            return status;
        if (mrc_history_table_bytes(&row, last) > bytes)
            low = middle + 1;
        else
            high = middle;
    }
    *ret_number = low;
    return APR_SUCCESS;
}

apr_status_t mrc_history_table_oldest(const struct mrc_history_txn *txn,
                                      const struct mrc_ring_bounds *bounds, int64_t now_us,
                                      uint64_t *ret_number, uint64_t *ret_behind)
{
    struct mrc_history_row first, last;
    apr_status_t status = mrc_history_table_first(txn, &first);
    uint64_t number;

    if (!status)
        status = mrc_history_table_last(txn, &last);
    if (status)
        return status;
    number = first.record.seq;
    if (bounds->off)
        number = last.record.seq + 1;
    else if (bounds->count && last.record.seq - number >= bounds->count)
        number = last.record.seq + 1 - bounds->count;
    if (bounds->bytes) {
        status = within_bytes(txn, &last, bounds->bytes, number, &number);
        if (status)
            return status;
    }
    while (bounds->age_us && number <= last.record.seq) {
        struct mrc_history_row row;

        status = mrc_history_table_get(txn, number, &row);
        if (status)
            return status;
        if (!mrc_ring_is_older(row.record.time_us, bounds->age_us, now_us))
            break;
        number++;
    }
    *ret_number = number;
    *ret_behind = number - first.record.seq;
    return APR_SUCCESS;
}

/* ---- Finding ----------------------------------------------------------------------------------*/

/* CURSOR is at the hash of ID: compares the records that have this hash, the earliest first. */
static apr_status_t find_among(const struct mrc_history_txn *txn, MDB_cursor *cursor,
                               struct mrc_bytes id, uint64_t oldest, uint64_t *ret_number)
{
    MDB_val hash_val, number_val;
    int rc = mdb_cursor_get(cursor, &hash_val, &number_val, MDB_GET_CURRENT);

    for (; rc == MDB_SUCCESS; rc = mdb_cursor_get(cursor, &hash_val, &number_val, MDB_NEXT_DUP)) {
        struct mrc_history_row row;
        apr_status_t status;
        uint64_t number;

        if (number_val.mv_size != sizeof(number))
            return MRC_STATUS_CORRUPT;
        memcpy(&number, number_val.mv_data, sizeof(number));
        if (number < oldest)
            continue;
        status = mrc_history_table_get(txn, number, &row);
        if (status)
            return status == APR_NOTFOUND ? MRC_STATUS_CORRUPT : status;
        if (mrc_bytes_eq(row.record.id, id)) {
            *ret_number = number;
            return APR_SUCCESS;
        }
    }
    return mrc_history_env_status(rc);
}

apr_status_t mrc_history_table_find(const struct mrc_history_txn *txn, struct mrc_bytes id,
                                    uint64_t oldest, uint64_t *ret_number)
{
    uint64_t hash = mrc_siphash(txn->dbs.hash_key, id);
    MDB_val hash_val = val_of_number(&hash);
    MDB_val number_val = val_of_number(&oldest);
    MDB_cursor *cursor;
    apr_status_t status;
    int rc = mdb_cursor_open(txn->txn, txn->dbs.ids, &cursor);

    if (rc)
        return mrc_history_env_status(rc);
    /* The first number with this hash, from OLDEST on. */
    rc = mdb_cursor_get(cursor, &hash_val, &number_val, MDB_GET_BOTH_RANGE);
    status = rc ? mrc_history_env_status(rc) : find_among(txn, cursor, id, oldest, ret_number);
    mdb_cursor_close(cursor);
    return status;
}
