#include "store/history/begun.h"

#include <string.h>

#include "core/base/siphash.h"

struct head {
    uint64_t check;
    uint64_t number;
};
_Static_assert(sizeof(struct head) == 16, "the head of a row has 16 bytes");
_Static_assert(sizeof(struct mrc_record_subject) == 24, "a key has 24 bytes");

static MDB_val key_of(const struct mrc_record_subject *subject)
{
    return (MDB_val){.mv_size = sizeof(*subject), .mv_data = (void *)(uintptr_t)subject};
}

/* The value of the first word of ROW, which may be at any address. */
static uint64_t check_of(const struct mrc_history_txn *txn,
                         const struct mrc_record_subject *subject, const char *row, size_t size)
{
    struct mrc_bytes rest = {row + sizeof(uint64_t), size - sizeof(uint64_t)};

    return mrc_siphash(txn->dbs.hash_key, rest) ^ subject->word[0] ^ subject->word[2];
}

apr_status_t mrc_history_begun_add(const struct mrc_history_txn *txn,
                                   const struct mrc_record *record)
{
    const struct head head = {.number = record->seq};
    MDB_val key = key_of(&record->subject);
    MDB_val value = {.mv_size = sizeof(head) + record->payload.len};
    uint64_t check;
    char *row;
    int rc = mdb_put(txn->txn, txn->dbs.begun, &key, &value, MDB_RESERVE);

    if (rc)
        return mrc_history_env_status(rc);
    row = value.mv_data;
    memcpy(row, &head, sizeof(head));
    if (record->payload.len)
        memcpy(row + sizeof(head), record->payload.ptr, record->payload.len);
    check = check_of(txn, &record->subject, row, value.mv_size);
    memcpy(row, &check, sizeof(check));
    return APR_SUCCESS;
}

apr_status_t mrc_history_begun_remove(const struct mrc_history_txn *txn,
                                      const struct mrc_record_subject *subject)
{
    MDB_val key = key_of(subject);
    int rc = mdb_del(txn->txn, txn->dbs.begun, &key, NULL);

    return mrc_history_env_status(rc == MDB_NOTFOUND ? MDB_SUCCESS : rc);
}

/* Appends the row to SLICE if it is whole, and not beyond HORIZON. */
static void take_row(const struct mrc_history_txn *txn, const struct mrc_record_subject *subject,
                     const MDB_val *value, uint64_t horizon, struct mrc_history_slice *slice)
{
    const char *row = value->mv_data;
    struct mrc_record record;
    struct head head;

    if (value->mv_size < sizeof(head))
        return;
    memcpy(&head, row, sizeof(head));
    if (head.number > horizon || head.check != check_of(txn, subject, row, value->mv_size))
        return;
    record = (struct mrc_record){
        .seq = head.number,
        .payload = {row + sizeof(head), value->mv_size - sizeof(head)},
        .subject = *subject,
    };
    mrc_history_slice_add(slice, &record);
}

/* Puts CURSOR on the first row after AT. */
static int go_behind(MDB_cursor *cursor, const struct mrc_history_left *at, MDB_val *key,
                     MDB_val *value)
{
    int rc;

    if (!at->is_behind)
        return mdb_cursor_get(cursor, key, value, MDB_FIRST);
    *key = key_of(&at->last);
    rc = mdb_cursor_get(cursor, key, value, MDB_SET_RANGE);
    if (!rc && key->mv_size == sizeof(at->last) &&
        memcmp(key->mv_data, &at->last, sizeof(at->last)) == 0)
        rc = mdb_cursor_get(cursor, key, value, MDB_NEXT);
    return rc;
}

apr_status_t mrc_history_begun_read(const struct mrc_history_txn *txn, uint64_t horizon,
                                    struct mrc_history_left *at, size_t max_bytes,
                                    struct mrc_history_slice *slice)
{
    MDB_val key, value;
    MDB_cursor *cursor;
    int rc = mdb_cursor_open(txn->txn, txn->dbs.begun, &cursor);

    if (rc)
        return mrc_history_env_status(rc);
    for (rc = go_behind(cursor, at, &key, &value);
         !rc && mrc_buf_bytes(&slice->buf).len < max_bytes;
         rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) {
        if (key.mv_size != sizeof(at->last))
            continue;
        memcpy(&at->last, key.mv_data, sizeof(at->last));
        at->is_behind = true;
        take_row(txn, &at->last, &value, horizon, slice);
    }
    mdb_cursor_close(cursor);
    if (mrc_buf_error(&slice->buf))
        return APR_ENOMEM;
    return rc == MDB_NOTFOUND ? APR_EOF : mrc_history_env_status(rc);
}
