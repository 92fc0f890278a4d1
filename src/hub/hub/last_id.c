#include "hub/hub/last_id.h"

#include "hub/hub/hub.h"
#include "store/history/history.h"
#include "store/ring/ring.h"

/* The largest part of a history that is read for one record. */
#define READ_BYTES ((size_t)1)

/* Appends the id of the newest record. RET_NEXT gets the number of the record after it. */
static apr_status_t add_newest(const struct mrc_history *history, uint64_t *ret_next,
                               struct mrc_buf *ret_id)
{
    struct mrc_ring_record record = {.buf = NULL};
    struct mrc_place place;
    apr_status_t status = mrc_history_newest(history, &record, &place);

    *ret_next = place.next;
    if (status == APR_SUCCESS)
        mrc_buf_add_bytes(ret_id, record.view.id);
    mrc_ring_record_free(&record);
    return status;
}

static apr_status_t add_from_ring(const struct mrc_hub *hub, uint64_t pos, struct mrc_buf *ret_id)
{
    struct mrc_ring_record record = {.buf = NULL};
    apr_status_t status = mrc_ring_read(mrc_hub_ring(hub), &pos, &record);

    if (status == APR_SUCCESS)
        mrc_buf_add_bytes(ret_id, record.view.id);
    mrc_ring_record_free(&record);
    return status;
}

static apr_status_t add_from_disk(const struct mrc_history *history, const struct mrc_place *place,
                                  struct mrc_buf *ret_id)
{
    struct mrc_history_slice slice = {.at = 0};
    struct mrc_record record;
    apr_status_t status = mrc_history_read(history, place, READ_BYTES, &slice);

    if (status == APR_SUCCESS && mrc_history_slice_next(&slice, &record))
        mrc_buf_add_bytes(ret_id, record.id);
    else if (status == APR_SUCCESS)
        status = APR_NOTFOUND;
    mrc_history_slice_free(&slice);
    return status;
}

apr_status_t mrc_hub_last_id(const struct mrc_hub *hub, uint64_t next, int64_t now_us,
                             struct mrc_buf *ret_id)
{
    struct mrc_history *history = mrc_hub_history(hub);
    struct mrc_place place;
    uint64_t newest_next;
    apr_status_t status = add_newest(history, &newest_next, ret_id);

    if (status == APR_NOTFOUND)
        mrc_buf_add_str(ret_id, "earliest");
    if (status == APR_NOTFOUND || (status == APR_SUCCESS && next >= newest_next))
        return APR_SUCCESS;
    mrc_buf_reset(ret_id);
    if (status == APR_SUCCESS)
        status =
            next > 1 ? mrc_history_seek(history, next - 1, now_us, now_us, &place) : APR_NOTFOUND;
    if (status != APR_SUCCESS)
        return APR_NOTFOUND;
    status = place.next < place.until ? add_from_disk(history, &place, ret_id)
                                      : add_from_ring(hub, place.pos, ret_id);
    return status == APR_SUCCESS ? APR_SUCCESS : APR_NOTFOUND;
}
