#include "hub/hub.h"

#include "core/buf.h"
#include "core/update.h"
#include "hub/patterns.h"
#include "store/hub_segment.h"
#include "store/notify.h"
#include "store/ring.h"

/* No publisher waits longer for the lock: whoever holds it is stopped, not busy. */
#define APPEND_WAIT_US ((int64_t)5 * 1000 * 1000)

struct mrc_hub {
    struct mrc_hub_segment *segment;
    const struct mrc_notify *notify;
    unsigned slot;
    size_t index;
    struct mrc_hub_policy policy;
    struct mrc_patterns *patterns;
};

struct mrc_hub *mrc_hub_open(apr_pool_t *pool, struct mrc_hub_segment *segment,
                             const struct mrc_notify *notify, unsigned slot, size_t index,
                             const struct mrc_hub_policy *policy)
{
    struct mrc_hub *hub = apr_pcalloc(pool, sizeof(*hub));

    hub->segment = segment;
    hub->notify = notify;
    hub->slot = slot;
    hub->index = index;
    hub->policy = *policy;
    hub->patterns = mrc_patterns_create(pool, hub);
    return hub->patterns ? hub : NULL;
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
    uint64_t seq;
    uint64_t pos;

    if (mrc_buf_error(record))
        return mrc_buf_error(record) == MRC_ENOMEM ? APR_ENOMEM : MRC_STATUS_TOO_LARGE;
    return mrc_ring_append(mrc_hub_segment_ring(hub->segment), update->id, mrc_buf_bytes(record),
                           mrc_update_stored_bytes(update), now_us, APPEND_WAIT_US, &seq, &pos);
}

apr_status_t mrc_hub_publish(struct mrc_hub *hub, const struct mrc_update *update, int64_t now_us)
{
    struct mrc_buf record;
    apr_status_t status;

    mrc_buf_init(&record, mrc_ring_largest(mrc_hub_segment_ring(hub->segment)));
    mrc_update_encode(update, &record);
    status = append(hub, update, &record, now_us);
    mrc_buf_free(&record);
    if (status == APR_SUCCESS) {
        mrc_hub_segment_wake(hub->segment, hub->notify);
        mrc_hub_count(hub, MRC_COUNTER_UPDATES, 1);
    }
    return status;
}

struct mrc_ring *mrc_hub_ring(const struct mrc_hub *hub)
{
    return mrc_hub_segment_ring(hub->segment);
}

struct mrc_patterns *mrc_hub_patterns(const struct mrc_hub *hub)
{
    return hub->patterns;
}

/* Counts first and looks then, so that two who come at once cannot both take the last place. */
apr_status_t mrc_hub_join(struct mrc_hub *hub)
{
    mrc_hub_gauge_add(hub, MRC_GAUGE_SUBSCRIBERS, 1);
    if (hub->policy.subscribers_max &&
        mrc_hub_gauge(hub, MRC_GAUGE_SUBSCRIBERS) > hub->policy.subscribers_max) {
        mrc_hub_gauge_add(hub, MRC_GAUGE_SUBSCRIBERS, -1);
        return MRC_STATUS_FULL;
    }
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
