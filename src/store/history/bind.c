#include "store/history/bind.h"

#include "apr_time.h"

#include "store/base/status.h"
#include "store/history/internal.h"
#include "store/regions/hub_segment.h"

/* ---- from the file to the ring, under the publish lock ----------------------------------------*/

struct mrc_ring_record mrc_history_bind_record(const struct mrc_history_row *row, uint64_t seq)
{
    return (struct mrc_ring_record){
        .seq = seq,
        .time_us = row->time_us,
        .stored_bytes = row->stored_bytes,
        .id = row->id,
        .payload = row->payload,
    };
}

/* Appends what the file has from NUMBER to LAST. One that is too large for the ring is left out. */
static apr_status_t append_rows(const struct mrc_history *history,
                                const struct mrc_history_txn *txn, uint64_t number, uint64_t last)
{
    for (; number <= last; number++) {
        struct mrc_history_row row;
        struct mrc_ring_record record;
        apr_status_t status = mrc_history_table_get(txn, number, &row);

        if (status)
            return status;
        record = mrc_history_bind_record(&row, number - history->offset);
        status = mrc_ring_append_as(history->ring, &record, apr_time_now(), MRC_RING_WAIT_FOREVER);
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
    *ret_last = last.number;
    if (next == last.number + 1)
        return APR_SUCCESS;
    if (next > last.number)
        return MRC_STATUS_CORRUPT; /* somebody has put an older file in its place */
    status = mrc_history_table_first(txn, &first);
    if (status)
        return status;
    if (next < first.number)
        next = first.number;
    status = append_rows(history, txn, next, last.number);
    mrc_hub_segment_wake(history->segment, history->notify);
    return status;
}

/* Where an empty ring begins: with the newest that fill half of it. */
static apr_status_t find_fill(const struct mrc_history *history, const struct mrc_history_txn *txn,
                              const struct mrc_history_row *first,
                              const struct mrc_history_row *last, uint64_t *ret_number)
{
    uint64_t room = mrc_ring_largest(history->ring) * 2;
    uint64_t number = last->number;

    while (number > first->number) {
        struct mrc_history_row row;
        apr_status_t status = mrc_history_table_get(txn, number - 1, &row);
        uint64_t bytes;

        if (status)
            return status;
        bytes = row.id.len + row.payload.len + 128;
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
        status = find_fill(history, txn, &first, &last, &number);
    return status ? status : append_rows(history, txn, number, last.number);
}

/* ---- from the ring to the file, when the hub gets this store in a reload ----------------------*/

/* Whether RECORD is the newest that the file has: then the ring goes on from there. */
static bool is_row(const struct mrc_ring_record *record, const struct mrc_history_row *row)
{
    return record->time_us == row->time_us && mrc_bytes_eq(record->id, row->id) &&
           mrc_bytes_eq(record->payload, row->payload);
}

/* Where in the ring that begins which the file does not have. */
static apr_status_t find_new(const struct mrc_history *history, const struct mrc_history_row *last,
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
        if (first_seq == 0)
            first_seq = record.seq;
        if (last && is_row(&record, last)) {
            first_pos = pos;
            first_seq = record.seq + 1;
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
        if (!status) {
            const struct mrc_history_row row = {
                .number = record.seq + history->offset,
                .time_us = record.time_us,
                .stored_bytes = (uint32_t)record.stored_bytes,
                .id = record.id,
                .payload = record.payload,
            };

            status = mrc_history_table_append(txn, &row);
        }
    }
    mrc_ring_record_free(&record);
    return status == APR_EOF ? APR_SUCCESS : status;
}

apr_status_t mrc_history_bind_adopt(struct mrc_history *history, const struct mrc_history_txn *txn)
{
    struct mrc_history_row last = {.number = 0};
    apr_status_t status = mrc_history_table_last(txn, &last);
    uint64_t pos, seq;

    if (status && status != APR_NOTFOUND)
        return status;
    status = find_new(history, status ? NULL : &last, &pos, &seq);
    if (status)
        return status;
    history->offset = last.number + 1 - seq;
    return copy_ring(history, txn, pos);
}
