#include "hub/lineage/walk.h"

#include "core/protocol/update.h"
#include "store/ring/ring.h"

bool mrc_walk(const struct mrc_ring *ring, uint64_t since_seq, mrc_walk_fn *each, void *ctx)
{
    struct mrc_ring_record record = {.buf = NULL};
    uint64_t pos = mrc_ring_tail(ring);
    apr_status_t status;
    bool goes_on = true;

    while (goes_on && !(status = mrc_ring_read(ring, &pos, &record))) {
        struct mrc_update_origin origin;
        size_t len;

        if (record.view.seq > since_seq &&
            mrc_update_get_origin(record.view.payload, &origin, &len) && origin.writer)
            goes_on = each(ctx, &record, &origin, len);
    }
    mrc_ring_record_free(&record);
    return goes_on && status != APR_ENOMEM;
}
