#include "store/history/bind.h"

#include "apr_time.h"

#include "store/base/status.h"
#include "store/history/backend.h"
#include "store/hub/segment.h"

/* The most bytes that a record takes in a ring in addition to its id and payload. */
#define RECORD_OVERHEAD_BYTES 128

/* ---- From the file to the ring ----------------------------------------------------------------*/

/* Appends the records NUMBER to LAST of the file. Leaves out a record that the ring cannot hold. */
static apr_status_t append_rows(const struct mrc_history *history,
                                const struct mrc_history_txn *txn, uint64_t number, uint64_t last)
{
    for (; number <= last; number++) {
        struct mrc_history_row row;
        apr_status_t status = mrc_history_table_get(txn, number, &row);

        if (status)
            return status;
        row.record.seq -= history->offset;
        status =
            mrc_ring_append_as(history->ring, &row.record, apr_time_now(), MRC_RING_WAIT_FOREVER);
        if (status && status != MRC_STATUS_TOO_LARGE)
            return status;
    }
    return APR_SUCCESS;
}

apr_status_t mrc_history_bind_catch_up(const struct mrc_history *history,
                                       const struct mrc_history_txn *txn, uint64_t *ret_last)
{
    struct mrc_history_row first, last;
    apr_status_t status = mrc_history_table_last(txn, &last);
    uint64_t pos, seq, next;

    mrc_ring_end(history->ring, &pos, &seq);
    next = seq + history->offset + 1;
    if (status == APR_NOTFOUND) {
        *ret_last = next - 1;
        return APR_SUCCESS;
    }
    if (status)
        return status;
    *ret_last = last.record.seq;
    if (next == last.record.seq + 1)
        return APR_SUCCESS;
    if (next > last.record.seq)
        return MRC_STATUS_CORRUPT;
    status = mrc_history_table_first(txn, &first);
    if (status)
        return status;
    if (next < first.record.seq)
        next = first.record.seq;
    status = append_rows(history, txn, next, last.record.seq);
    mrc_hub_segment_wake(history->segment, history->notify);
    return status;
}

/* The number of the first of the newest records that fill half of the ring. */
static apr_status_t find_fill(const struct mrc_history *history, const struct mrc_history_txn *txn,
                              uint64_t first, uint64_t last, uint64_t *ret_number)
{
    uint64_t room = mrc_ring_largest(history->ring) * 2;
    uint64_t number = last;

    while (number > first) {
        struct mrc_history_row row;
        apr_status_t status = mrc_history_table_get(txn, number - 1, &row);
        uint64_t bytes;

        if (status)
            return status;
        bytes = row.record.id.len + row.record.payload.len + RECORD_OVERHEAD_BYTES;
        if (bytes > room)
            break;
        room -= bytes;
        number--;
    }
    *ret_number = number;
    return APR_SUCCESS;
}

apr_status_t mrc_history_bind_fill(struct mrc_history *history, const struct mrc_history_txn *txn)
{
    struct mrc_history_row first, last;
    apr_status_t status = mrc_history_table_first(txn, &first);
    uint64_t number;

    history->offset = 0;
    if (status)
        return status == APR_NOTFOUND ? APR_SUCCESS : status;
    status = mrc_history_table_last(txn, &last);
    if (!status)
        status = find_fill(history, txn, first.record.seq, last.record.seq, &number);
    return status ? status : append_rows(history, txn, number, last.record.seq);
}

/* ---- From the ring to the file ----------------------------------------------------------------*/

static bool is_same(const struct mrc_record *a, const struct mrc_record *b)
{
    return a->time_us == b->time_us && mrc_bytes_eq(a->id, b->id) &&
           mrc_bytes_eq(a->payload, b->payload);
}

/* The position of the first record of the ring that the file does not have: after LAST, the newest
 * record of the file (NULL: it has none), or at the first record that replay reaches. */
static apr_status_t find_new(const struct mrc_history *history, const struct mrc_record *last,
                             uint64_t *ret_pos, uint64_t *ret_seq)
{
    struct mrc_ring_record record = {.buf = NULL};
    uint64_t pos = mrc_ring_oldest(history->ring, apr_time_now());
    uint64_t end, end_seq;
    uint64_t first_pos = pos;
    uint64_t first_seq = 0;
    apr_status_t status;

    mrc_ring_end(history->ring, &end, &end_seq);
    while ((status = mrc_ring_read(history->ring, &pos, &record)) == APR_SUCCESS) {
        if (record.view.is_control)
            continue;
        if (first_seq == 0)
            first_seq = record.view.seq;
        if (last && is_same(&record.view, last)) {
            first_pos = pos;
            first_seq = record.view.seq + 1;
        }
    }
    mrc_ring_record_free(&record);
    if (status != APR_EOF)
        return status;
    *ret_pos = first_pos;
    *ret_seq = first_seq ? first_seq : end_seq + 1;
    return APR_SUCCESS;
}

static apr_status_t copy_ring(const struct mrc_history *history, const struct mrc_history_txn *txn,
                              uint64_t pos)
{
    struct mrc_ring_record record = {.buf = NULL};
    apr_status_t status = APR_SUCCESS;

    while (!status) {
        status = mrc_ring_read(history->ring, &pos, &record);
        if (!status && !record.view.is_control) {
            record.view.seq += history->offset;
            status = mrc_history_table_append(txn, &record.view);
        }
    }
    mrc_ring_record_free(&record);
    return status == APR_EOF ? APR_SUCCESS : status;
}

apr_status_t mrc_history_bind_adopt(struct mrc_history *history, const struct mrc_history_txn *txn)
{
    struct mrc_history_row last = {.sum_bytes = 0};
    apr_status_t status = mrc_history_table_last(txn, &last);
    uint64_t pos, seq;

    if (status && status != APR_NOTFOUND)
        return status;
    status = find_new(history, status ? NULL : &last.record, &pos, &seq);
    if (status)
        return status;
    history->offset = last.record.seq + 1 - seq;
    return copy_ring(history, txn, pos);
}
