#include "hub/hub.h"

#include <stdatomic.h>

#include "core/buf.h"
#include "core/update.h"
#include "store/history.h"
#include "store/hub_segment.h"
#include "store/ring.h"

struct mrc_hub {
    struct mrc_hub_segment *segment;
    struct mrc_history *history;
    unsigned slot;
    size_t index;
    struct mrc_hub_policy policy;
    void (*on_unreadable)(void *ctx, uint64_t seq);
    void *on_unreadable_ctx;
    atomic_bool has_told;
};

struct mrc_hub *mrc_hub_open(apr_pool_t *pool, struct mrc_hub_segment *segment,
                             const struct mrc_notify *notify, unsigned slot, size_t index,
                             const struct mrc_hub_policy *policy)
{
    struct mrc_hub *hub = apr_pcalloc(pool, sizeof(*hub));

    hub->segment = segment;
    hub->history = mrc_history_open_memory(pool, segment, notify);
    hub->slot = slot;
    hub->index = index;
    hub->policy = *policy;
    return hub;
}

const struct mrc_hub_policy *mrc_hub_get_policy(const struct mrc_hub *hub)
{
    return &hub->policy;
}

size_t mrc_hub_get_index(const struct mrc_hub *hub)
{
    return hub->index;
}

static apr_status_t append(struct mrc_hub *hub, const struct mrc_update *update,
                           const struct mrc_buf *record, int64_t now_us)
{
    if (mrc_buf_error(record))
        return mrc_buf_error(record) == MRC_ENOMEM ? APR_ENOMEM : MRC_STATUS_TOO_LARGE;
    return mrc_history_append(hub->history, update->id, mrc_buf_bytes(record),
                              mrc_update_stored_bytes(update), now_us);
}

apr_status_t mrc_hub_publish(struct mrc_hub *hub, const struct mrc_update *update, int64_t now_us)
{
    struct mrc_buf record;
    apr_status_t status;

    mrc_buf_init(&record, mrc_ring_largest(mrc_hub_segment_ring(hub->segment)));
    mrc_update_encode(update, &record);
    status = append(hub, update, &record, now_us);
    mrc_buf_free(&record);
    if (status == APR_SUCCESS)
        mrc_hub_count(hub, MRC_COUNTER_UPDATES, 1);
    return status;
}

void mrc_hub_on_unreadable(struct mrc_hub *hub, void (*tell)(void *ctx, uint64_t seq), void *ctx)
{
    hub->on_unreadable = tell;
    hub->on_unreadable_ctx = ctx;
}

void mrc_hub_tell_unreadable(struct mrc_hub *hub, uint64_t seq)
{
    if (hub->on_unreadable && !atomic_exchange(&hub->has_told, true))
        hub->on_unreadable(hub->on_unreadable_ctx, seq);
}

struct mrc_history *mrc_hub_history(const struct mrc_hub *hub)
{
    return hub->history;
}

struct mrc_ring *mrc_hub_ring(const struct mrc_hub *hub)
{
    return mrc_hub_segment_ring(hub->segment);
}

apr_status_t mrc_hub_join(struct mrc_hub *hub)
{
    if (!hub->policy.subscribers_max)
        mrc_hub_gauge_add(hub, MRC_GAUGE_SUBSCRIBERS, 1);
    else if (!mrc_hub_gauge_take(hub, MRC_GAUGE_SUBSCRIBERS, hub->policy.subscribers_max))
        return MRC_STATUS_FULL;
    mrc_hub_count(hub, MRC_COUNTER_SUBSCRIBERS, 1);
    mrc_hub_segment_interest_add(hub->segment, hub->slot);
    return APR_SUCCESS;
}

void mrc_hub_leave(struct mrc_hub *hub, enum mrc_end end)
{
    mrc_hub_segment_interest_sub(hub->segment, hub->slot);
    mrc_hub_gauge_add(hub, MRC_GAUGE_SUBSCRIBERS, -1);
    mrc_hub_count(hub, (enum mrc_counter)(MRC_COUNTER_ENDED + (int)end), 1);
}

void mrc_hub_gauge_add(struct mrc_hub *hub, enum mrc_gauge gauge, int64_t n)
{
    mrc_hub_segment_gauge_add(hub->segment, hub->slot, gauge, n);
}

bool mrc_hub_gauge_take(struct mrc_hub *hub, enum mrc_gauge gauge, uint64_t max)
{
    return mrc_hub_segment_gauge_take(hub->segment, hub->slot, gauge, max);
}

uint64_t mrc_hub_gauge(const struct mrc_hub *hub, enum mrc_gauge gauge)
{
    return mrc_hub_segment_gauge(hub->segment, gauge);
}

void mrc_hub_count(struct mrc_hub *hub, enum mrc_counter counter, uint64_t n)
{
    mrc_hub_segment_count(hub->segment, hub->slot, counter, n);
}

uint64_t mrc_hub_counter(const struct mrc_hub *hub, enum mrc_counter counter)
{
    return mrc_hub_segment_counter(hub->segment, counter);
}
