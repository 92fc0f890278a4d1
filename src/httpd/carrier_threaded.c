#include "httpd/carrier_threaded.h"

#include <poll.h>

#include "apr_portable.h"
#include "apr_strings.h"
#include "http_core.h"
#include "http_log.h"
#include "http_protocol.h"
#include "util_filter.h"

#include "core/buf.h"
#include "core/sse.h"
#include "httpd/lifecycle.h"
#include "httpd/module.h"
#include "hub/clock.h"
#include "hub/hub.h"
#include "hub/process.h"
#include "hub/subscriber.h"
#include "hub/waiters.h"
#include "store/status.h"

APLOG_USE_MODULE(mercure);

/* What is written at once; one update may be larger. */
#define WRITE_BYTES ((size_t)64 * 1024)

/* How often the thread looks whether the child is to end: prefork wakes nobody. */
#define LOOK_US APR_USEC_PER_SEC

/* A reconnecting client comes back after a time of its own, so that not all come at once. */
#define RETRY_MIN_MS    500
#define RETRY_SPREAD_MS 2500

struct stream {
    request_rec *r;
    struct mrc_subscriber *subscriber;
    struct mrc_waiter *waiter;
    struct mrc_buf out;
    apr_bucket_brigade *brigade;
    int64_t written_us; /* when the client was last sent something; of hub/clock.h */
};

/* Writes what is in the buffer, blocking; false: the client is gone. */
static bool flush_out(struct stream *stream)
{
    conn_rec *c = stream->r->connection;
    struct mrc_bytes bytes = mrc_buf_bytes(&stream->out);
    apr_status_t status;

    APR_BRIGADE_INSERT_TAIL(stream->brigade,
                            apr_bucket_transient_create(bytes.ptr, bytes.len, c->bucket_alloc));
    APR_BRIGADE_INSERT_TAIL(stream->brigade, apr_bucket_flush_create(c->bucket_alloc));
    status = ap_pass_brigade(stream->r->output_filters, stream->brigade);
    apr_brigade_cleanup(stream->brigade);
    mrc_buf_reset(&stream->out);
    stream->written_us = mrc_clock_us();
    return status == APR_SUCCESS && !c->aborted;
}

/* Sends all that is due. False: the stream ends, for the reason in RET_END. */
static bool send_due(struct stream *stream, enum mrc_end *ret_end)
{
    apr_status_t status;

    do {
        status = mrc_subscriber_take(stream->subscriber, WRITE_BYTES, &stream->out);
        if (mrc_buf_bytes(&stream->out).len && !flush_out(stream)) {
            *ret_end = MRC_END_CLIENT;
            return false;
        }
    } while (status == APR_SUCCESS && mrc_lifecycle_is_serving());
    if (status == APR_SUCCESS || status == APR_EOF)
        return true;
    *ret_end = status == MRC_STATUS_OVERRUN ? MRC_END_OVERRUN : MRC_END_ERROR;
    return false;
}

/* The client's socket; -1 where it carries other streams too, so that only a write tells. */
static int client_fd(const struct stream *stream)
{
    conn_rec *c = stream->r->connection;
    apr_socket_t *socket = c->master ? NULL : ap_get_conn_socket(c);
    apr_os_sock_t fd = -1;

    if (socket)
        apr_os_sock_get(&fd, socket);
    return fd;
}

/* Waits for something to do, at most WAIT_US; false: the client has hung up. */
static bool wait_for_work(struct stream *stream, int64_t wait_us)
{
    struct pollfd pollfds[2] = {
        {.fd = mrc_waiter_fd(stream->waiter), .events = POLLIN},
        {.fd = client_fd(stream), .events = POLLRDHUP},
    };

    if (wait_us > 0)
        poll(pollfds, 2, (int)((wait_us + 999) / 1000));
    mrc_waiter_drain(stream->waiter);
    return !(pollfds[1].revents & (POLLRDHUP | POLLHUP | POLLERR | POLLNVAL));
}

static bool needs_heartbeat(const struct stream *stream)
{
    int64_t heartbeat_us =
        mrc_hub_get_policy(mrc_subscriber_get_hub(stream->subscriber))->heartbeat_us;

    return heartbeat_us && mrc_clock_us() - stream->written_us >= heartbeat_us;
}

/* Serves until the stream ends; the reason why. */
static enum mrc_end serve(struct stream *stream)
{
    enum mrc_end ends_why, end;
    int64_t ends_us = mrc_subscriber_ends_us(stream->subscriber, &ends_why);

    for (;;) {
        int64_t left_us;

        if (!send_due(stream, &end))
            return end;
        left_us = ends_us - apr_time_now();
        if (left_us <= 0)
            return ends_why;
        if (!mrc_lifecycle_is_serving())
            return MRC_END_DRAINING;
        if (needs_heartbeat(stream)) {
            mrc_sse_add_comment(&stream->out);
            if (!flush_out(stream))
                return MRC_END_CLIENT;
        }
        if (!wait_for_work(stream, left_us < LOOK_US ? left_us : LOOK_US))
            return MRC_END_CLIENT;
    }
}

static unsigned random_retry_ms(void)
{
    unsigned short random = 0;

    apr_generate_random_bytes((unsigned char *)&random, sizeof(random));
    return RETRY_MIN_MS + random % RETRY_SPREAD_MS;
}

static enum mrc_end run(struct stream *stream)
{
    enum mrc_end end;

    mrc_sse_add_comment(&stream->out);
    if (!flush_out(stream))
        return MRC_END_CLIENT;
    /* Now, since httpd sends no chunks, and so no clean end, on a connection that it will close. */
    stream->r->connection->keepalive = AP_CONN_CLOSE;
    end = serve(stream);
    if (end == MRC_END_DRAINING) {
        mrc_sse_add_retry(&stream->out, random_retry_ms());
        flush_out(stream);
    }
    return end;
}

int mrc_carrier_threaded_run(request_rec *r, struct mrc_process *process,
                             struct mrc_subscriber *subscriber)
{
    struct stream stream = {.r = r, .subscriber = subscriber};
    apr_status_t status = mrc_waiter_open(mrc_process_waiters(process), &stream.waiter);
    enum mrc_end end = MRC_END_ERROR;

    if (status == APR_SUCCESS) {
        mrc_buf_init(&stream.out, SIZE_MAX);
        stream.brigade = apr_brigade_create(r->pool, r->connection->bucket_alloc);
        end = run(&stream);
        mrc_buf_free(&stream.out);
        mrc_waiter_close(stream.waiter);
    } else {
        ap_log_rerror(APLOG_MARK, APLOG_ERR, status, r, "a stream could not be opened");
    }
    apr_table_setn(r->notes, "mercure-reason", mrc_end_text(end));
    ap_log_rerror(APLOG_MARK, APLOG_DEBUG, 0, r, "stream ended: %s", mrc_end_text(end));
    mrc_subscriber_close(subscriber, end);
    return status == APR_SUCCESS ? OK : HTTP_INTERNAL_SERVER_ERROR;
}
