#include "hub/presence/left.h"

#include "hub/hub/hub.h"
#include "hub/presence/events.h"
#include "store/history/history.h"

static apr_status_t publish(struct mrc_presence_events *events)
{
    size_t unused;
    apr_status_t status = mrc_presence_events_publish(events, &unused);

    mrc_presence_events_reset(events);
    return status;
}

/* Announces that the subscriptions in SLICE have ended. */
static apr_status_t announce(struct mrc_presence_events *events, struct mrc_history_slice *slice)
{
    apr_status_t status = APR_SUCCESS;
    struct mrc_record record;

    mrc_presence_events_reset(events);
    while (!status && mrc_history_slice_next(slice, &record)) {
        /* Other errors are of the record: the next attempt would meet them again. */
        if (mrc_presence_events_add_left(events, &record) == APR_ENOMEM)
            status = APR_ENOMEM;
        else if (mrc_presence_events_is_full(events))
            status = publish(events);
    }
    return status ? status : publish(events);
}

apr_status_t mrc_presence_left_announce(struct mrc_hub *hub, struct mrc_presence_events *events)
{
    const struct mrc_history *history = mrc_hub_history(hub);
    struct mrc_history_left at = {.is_behind = false};
    apr_status_t status;

    do {
        struct mrc_history_slice slice;

        status = mrc_history_read_left(history, &at, MRC_PRESENCE_EVENTS_BYTES_MAX, &slice);
        if (status == APR_SUCCESS || status == APR_EOF) {
            apr_status_t announced = announce(events, &slice);

            status = announced ? announced : status;
        }
        mrc_history_slice_free(&slice);
    } while (status == APR_SUCCESS);
    mrc_history_end_left(history, status == APR_EOF);
    return status == APR_EOF ? APR_SUCCESS : status;
}
