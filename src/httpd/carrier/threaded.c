#include "httpd/carrier/threaded.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "ap_mpm.h"
#include "apr_portable.h"
#include "http_log.h"
#include "http_protocol.h"
#include "util_filter.h"

#include "core/base/buf.h"
#include "core/protocol/sse.h"
#include "httpd/base/connection.h"
#include "httpd/base/module.h"
#include "httpd/carrier/client_socket.h"
#include "httpd/carrier/filters.h"
#include "httpd/carrier/mod_http2.h"
#include "httpd/carrier/nonblocking.h"
#include "httpd/carrier/stream_head.h"
#include "httpd/child/this_child.h"
#include "httpd/log/stream_end.h"
#include "hub/child/child.h"
#include "hub/control/order.h"
#include "hub/control/orders.h"
#include "hub/hub/hub.h"
#include "hub/hub/numbers.h"
#include "hub/hub/revocation.h"
#include "hub/stream/stream.h"
#include "hub/stream/waiters.h"
#include "hub/subscriber/subscriber.h"
#include "store/base/clock.h"
#include "store/base/status.h"
#include "store/ring/ring.h"

APLOG_USE_MODULE(mercure);

/* The thread checks this often whether the child ends: prefork wakes no thread for a reload. */
#define CHECK_US APR_USEC_PER_SEC

/* Each client gets a different reconnection time, so they do not all reconnect at once. */
#define RETRY_MIN_MS    500
#define RETRY_SPREAD_MS 2500

/*
 * The kernel says when something was acknowledged, to within a step of its clock, which is shorter
 * than this.
 */
#define CLOCK_STEP_US ((int64_t)10 * 1000)

/* The last write of a stream may block this long. */
#define LAST_WRITE_US ((apr_interval_time_t)APR_USEC_PER_SEC)

/* clang-format off */
/*
 * When a child ends, the MPMs would keep a stream from ending cleanly:
 *
 *     worker, event   close the sockets of busy threads before they call the modules. So the stream
 *                     has a duplicate of the client's socket, to which httpd's filters write.
 *     prefork         exits in the middle of its handler for SIGTERM or SIGHUP, which interrupts
 *                     the stream. So these signals are blocked until the connection is closed, and
 *                     a signalfd shows that one has arrived.
 */
/* clang-format on */
struct stream {
    request_rec *r;
    struct mrc_subscriber *subscriber;
    struct mrc_waiter *waiter;
    struct mrc_buf out;
    apr_bucket_brigade *brigade;
    apr_socket_t *socket; /* the duplicate; NULL: an HTTP/2 stream has none */
    int fd;               /* of the socket, or -1 */
    int signal_fd;        /* readable when prefork got a signal to end; -1 under other MPMs */
    bool is_nonblocking;  /* the filters allow writing without blocking */
    int64_t ends_us;      /* when the stream ends at the latest; of store/base/clock.h */
    enum mrc_end ends_why;
    int64_t written_us;   /* when something was last written; of store/base/clock.h */
    int64_t watched_us;   /* since when the client has to acknowledge bytes; 0: it has not */
    uint64_t orders;      /* the mark of the newest order that it has seen (hub/control/orders.h) */
    enum mrc_end ordered; /* the end that an order requires; MRC_END_CLIENT: none */
};

static const struct mrc_hub_limits *limits_of(const struct stream *stream)
{
    return mrc_hub_get_limits(mrc_subscriber_get_hub(stream->subscriber));
}

/* ---- the socket and the signals ---------------------------------------------------------------*/

static apr_status_t close_signal_fd(void *data)
{
    close((int)(intptr_t)data);
    return APR_SUCCESS;
}

/* Puts a duplicate of the connection's socket below the filters. */
static apr_status_t open_socket(struct stream *stream)
{
    int64_t timeout_us = limits_of(stream)->dispatch_timeout_us;
    apr_status_t status = mrc_connection_copy_socket(stream->r->connection, &stream->socket);

    if (status != APR_SUCCESS)
        return status;
    apr_os_sock_get(&stream->fd, stream->socket);
    apr_socket_timeout_set(stream->socket, timeout_us);
    mrc_client_socket_set_options(stream->fd, timeout_us);
    return APR_SUCCESS;
}

static apr_status_t hold_signals(struct stream *stream)
{
    conn_rec *c = stream->r->connection;
    int threaded = 0;
    sigset_t signals;

    ap_mpm_query(AP_MPMQ_IS_THREADED, &threaded);
    if (threaded)
        return APR_SUCCESS;
    mrc_connection_signals(&signals);
    stream->signal_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
    if (stream->signal_fd < 0)
        return APR_FROM_OS_ERROR(errno);
    apr_pool_cleanup_register(c->pool, (void *)(intptr_t)stream->signal_fd, close_signal_fd,
                              apr_pool_cleanup_null);
    mrc_connection_hold_signals(c);
    return APR_SUCCESS;
}

/* Takes what the stream needs of the connection; undone when httpd frees the connection. */
static apr_status_t open_connection(struct stream *stream)
{
    conn_rec *c = stream->r->connection;
    apr_status_t status;

    if (c->master)
        return mrc_mod_http2_hold(mrc_this_child_mod_http2(), c);
    status = open_socket(stream);
    return status == APR_SUCCESS ? hold_signals(stream) : status;
}

/* A forked process uses the child's waiter, which belongs to the child. */
static apr_status_t open_waiter(struct stream *stream)
{
    if (!mrc_this_child_is_forked())
        return mrc_waiter_open(mrc_child_waiters(mrc_this_child_get()), stream->subscriber,
                               &stream->waiter);
    stream->waiter = mrc_this_child_forked_waiter();
    return stream->waiter ? APR_SUCCESS : APR_ENOTIMPL;
}

static void close_waiter(struct stream *stream)
{
    if (!mrc_this_child_is_forked())
        mrc_waiter_close(stream->waiter);
}

static bool is_signalled(const struct stream *stream)
{
    sigset_t pending;

    return stream->signal_fd >= 0 && sigpending(&pending) == 0 &&
           (sigismember(&pending, SIGTERM) == 1 || sigismember(&pending, SIGHUP) == 1);
}

static bool is_draining(const struct stream *stream)
{
    return !mrc_this_child_is_serving() || is_signalled(stream);
}

/* How long the thread may wait: until it has to check something, or the stream ends. 0: it ends
 * now. The token may expire earlier than it seemed, because the time of day was set. */
static int64_t longest_wait_us(struct stream *stream)
{
    int64_t expires_us = mrc_subscriber_expires_us(stream->subscriber, mrc_clock_ahead_us());
    int64_t left_us;

    if (expires_us < stream->ends_us) {
        stream->ends_us = expires_us;
        stream->ends_why = MRC_END_EXPIRED;
    }
    left_us = stream->ends_us - mrc_clock_us();
    return left_us < 0 ? 0 : left_us < CHECK_US ? left_us : CHECK_US;
}

/* ---- writing ----------------------------------------------------------------------------------*/

/* Each of these functions returns true; or false, and the reason why the stream ends. */

/* Waits until the client has accepted the bytes that the filters keep. */
static bool complete(struct stream *stream, enum mrc_end *ret_end)
{
    conn_rec *c = stream->r->connection;
    size_t unsent = mrc_client_socket_unsent_bytes(stream->fd);
    int64_t progress_us = mrc_clock_us();

    for (;;) {
        struct pollfd pollfds[2] = {
            {.fd = stream->fd, .events = POLLOUT | POLLRDHUP},
            {.fd = stream->signal_fd, .events = POLLIN},
        };
        enum mrc_carrier_state state;
        size_t now_unsent;

        poll(pollfds, 2, (int)((longest_wait_us(stream) + 999) / 1000));
        *ret_end = MRC_END_CLIENT;
        state = pollfds[0].revents & ~POLLOUT ? MRC_CARRIER_GONE : mrc_nonblocking_flush(c);
        if (state != MRC_CARRIER_PENDING)
            return state == MRC_CARRIER_READY;
        if (longest_wait_us(stream) == 0) {
            *ret_end = stream->ends_why;
            return false;
        }
        *ret_end = MRC_END_DRAINING;
        if (is_draining(stream))
            return false;
        now_unsent = mrc_client_socket_unsent_bytes(stream->fd);
        if (now_unsent < unsent || pollfds[0].revents)
            progress_us = mrc_clock_us();
        unsent = now_unsent;
        *ret_end = MRC_END_SLOW;
        if (mrc_clock_us() - progress_us >= limits_of(stream)->dispatch_timeout_us)
            return false;
    }
}

static bool write_piece(struct stream *stream, struct mrc_bytes piece, enum mrc_end *ret_end)
{
    conn_rec *c = stream->r->connection;
    apr_status_t status;

    *ret_end = MRC_END_CLIENT;
    APR_BRIGADE_INSERT_TAIL(stream->brigade,
                            apr_bucket_transient_create(piece.ptr, piece.len, c->bucket_alloc));
    if (stream->is_nonblocking) {
        switch (mrc_nonblocking_write(stream->r, stream->brigade)) {
        case MRC_CARRIER_READY:
            return true;
        case MRC_CARRIER_PENDING:
            return complete(stream, ret_end);
        default:
            return false;
        }
    }
    APR_BRIGADE_INSERT_TAIL(stream->brigade, apr_bucket_flush_create(c->bucket_alloc));
    status = ap_pass_brigade(stream->r->output_filters, stream->brigade);
    apr_brigade_cleanup(stream->brigade);
    if (APR_STATUS_IS_TIMEUP(status))
        *ret_end = MRC_END_SLOW;
    return status == APR_SUCCESS && !c->aborted;
}

/*
 * Notes for operators that LEFT bytes are not written yet. A forked process shares its waiter with
 * others.
 */
static void note(const struct stream *stream, size_t left)
{
    if (!mrc_this_child_is_forked())
        mrc_waiter_note(stream->waiter, mrc_subscriber_get_next(stream->subscriber), left);
}

/* Writes the bytes in the buffer, in pieces, and empties it. */
static bool flush_out(struct stream *stream, enum mrc_end *ret_end)
{
    struct mrc_bytes left = mrc_buf_bytes(&stream->out);
    bool is_well = true;

    while (left.len && is_well) {
        struct mrc_bytes piece = {left.ptr, left.len};

        note(stream, left.len);
        if (piece.len > MRC_CARRIER_WRITE_BYTES)
            piece.len = MRC_CARRIER_WRITE_BYTES;
        is_well = write_piece(stream, piece, ret_end);
        stream->written_us = mrc_clock_us();
        if (stream->watched_us == 0)
            stream->watched_us = stream->written_us;
        left = (struct mrc_bytes){left.ptr + piece.len, left.len - piece.len};
    }
    mrc_buf_reset(&stream->out);
    note(stream, 0);
    return is_well;
}

static void obey(void *ctx, const struct mrc_order *order)
{
    struct stream *stream = ctx;

    if (stream->ordered == MRC_END_CLIENT && mrc_subscriber_obeys(stream->subscriber, order))
        stream->ordered = mrc_order_end(order);
}

/* Whether no order ends the stream. An order that is lost might have been for it. */
static bool take_orders(struct stream *stream, enum mrc_end *ret_end)
{
    const struct mrc_ring *ring = mrc_hub_ring(mrc_subscriber_get_hub(stream->subscriber));
    uint64_t mark = mrc_ring_control(ring);

    if (mark > stream->orders &&
        mrc_orders_read(ring, stream->orders, mark, obey, stream) != APR_SUCCESS)
        stream->ordered = MRC_END_DISCONNECTED;
    if (mark > stream->orders)
        stream->orders = mark;
    *ret_end = stream->ordered;
    return stream->ordered == MRC_END_CLIENT;
}

/* Sends all events that the client has not received yet. */
static bool send_due(struct stream *stream, enum mrc_end *ret_end)
{
    apr_status_t status;

    do {
        status = mrc_subscriber_take(stream->subscriber, MRC_CARRIER_WRITE_BYTES,
                                     mrc_subscriber_give_bytes, &stream->out);
        if (!take_orders(stream, ret_end)) {
            mrc_buf_reset(&stream->out); /* updates after the order */
            return false;
        }
        if (!flush_out(stream, ret_end))
            return false;
        mrc_subscriber_count_written(stream->subscriber, apr_time_now());
    } while (status == APR_SUCCESS && longest_wait_us(stream) > 0 && !is_draining(stream));
    if (status == APR_SUCCESS || status == APR_EOF)
        return true;
    *ret_end = status == MRC_STATUS_OVERRUN ? MRC_END_OVERRUN : MRC_END_ERROR;
    return false;
}

/* ---- the stream -------------------------------------------------------------------------------*/

/* Waits until there is something to do. False: the client has hung up. */
static bool wait_for_work(struct stream *stream)
{
    struct pollfd pollfds[3] = {
        {.fd = mrc_waiter_fd(stream->waiter), .events = POLLIN},
        {.fd = stream->fd, .events = POLLRDHUP},
        {.fd = stream->signal_fd, .events = POLLIN},
    };

    poll(pollfds, 3, (int)((longest_wait_us(stream) + 999) / 1000));
    mrc_waiter_drain(stream->waiter);
    /* For an HTTP/2 stream, mod_http2 sets `aborted`. */
    return !stream->r->connection->aborted &&
           !(pollfds[1].revents & (POLLRDHUP | POLLHUP | POLLERR | POLLNVAL));
}

/* Whether the client has acknowledged nothing for the dispatch timeout, as mrc_stream_tick() finds
 * out for other streams. */
static bool has_vanished(struct stream *stream)
{
    int64_t now_us = mrc_clock_us(), silence_us;

    if (stream->fd < 0 || stream->watched_us == 0 ||
        now_us - stream->watched_us < limits_of(stream)->dispatch_timeout_us)
        return false;
    silence_us = mrc_connection_silence_us(stream->fd);
    if (silence_us && now_us - silence_us + CLOCK_STEP_US < stream->watched_us)
        return true;
    stream->watched_us =
        silence_us ? mrc_stream_watch_us(limits_of(stream), silence_us, now_us) : 0;
    return false;
}

static bool needs_heartbeat(const struct stream *stream)
{
    int64_t heartbeat_us = limits_of(stream)->heartbeat_us;

    return heartbeat_us && mrc_clock_us() - stream->written_us >= heartbeat_us;
}

/* Adds a heartbeat for a client that has received everything. */
static void add_heartbeat(struct stream *stream)
{
    if (!mrc_subscriber_wants_positions(stream->subscriber) ||
        !mrc_subscriber_add_position(stream->subscriber, 0, apr_time_now(), &stream->out))
        mrc_sse_add_comment(&stream->out);
}

/* Serves the stream until it ends. Returns the reason. */
static enum mrc_end serve(struct stream *stream)
{
    const struct mrc_subscriber *subscriber = stream->subscriber;

    if (mrc_revocation_has(mrc_subscriber_get_hub(subscriber), mrc_subscriber_get_token(subscriber),
                           apr_time_now()))
        return MRC_END_REVOKED; /* since the request was authorized */
    for (;;) {
        enum mrc_end end;

        if (longest_wait_us(stream) == 0)
            return stream->ends_why;
        if (!send_due(stream, &end))
            return end;
        if (is_draining(stream))
            return MRC_END_DRAINING;
        if (needs_heartbeat(stream)) {
            add_heartbeat(stream);
            if (!flush_out(stream, &end))
                return end;
        }
        if (!wait_for_work(stream))
            return MRC_END_CLIENT;
        if (has_vanished(stream))
            return MRC_END_SLOW;
    }
}

static unsigned random_retry_ms(void)
{
    unsigned short random = 0;

    apr_generate_random_bytes((unsigned char *)&random, sizeof(random));
    return RETRY_MIN_MS + random % RETRY_SPREAD_MS;
}

/*
 * Ends a stream: a client that was disconnected or has gone gets nothing more; one whose child ends
 * gets a reconnection time. httpd then sends the bytes that its filters still keep.
 */
static void end_stream(struct stream *stream, enum mrc_end end)
{
    conn_rec *c = stream->r->connection;
    enum mrc_end unused;

    if (end == MRC_END_SLOW || end == MRC_END_CLIENT)
        c->aborted = 1;
    if (stream->socket)
        apr_socket_timeout_set(stream->socket, LAST_WRITE_US);
    if ((end != MRC_END_DRAINING && end != MRC_END_DISCONNECTED) || c->data_in_output_filters)
        return;
    mrc_sse_add_retry(&stream->out, random_retry_ms());
    flush_out(stream, &unused);
}

static enum mrc_end run(struct stream *stream)
{
    enum mrc_end end;

    if (!mrc_stream_head_send(stream->r, stream->subscriber, &end))
        return end;
    stream->written_us = mrc_clock_us();
    stream->is_nonblocking = stream->socket && mrc_filters_never_delay(stream->r);
    end = serve(stream);
    end_stream(stream, end);
    return end;
}

int mrc_carrier_threaded_run(request_rec *r, struct mrc_subscriber *subscriber)
{
    struct stream stream = {
        .r = r,
        .subscriber = subscriber,
        .fd = -1,
        .signal_fd = -1,
        .orders = mrc_subscriber_get_opened(subscriber),
        .ordered = MRC_END_CLIENT,
    };
    struct mrc_numbers *numbers = mrc_hub_numbers(mrc_subscriber_get_hub(subscriber));
    const enum mrc_gauge gauge = (enum mrc_gauge)(MRC_GAUGE_STREAMS + MRC_CARRIER_THREADED);
    apr_status_t status = open_waiter(&stream);
    enum mrc_end end = MRC_END_ERROR;

    mrc_hub_begin(mrc_subscriber_get_hub(subscriber));
    mrc_numbers_gauge_add(numbers, gauge, 1);
    if (status == APR_SUCCESS) {
        status = open_connection(&stream);
        if (status != APR_SUCCESS)
            close_waiter(&stream);
    }
    stream.ends_us =
        mrc_subscriber_draw_end(subscriber, mrc_clock_us(), mrc_clock_ahead_us(), &stream.ends_why);
    if (status == APR_SUCCESS) {
        mrc_buf_init(&stream.out, SIZE_MAX);
        stream.brigade = apr_brigade_create(r->pool, r->connection->bucket_alloc);
        end = run(&stream);
        mrc_buf_free(&stream.out);
        close_waiter(&stream);
    } else {
        ap_log_rerror(APLOG_MARK, APLOG_ERR, status, r,
                      "MRC0904: a stream cannot begin: this process has no descriptor or no memory "
                      "left for it");
    }
    mrc_log_stream_end(r, end);
    if (!mrc_this_child_has_gone()) {
        mrc_numbers_gauge_add(numbers, gauge, -1);
        mrc_subscriber_close(subscriber, end);
    }
    return status == APR_SUCCESS ? OK : HTTP_INTERNAL_SERVER_ERROR;
}
