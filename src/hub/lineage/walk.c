#include "hub/lineage/walk.h"

#include <string.h>

#include "core/protocol/update.h"
#include "store/ring/ring.h"

struct mrc_bytes mrc_walk_order_id(const struct mrc_update_origin *origin)
{
    return (struct mrc_bytes){(const char *)origin, sizeof(*origin)};
}

/* False: RECORD has not come from the engine. */
static bool get_origin(const struct mrc_record *record, struct mrc_update_origin *ret_origin,
                       size_t *ret_len)
{
    if (!record->is_control)
        return mrc_update_get_origin(record->payload, ret_origin, ret_len) && ret_origin->writer;
    if (record->id.len != sizeof(*ret_origin))
        return false;
    memcpy(ret_origin, record->id.ptr, sizeof(*ret_origin));
    *ret_len = record->payload.len;
    return true;
}

/* Reads the next record, or the first one that is left: the parent may move the tail past others
 * (store/ring/reclaim.h). */
static apr_status_t read_next(const struct mrc_ring *ring, uint64_t *pos,
                              struct mrc_ring_record *record)
{
    apr_status_t status;

    while ((status = mrc_ring_read(ring, pos, record)) == MRC_STATUS_OVERRUN)
        *pos = mrc_ring_tail(ring);
    return status;
}

static bool walk(const struct mrc_ring *ring, uint64_t since_seq, bool with_orders,
                 mrc_walk_fn *each, void *ctx)
{
    struct mrc_ring_record record = {.buf = NULL};
    uint64_t pos = mrc_ring_tail(ring);
    apr_status_t status;
    bool goes_on = true;

    while (goes_on && !(status = read_next(ring, &pos, &record))) {
        struct mrc_update_origin origin;
        size_t len;

        if ((with_orders || (!record.view.is_control && record.view.seq > since_seq)) &&
            get_origin(&record.view, &origin, &len))
            goes_on = each(ctx, &record, &origin, len);
    }
    mrc_ring_record_free(&record);
    return goes_on && status != APR_ENOMEM;
}

bool mrc_walk(const struct mrc_ring *ring, uint64_t since_seq, mrc_walk_fn *each, void *ctx)
{
    return walk(ring, since_seq, false, each, ctx);
}

bool mrc_walk_all(const struct mrc_ring *ring, mrc_walk_fn *each, void *ctx)
{
    return walk(ring, 0, true, each, ctx);
}
