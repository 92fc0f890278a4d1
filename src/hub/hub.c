#include "hub/hub.h"

#include "core/buf.h"
#include "core/update.h"
#include "store/hub_segment.h"
#include "store/notify.h"
#include "store/ring.h"

/* No publisher waits longer for the lock: whoever holds it is stopped, not busy. */
#define APPEND_WAIT_US ((int64_t)5 * 1000 * 1000)

struct mrc_hub {
    struct mrc_hub_segment *segment;
    const struct mrc_notify *notify;
    unsigned slot;
};

struct mrc_hub *mrc_hub_open(apr_pool_t *pool, struct mrc_hub_segment *segment,
                             const struct mrc_notify *notify, unsigned slot)
{
    struct mrc_hub *hub = apr_pcalloc(pool, sizeof(*hub));

    hub->segment = segment;
    hub->notify = notify;
    hub->slot = slot;
    return hub;
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
    if (status == APR_SUCCESS)
        mrc_hub_segment_wake(hub->segment, hub->notify);
    return status;
}

struct mrc_ring *mrc_hub_ring(const struct mrc_hub *hub)
{
    return mrc_hub_segment_ring(hub->segment);
}

void mrc_hub_listen(struct mrc_hub *hub)
{
    mrc_hub_segment_interest_add(hub->segment, hub->slot);
}

void mrc_hub_unlisten(struct mrc_hub *hub)
{
    mrc_hub_segment_interest_sub(hub->segment, hub->slot);
}
