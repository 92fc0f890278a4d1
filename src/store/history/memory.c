#include "store/history/backend.h"
#include "store/history/history.h"
#include "store/hub/segment.h"
#include "store/ring/ring.h"

/* Wakes the children that the COUNT RECORDS concern; the ring already has them. */
static void wake_for(const struct mrc_history *history, const struct mrc_record *records,
                     size_t count)
{
    struct mrc_tags tags;

    mrc_tags_clear(&tags);
    for (size_t i = 0; i < count; i++)
        mrc_history_describe(history, records[i].payload, &tags);
    mrc_hub_segment_wake_for(history->segment, history->notify, &tags);
}

static apr_status_t append_single(struct mrc_history *history, const struct mrc_record *record,
                                  int64_t now_us)
{
    uint64_t seq, pos;

    return mrc_ring_append(history->ring, record->id, record->payload, record->stored_bytes, now_us,
                           MRC_HISTORY_WAIT_US, &seq, &pos);
}

/* Records that the ring can take together become visible together. */
static apr_status_t append(struct mrc_history *history, const struct mrc_record *records,
                           size_t count, int64_t now_us, size_t *ret_done)
{
    apr_status_t status = APR_SUCCESS;
    size_t done = 0;

    while (done < count && !status) {
        uint64_t unused;
        size_t part = mrc_ring_count_fitting(history->ring, records + done, count - done);

        if (part > 1)
            status = mrc_ring_append_group(history->ring, records + done, part, now_us,
                                           MRC_HISTORY_WAIT_US, &unused);
        else
            status = append_single(history, &records[done], now_us);
        if (!status)
            done += part;
    }
    if (done)
        wake_for(history, records, done);
    *ret_done = done;
    return status;
}

static struct mrc_place place_at(const struct mrc_history *history, uint64_t pos)
{
    uint64_t number = mrc_ring_seq_at(history->ring, pos);

    return (struct mrc_place){.next = number, .until = number, .pos = pos};
}

apr_status_t mrc_history_memory_oldest(struct mrc_history *history, int64_t now_us,
                                       struct mrc_place *ret_place)
{
    *ret_place = place_at(history, mrc_ring_oldest(history->ring, now_us));
    return APR_SUCCESS;
}

apr_status_t mrc_history_memory_find(struct mrc_history *history, struct mrc_bytes id,
                                     int64_t now_us, struct mrc_place *ret_place)
{
    uint64_t pos;
    apr_status_t status = mrc_ring_find(history->ring, id, now_us, &pos);

    if (status == APR_SUCCESS)
        *ret_place = place_at(history, pos);
    return status;
}

apr_status_t mrc_history_memory_seek(struct mrc_history *history, uint64_t number, int64_t now_us,
                                     struct mrc_place *ret_place, int64_t *ret_before_us)
{
    uint64_t pos;
    apr_status_t status = mrc_ring_seek(history->ring, number, now_us, &pos, ret_before_us);

    if (status == APR_SUCCESS)
        *ret_place = (struct mrc_place){.next = number, .until = number, .pos = pos};
    return status;
}

apr_status_t mrc_history_memory_count(struct mrc_history *history, int64_t now_us,
                                      uint64_t *ret_records, uint64_t *ret_bytes)
{
    struct mrc_ring_stats stats;

    mrc_ring_oldest(history->ring, now_us); /* removes expired records if there are many */
    mrc_ring_stats(history->ring, &stats);
    *ret_records = stats.records;
    *ret_bytes = stats.bytes;
    return APR_SUCCESS;
}

static const struct mrc_history_ops memory_ops = {
    .append = append,
    .oldest = mrc_history_memory_oldest,
    .find = mrc_history_memory_find,
    .seek = mrc_history_memory_seek,
    .count = mrc_history_memory_count,
};

struct mrc_history *mrc_history_open_memory(apr_pool_t *pool, struct mrc_hub_segment *segment,
                                            const struct mrc_notify *notify)
{
    struct mrc_history *history = apr_pcalloc(pool, sizeof(*history));

    history->ops = &memory_ops;
    history->segment = segment;
    history->notify = notify;
    history->ring = mrc_hub_segment_ring(segment);
    mrc_history_set_position_key(history, mrc_hub_segment_position_key(segment));
    return history;
}
