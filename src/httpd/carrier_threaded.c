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
#include "hub/dispatcher.h"
#include "hub/process.h"
#include "hub/subscriber.h"
#include "store/status.h"

APLOG_USE_MODULE(mercure);

/* What is written at once; one update may be larger. */
#define WRITE_BYTES ((size_t)64 * 1024)

/* A comment on a stream that has been silent so long. */
#define HEARTBEAT_US (20 * APR_USEC_PER_SEC)

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
    apr_time_t written; /* when the client was last sent something */
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
    stream->written = apr_time_now();
    return status == APR_SUCCESS && !c->aborted;
}

/* Sends all that is due: NULL, or the reason why the stream ends. */
static const char *send_due(struct stream *stream)
{
    apr_status_t status;

    do {
        status = mrc_subscriber_take(stream->subscriber, WRITE_BYTES, &stream->out);
        if (mrc_buf_bytes(&stream->out).len && !flush_out(stream))
            return "client";
    } while (status == APR_SUCCESS && mrc_lifecycle_is_serving());
    if (status == APR_SUCCESS || status == APR_EOF)
        return NULL;
    if (status == MRC_STATUS_OVERRUN)
        return "slow";
    ap_log_rerror(APLOG_MARK, APLOG_ERR, status, stream->r, "a stream could not go on");
    return "error";
}

static apr_time_t earlier(apr_time_t a, apr_time_t b)
{
    return a < b ? a : b;
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

/* Waits for something to do, until UNTIL; false: the client has hung up. */
static bool wait_for_work(struct stream *stream, apr_time_t until)
{
    apr_time_t left = until - apr_time_now();
    struct pollfd pollfds[2] = {
        {.fd = mrc_waiter_fd(stream->waiter), .events = POLLIN},
        {.fd = client_fd(stream), .events = POLLRDHUP},
    };

    if (left > 0)
        poll(pollfds, 2, (int)((left + 999) / 1000));
    mrc_waiter_drain(stream->waiter);
    return !(pollfds[1].revents & (POLLRDHUP | POLLHUP | POLLERR | POLLNVAL));
}

/* Serves until the stream ends; the reason why. */
static const char *serve(struct stream *stream)
{
    apr_time_t expires = mrc_subscriber_expires_us(stream->subscriber);

    for (;;) {
        const char *reason = send_due(stream);
        apr_time_t now = apr_time_now();

        if (reason)
            return reason;
        if (now >= expires)
            return "expired";
        if (!mrc_lifecycle_is_serving())
            return "draining";
        if (now - stream->written >= HEARTBEAT_US) {
            mrc_sse_add_comment(&stream->out);
            if (!flush_out(stream))
                return "client";
        }
        if (!wait_for_work(stream, earlier(expires, now + LOOK_US)))
            return "client";
    }
}

static unsigned random_retry_ms(void)
{
    unsigned short random = 0;

    apr_generate_random_bytes((unsigned char *)&random, sizeof(random));
    return RETRY_MIN_MS + random % RETRY_SPREAD_MS;
}

static const char *run(struct stream *stream)
{
    const char *reason;

    mrc_sse_add_comment(&stream->out);
    if (!flush_out(stream))
        return "client";
    /* Now, since httpd sends no chunks, and so no clean end, on a connection that it will close. */
    stream->r->connection->keepalive = AP_CONN_CLOSE;
    reason = serve(stream);
    if (!strcmp(reason, "draining")) {
        mrc_sse_add_retry(&stream->out, random_retry_ms());
        flush_out(stream);
    }
    return reason;
}

int mrc_carrier_threaded_run(request_rec *r, struct mrc_process *process,
                             struct mrc_subscriber *subscriber)
{
    struct stream stream = {.r = r, .subscriber = subscriber};
    apr_status_t status =
        mrc_dispatcher_post_waiter(mrc_process_dispatcher(process), &stream.waiter);
    const char *reason;

    if (status != APR_SUCCESS) {
        ap_log_rerror(APLOG_MARK, APLOG_ERR, status, r, "a stream could not be opened");
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    mrc_buf_init(&stream.out, SIZE_MAX);
    stream.brigade = apr_brigade_create(r->pool, r->connection->bucket_alloc);
    reason = run(&stream);
    apr_table_setn(r->notes, "mercure-reason", reason);
    ap_log_rerror(APLOG_MARK, APLOG_DEBUG, 0, r, "stream ended: %s", reason);
    mrc_buf_free(&stream.out);
    mrc_waiter_close(stream.waiter);
    return OK;
}
