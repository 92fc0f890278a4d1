#include "httpd/carrier/poll.h"

#include "apr_time.h"
#include "http_protocol.h"

#include "core/base/buf.h"
#include "httpd/answer/answer.h"
#include "hub/hub/hub.h"
#include "hub/subscriber/subscriber.h"
#include "store/base/clock.h"

/* A poll reads for at most this long: matching may be costly. The next poll continues there. */
#define POLL_US ((int64_t)500 * 1000)

/* The largest answer, which is in memory as a whole, whatever the backlog of a stream may be. */
#define POLL_BYTES_MAX ((size_t)64 << 20)

#define WRITE_BYTES ((size_t)1 << 20)

/* Appends the events that SUBSCRIBER has missed to OUT, as far as the limits allow. */
static void add_missed(struct mrc_subscriber *subscriber, struct mrc_buf *out)
{
    uint64_t backlog_bytes = mrc_hub_get_limits(mrc_subscriber_get_hub(subscriber))->backlog_bytes;
    size_t most = backlog_bytes < POLL_BYTES_MAX ? (size_t)backlog_bytes : POLL_BYTES_MAX;
    int64_t until_us = mrc_clock_us() + POLL_US;
    apr_status_t status = APR_SUCCESS;

    while (status == APR_SUCCESS && mrc_buf_bytes(out).len < most && mrc_clock_us() < until_us)
        status = mrc_subscriber_take(subscriber, most - mrc_buf_bytes(out).len,
                                     mrc_subscriber_give_bytes, out);
    mrc_subscriber_count_written(subscriber, apr_time_now());
}

static void send_events(request_rec *r, const struct mrc_buf *events)
{
    struct mrc_bytes left = mrc_buf_bytes(events);

    if (mrc_buf_error(events))
        return;
    while (left.len > 0) {
        size_t len = left.len < WRITE_BYTES ? left.len : WRITE_BYTES;

        if (ap_rwrite(left.ptr, (int)len, r) < 0)
            return;
        left = (struct mrc_bytes){left.ptr + len, left.len - len};
    }
}

int mrc_poll_answer(request_rec *r, struct mrc_subscriber *subscriber, const char *detail)
{
    int status = mrc_answer_later(r, detail);
    struct mrc_buf events;

    if (mrc_answer_is_stream(r)) {
        mrc_buf_init(&events, SIZE_MAX);
        add_missed(subscriber, &events);
        mrc_subscriber_add_position(subscriber, 0, apr_time_now(), &events);
        send_events(r, &events);
        mrc_buf_free(&events);
    }
    mrc_subscriber_close(subscriber, MRC_END_REFUSED);
    return status;
}

void mrc_poll_add_newest(request_rec *r, struct mrc_hub *hub, bool as_event)
{
    struct mrc_buf events;

    if (!mrc_answer_is_stream(r))
        return;
    mrc_buf_init(&events, SIZE_MAX);
    mrc_subscriber_add_newest_position(hub, apr_time_now(), as_event, &events);
    send_events(r, &events);
    mrc_buf_free(&events);
}
