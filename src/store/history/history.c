#include "store/history/history.h"

#include "store/base/status.h"
#include "store/history/internal.h"
#include "store/ring/ring.h"

/* The head of a record in a slice; its id and payload follow. */
struct slice_head {
    uint64_t number;
    int64_t time_us;
    uint64_t stored_bytes;
    uint64_t id_bytes;
    uint64_t payload_bytes;
};

void mrc_history_close(struct mrc_history *history)
{
    if (history && history->ops->close)
        history->ops->close(history);
}

struct mrc_ring *mrc_history_ring(const struct mrc_history *history)
{
    return history->ring;
}

void mrc_history_set_describe(struct mrc_history *history, mrc_history_describe_fn *describe,
                              void *ctx)
{
    history->describe = describe;
    history->describe_ctx = ctx;
}

void mrc_history_describe(const struct mrc_history *history, struct mrc_bytes payload,
                          struct mrc_tags *tags)
{
    if (!history->describe)
        tags->is_any = true;
    else if (!tags->is_any)
        history->describe(history->describe_ctx, payload, tags);
}

apr_status_t mrc_history_append(struct mrc_history *history, struct mrc_bytes id,
                                struct mrc_bytes payload, uint64_t stored_bytes, int64_t now_us)
{
    return history->ops->append(history, id, payload, stored_bytes, now_us);
}

apr_status_t mrc_history_append_group(struct mrc_history *history,
                                      const struct mrc_history_item *items, size_t count,
                                      int64_t now_us, size_t *ret_done)
{
    return history->ops->append_group(history, items, count, now_us, ret_done);
}

void mrc_history_head(const struct mrc_history *history, struct mrc_place *ret_place)
{
    struct mrc_place place;
    uint64_t seq;

    mrc_ring_end(history->ring, &place.pos, &seq);
    place.next = mrc_history_number(history, seq) + 1;
    place.until = place.next;
    *ret_place = place;
}

apr_status_t mrc_history_newest(const struct mrc_history *history, struct mrc_ring_record *record,
                                struct mrc_place *ret_place)
{
    for (;;) {
        struct mrc_place place;
        apr_status_t status;

        mrc_history_head(history, &place);
        status = mrc_ring_newest(history->ring, record);
        if (mrc_ring_head(history->ring) != place.pos)
            continue; /* another has come in between */
        *ret_place = place;
        return status;
    }
}

apr_status_t mrc_history_oldest(struct mrc_history *history, int64_t now_us,
                                struct mrc_place *ret_place)
{
    return history->ops->oldest(history, now_us, ret_place);
}

apr_status_t mrc_history_find(struct mrc_history *history, struct mrc_bytes id, int64_t now_us,
                              struct mrc_place *ret_place)
{
    return history->ops->find(history, id, now_us, ret_place);
}

/* ---- reading what the ring does not have ------------------------------------------------------*/

bool mrc_history_is_durable(const struct mrc_history *history)
{
    return history->ops->read != NULL;
}

uint64_t mrc_history_number(const struct mrc_history *history, uint64_t seq)
{
    return seq + history->offset;
}

apr_status_t mrc_history_resume(const struct mrc_history *history, struct mrc_place *place)
{
    struct mrc_place head;

    if (!mrc_history_is_durable(history))
        return MRC_STATUS_OVERRUN;
    mrc_history_head(history, &head);
    place->until = head.until;
    place->pos = head.pos;
    return APR_SUCCESS;
}

apr_status_t mrc_history_read(const struct mrc_history *history, const struct mrc_place *place,
                              size_t max_bytes, struct mrc_history_slice *slice)
{
    mrc_buf_init(&slice->buf, SIZE_MAX);
    slice->at = 0;
    return history->ops->read(history, place, max_bytes, slice);
}

void mrc_history_slice_add(struct mrc_history_slice *slice, const struct mrc_ring_record *record)
{
    const struct slice_head head = {
        .number = record->seq,
        .time_us = record->time_us,
        .stored_bytes = record->stored_bytes,
        .id_bytes = record->id.len,
        .payload_bytes = record->payload.len,
    };

    mrc_buf_add(&slice->buf, &head, sizeof(head));
    mrc_buf_add_bytes(&slice->buf, record->id);
    mrc_buf_add_bytes(&slice->buf, record->payload);
}

bool mrc_history_slice_next(struct mrc_history_slice *slice, struct mrc_ring_record *record)
{
    struct mrc_bytes bytes = mrc_buf_bytes(&slice->buf);
    struct slice_head head;

    if (slice->at >= bytes.len)
        return false;
    memcpy(&head, bytes.ptr + slice->at, sizeof(head));
    slice->at += sizeof(head);
    record->pos = 0;
    record->seq = head.number;
    record->time_us = head.time_us;
    record->stored_bytes = head.stored_bytes;
    record->id = (struct mrc_bytes){bytes.ptr + slice->at, head.id_bytes};
    slice->at += head.id_bytes;
    record->payload = (struct mrc_bytes){bytes.ptr + slice->at, head.payload_bytes};
    slice->at += head.payload_bytes;
    return true;
}

void mrc_history_slice_free(struct mrc_history_slice *slice)
{
    mrc_buf_free(&slice->buf);
    slice->at = 0;
}

apr_status_t mrc_history_count(struct mrc_history *history, int64_t now_us, uint64_t *ret_records,
                               uint64_t *ret_bytes)
{
    return history->ops->count(history, now_us, ret_records, ret_bytes);
}
