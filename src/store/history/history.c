#include "store/history/history.h"

#include <string.h>

#include "store/base/status.h"
#include "store/history/backend.h"
#include "store/hub/segment.h"
#include "store/ring/ring.h"

/* The clocks of several machines, or one clock over time, may differ by this much. */
#define CLOCK_ERROR_US ((int64_t)5 * 1000 * 1000)

void mrc_history_close(struct mrc_history *history)
{
    if (history && history->ops->close)
        history->ops->close(history);
}

struct mrc_ring *mrc_history_ring(const struct mrc_history *history)
{
    return history->ring;
}

void mrc_history_set_describe(struct mrc_history *history, mrc_tags_describe_fn *describe,
                              void *ctx)
{
    history->describe = describe;
    history->describe_ctx = ctx;
}

/* ---- Appending --------------------------------------------------------------------------------*/

apr_status_t mrc_history_append(struct mrc_history *history, struct mrc_bytes id,
                                struct mrc_bytes payload, uint64_t stored_bytes, int64_t now_us)
{
    const struct mrc_record record = {.id = id, .payload = payload, .stored_bytes = stored_bytes};
    size_t unused;

    return history->ops->append(history, &record, 1, now_us, &unused);
}

apr_status_t mrc_history_append_group(struct mrc_history *history, const struct mrc_record *records,
                                      size_t count, int64_t now_us, size_t *ret_done)
{
    return history->ops->append(history, records, count, now_us, ret_done);
}

apr_status_t mrc_history_append_batch(struct mrc_history *history, const struct mrc_record *records,
                                      size_t count, int64_t now_us)
{
    size_t unused;

    /* A durable history takes a group in one transaction, and the ring can follow it in parts. */
    if (!mrc_history_is_durable(history) &&
        mrc_ring_count_fitting(history->ring, records, count) < count)
        return MRC_STATUS_TOO_LARGE;
    if (history->ops->append_batch)
        return history->ops->append_batch(history, records, count, now_us);
    return history->ops->append(history, records, count, now_us, &unused);
}

apr_status_t mrc_history_catch_up(struct mrc_history *history, int64_t wait_us)
{
    return history->ops->catch_up ? history->ops->catch_up(history, wait_us) : APR_SUCCESS;
}

bool mrc_history_may_come(const struct mrc_history *history, int64_t now_us)
{
    return history->ops->may_come && history->ops->may_come(history, now_us);
}

apr_status_t mrc_history_mirror(struct mrc_history *history, const struct mrc_record *record,
                                int64_t now_us, struct mrc_tags *tags)
{
    struct mrc_record numbered = *record;
    struct mrc_ring_stats stats;
    apr_status_t status;

    mrc_ring_stats(history->ring, &stats); /* only this thread appends to this ring */
    numbered.seq = stats.last_seq + 1;
    status = mrc_ring_append_as(history->ring, &numbered, now_us, MRC_HISTORY_WAIT_US);
    if (!status)
        mrc_history_describe(history, record->payload, tags);
    return status;
}

void mrc_history_wake(const struct mrc_history *history, const struct mrc_tags *tags)
{
    mrc_hub_segment_wake_for(history->segment, history->notify, tags);
}

apr_status_t mrc_history_append_control(struct mrc_history *history, struct mrc_bytes payload,
                                        struct mrc_bytes operation, int64_t now_us)
{
    apr_status_t status;
    uint64_t pos;

    if (history->ops->append_control)
        return history->ops->append_control(history, payload, operation, now_us);
    status = mrc_ring_append_control(history->ring, payload, now_us, MRC_HISTORY_WAIT_US, &pos);
    if (status == APR_SUCCESS)
        mrc_hub_segment_wake(history->segment, history->notify);
    return status;
}

/* ---- Revocations ------------------------------------------------------------------------------*/

apr_status_t mrc_history_revoke(const struct mrc_history *history,
                                const struct mrc_revocation *entries, size_t count, int64_t now_us)
{
    return history->ops->revoke ? history->ops->revoke(history, entries, count, now_us)
                                : APR_SUCCESS;
}

apr_status_t mrc_history_lift(const struct mrc_history *history,
                              const unsigned char id[MRC_REVOCATION_ID_BYTES])
{
    return history->ops->lift ? history->ops->lift(history, id) : APR_SUCCESS;
}

apr_status_t mrc_history_revoked(const struct mrc_history *history, mrc_revocation_fn *fn,
                                 void *ctx)
{
    return history->ops->revoked ? history->ops->revoked(history, fn, ctx) : APR_SUCCESS;
}

uint64_t mrc_history_epoch(const struct mrc_history *history)
{
    return history->ops->epoch ? history->ops->epoch(history) : 0;
}

/* ---- Places -----------------------------------------------------------------------------------*/

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
            continue; /* another record was appended in between */
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

/* A reader that was at NUMBER at MADE_US has seen the record before it, which therefore is older,
 * unless the numbers have been given out again. */
apr_status_t mrc_history_seek(struct mrc_history *history, uint64_t number, int64_t made_us,
                              int64_t now_us, struct mrc_place *ret_place)
{
    struct mrc_place place;
    int64_t before_us;
    apr_status_t status = history->ops->seek(history, number, now_us, &place, &before_us);

    if (status)
        return status;
    if (before_us && before_us - made_us > CLOCK_ERROR_US)
        return APR_NOTFOUND;
    *ret_place = place;
    return APR_SUCCESS;
}

/* The ring has the newest records of a durable history, under the same bounds. */
bool mrc_history_is_empty(const struct mrc_history *history, int64_t now_us)
{
    return mrc_ring_oldest(history->ring, now_us) == mrc_ring_head(history->ring);
}

bool mrc_history_make_position(const struct mrc_history *history, uint64_t number, int64_t now_us,
                               uint64_t *ret_first, int64_t *ret_second)
{
    if (history->ops->make_position)
        return history->ops->make_position(history, number, now_us, ret_first, ret_second);
    *ret_first = number;
    *ret_second = now_us;
    return true;
}

apr_status_t mrc_history_seek_position(struct mrc_history *history, uint64_t first, int64_t second,
                                       int64_t now_us, struct mrc_place *ret_place)
{
    return history->ops->seek_position
               ? history->ops->seek_position(history, first, second, now_us, ret_place)
               : mrc_history_seek(history, first, second, now_us, ret_place);
}

bool mrc_history_get_position_key(const struct mrc_history *history, unsigned char *key)
{
    if (history->ops->get_position_key)
        return history->ops->get_position_key(history, key);
    memcpy(key, history->position_key, sizeof(history->position_key));
    return true;
}

void mrc_history_set_position_key(struct mrc_history *history, const unsigned char *key)
{
    memcpy(history->position_key, key, sizeof(history->position_key));
}

/* ---- Reading records that the ring does not have ----------------------------------------------*/

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

apr_status_t mrc_history_count(struct mrc_history *history, int64_t now_us, uint64_t *ret_records,
                               uint64_t *ret_bytes)
{
    return history->ops->count(history, now_us, ret_records, ret_bytes);
}

/* ---- What servers before this one left --------------------------------------------------------*/

apr_status_t mrc_history_read_left(const struct mrc_history *history, struct mrc_history_left *at,
                                   size_t max_bytes, struct mrc_history_slice *slice)
{
    mrc_buf_init(&slice->buf, SIZE_MAX);
    slice->at = 0;
    return history->ops->read_left ? history->ops->read_left(history, at, max_bytes, slice)
                                   : APR_EOF;
}

void mrc_history_end_left(const struct mrc_history *history, bool is_done)
{
    if (history->ops->end_left)
        history->ops->end_left(history, is_done);
}
