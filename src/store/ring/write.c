#include "core/base/siphash.h"
#include "store/ring/codec.h"
#include "store/ring/lock.h"
#include "store/ring/ring.h"
#include "store/ring/window.h"

/* ---- Appending --------------------------------------------------------------------------------*/

/* The bytes that RECORD takes in RING; 0: it does not fit. */
static uint64_t size_in(const struct mrc_ring *ring, const struct mrc_record *record)
{
    uint64_t total;

    if (record->id.len > MRC_RING_RECORD_MAX || record->payload.len > MRC_RING_RECORD_MAX ||
        record->stored_bytes > MRC_RECORD_STORED_BYTES_MAX)
        return 0;
    total = mrc_ring_codec_bytes(record->id.len, record->payload.len);
    return total > ring->capacity / 4 || total > MRC_RING_RECORD_MAX ? 0 : total;
}

/* Under the lock: the five steps of layout.h. TOTAL is the size of RECORD. */
static void put(struct mrc_ring *ring, const struct mrc_record *record, uint64_t total)
{
    struct mrc_ring_header *header = ring->header;
    uint64_t hash = mrc_siphash(ring->hash_key, record->id);
    _Atomic uint64_t *bucket = &ring->buckets[hash & ring->bucket_mask];
    uint64_t pos = mrc_ring_held(&header->head);

    mrc_ring_window_make_room(ring, total);

    mrc_ring_codec_write(ring, pos, record, total, mrc_ring_held(bucket), hash);

    atomic_store(&header->head, pos + total);

    mrc_ring_publish(bucket, pos + 1);

    mrc_ring_publish(&header->last_seq, record->seq);
    mrc_ring_window_add(ring, record->stored_bytes);
}

/* Under the lock: the same for the control record RECORD. */
static void put_control(struct mrc_ring *ring, struct mrc_record *record, uint64_t total)
{
    struct mrc_ring_header *header = ring->header;
    uint64_t pos = mrc_ring_held(&header->head), update;

    /* First: the update before it may be overwritten, and is found from the head. */
    mrc_ring_window_make_room(ring, total);
    record->seq = mrc_ring_held(&header->last_seq);
    update = mrc_ring_newest_before(ring, pos, &update) == APR_SUCCESS ? update + 1 : 0;
    mrc_ring_codec_write(ring, pos, record, total, update, mrc_ring_held(&header->control));
    atomic_store(&header->head, pos + total);
    mrc_ring_publish(&header->control, pos + 1);
}

/* Appends RECORD. A seq of 0 becomes the next number. */
static apr_status_t append(struct mrc_ring *ring, struct mrc_record *record, int64_t now_us,
                           int64_t wait_us, uint64_t *ret_pos)
{
    struct mrc_ring_header *header = ring->header;
    uint64_t total = size_in(ring, record);
    apr_status_t status;

    if (total == 0)
        return MRC_STATUS_TOO_LARGE;
    status = mrc_ring_lock(ring, now_us, wait_us);
    if (status)
        return status;
    if (mrc_ring_held(&header->state) != MRC_RING_OPEN)
        status = MRC_STATUS_SUPERSEDED;
    else if (record->is_control)
        record->seq = 0; /* put_control() sets it */
    else if (record->seq == 0)
        record->seq = mrc_ring_held(&header->last_seq) + 1;
    else if (record->seq <= mrc_ring_held(&header->last_seq))
        status = APR_EINVAL;
    if (!status) {
        if (record->is_control)
            put_control(ring, record, total);
        else
            put(ring, record, total);
        mrc_ring_window_trim(ring, now_us);
        *ret_pos = mrc_ring_held(&header->head);
    }
    mrc_ring_unlock(ring);
    return status;
}

apr_status_t mrc_ring_append(struct mrc_ring *ring, struct mrc_bytes id, struct mrc_bytes payload,
                             uint64_t stored_bytes, int64_t now_us, int64_t wait_us,
                             uint64_t *ret_seq, uint64_t *ret_pos)
{
    struct mrc_record record = {
        .time_us = now_us, .stored_bytes = stored_bytes, .id = id, .payload = payload};
    apr_status_t status = append(ring, &record, now_us, wait_us, ret_pos);

    if (!status)
        *ret_seq = record.seq;
    return status;
}

apr_status_t mrc_ring_append_as(struct mrc_ring *ring, const struct mrc_record *record,
                                int64_t now_us, int64_t wait_us)
{
    struct mrc_record copy = *record;
    uint64_t unused;

    return record->seq ? append(ring, &copy, now_us, wait_us, &unused) : APR_EINVAL;
}

apr_status_t mrc_ring_append_control(struct mrc_ring *ring, struct mrc_bytes payload,
                                     int64_t now_us, int64_t wait_us, uint64_t *ret_pos)
{
    struct mrc_record record = {
        .time_us = now_us, .id = mrc_bytes_of(""), .payload = payload, .is_control = true};

    return append(ring, &record, now_us, wait_us, ret_pos);
}

/* ---- A reload: the parent ---------------------------------------------------------------------*/

apr_status_t mrc_ring_set_bounds(struct mrc_ring *ring, const struct mrc_ring_bounds *bounds,
                                 int64_t now_us, int64_t wait_us)
{
    apr_status_t status = mrc_ring_lock(ring, now_us, wait_us);

    if (status)
        return status;
    mrc_ring_window_set_bounds(ring, bounds);
    mrc_ring_window_trim(ring, now_us);
    mrc_ring_unlock(ring);
    return APR_SUCCESS;
}

/*
 * Copies the updates of FROM between POS and HEAD. Leaves out a record that cannot fit into TO. A
 * contradiction ends the copy without an error, because no record after it can be read. Control
 * records are for the streams that exist, which read FROM to its end.
 */
static apr_status_t copy_records(const struct mrc_ring *from, uint64_t pos, uint64_t head,
                                 struct mrc_ring *to)
{
    struct mrc_ring_record record = {.buf = NULL};
    apr_status_t status = APR_SUCCESS;

    while (pos < head) {
        uint64_t total;

        status = mrc_ring_read(from, &pos, &record);
        if (status)
            break;
        total = record.view.is_control ? 0 : size_in(to, &record.view);
        if (total)
            put(to, &record.view, total);
    }
    mrc_ring_record_free(&record);
    return status == APR_ENOMEM ? status : APR_SUCCESS;
}

apr_status_t mrc_ring_move(struct mrc_ring *from, struct mrc_ring *to, int64_t now_us,
                           int64_t wait_us)
{
    apr_status_t status = mrc_ring_lock(from, now_us, wait_us);
    struct mrc_ring_record newest = {.buf = NULL};
    uint64_t history;
    uint64_t head;
    bool empty;

    if (status)
        return status;
    if (mrc_ring_held(&from->header->state) != MRC_RING_OPEN) {
        mrc_ring_unlock(from);
        return MRC_STATUS_SUPERSEDED;
    }
    mrc_ring_window_trim(from, now_us);
    head = mrc_ring_held(&from->header->head);
    history = mrc_ring_held(&from->header->history);
    empty = history == head;
    /* The newest record moves even if the history is empty, because new subscribers get its id. */
    if (empty && mrc_ring_newest(from, &newest) == APR_SUCCESS)
        history = newest.pos;
    mrc_ring_record_free(&newest);
    status = copy_records(from, history, head, to);
    if (!status) {
        if (empty)
            mrc_ring_window_clear(to);
        mrc_ring_publish(&to->header->last_seq, mrc_ring_held(&from->header->last_seq));
        mrc_ring_window_trim(to, now_us);
        mrc_ring_publish(&from->header->state, MRC_RING_SUPERSEDED);
    }
    mrc_ring_unlock(from);
    return status;
}

void mrc_ring_supersede(struct mrc_ring *ring, int64_t wait_us)
{
    apr_status_t status = mrc_ring_lock(ring, 0, wait_us);

    mrc_ring_publish(&ring->header->state, MRC_RING_SUPERSEDED);
    if (!status)
        mrc_ring_unlock(ring);
}
