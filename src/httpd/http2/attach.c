#include "httpd/http2/attach.h"

#include <stdlib.h>

#include <nghttp2/nghttp2.h>

#include "apr_time.h"
#include "http_protocol.h"
#include "util_filter.h"

#include "core/base/buf.h"
#include "httpd/answer/failure.h"
#include "httpd/base/connection.h"
#include "httpd/child/this_child.h"
#include "httpd/exchange/exchange.h"
#include "httpd/exchange/secondary.h"
#include "httpd/http2/output.h"
#include "httpd/http2/priority.h"
#include "httpd/http2/session.h"
#include "httpd/http2/stream.h"
#include "httpd/log/record.h"
#include "httpd/log/stream_end.h"
#include "hub/base/event.h"
#include "hub/child/child.h"
#include "hub/child/jobs.h"
#include "hub/stream/carrier.h"
#include "hub/stream/loop.h"
#include "hub/stream/stream.h"
#include "hub/subscriber/subscriber.h"
#include "store/base/clock.h"

#define FIRST_BYTES_MAX 256

/* A carrier accepts no more while it holds this many bytes. */
#define HELD_BYTES_MAX ((size_t)64 * 1024)

struct mrc_http2_attached {
    struct mrc_carrier carrier;
    struct mrc_http2_stream *stream; /* a reference; NULL: it is not adopted */
    struct mrc_stream *subscription; /* that has this carrier */
    struct mrc_log_record *log;
    struct mrc_log_sent sent; /* the bytes of the body, and of frames that no exchange counts */
};

_Static_assert(sizeof(struct mrc_http2_attached) <= 72, "a carrier of HTTP/2 is small");

static struct mrc_http2_attached *of(struct mrc_carrier *carrier)
{
    return (struct mrc_http2_attached *)carrier;
}

/* ---- the carrier's operations -----------------------------------------------------------------*/

static bool add_pieces(struct mrc_http2_attached *attached, const struct mrc_piece *pieces,
                       size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!mrc_http2_stream_add(attached->stream, &pieces[i]))
            return false;
        attached->sent.body_bytes += (apr_off_t)pieces[i].len;
    }
    return true;
}

/* The state of a carrier that may hold HELD_MAX bytes. */
static enum mrc_carrier_state state_of(struct mrc_http2_stream *stream, size_t held_max)
{
    if (stream->is_gone)
        return MRC_CARRIER_GONE;
    stream->is_blocked = mrc_http2_stream_held(stream) > held_max;
    return stream->is_blocked ? MRC_CARRIER_PENDING : MRC_CARRIER_READY;
}

static enum mrc_carrier_state write_pieces(struct mrc_carrier *carrier,
                                           const struct mrc_piece *pieces, size_t count)
{
    struct mrc_http2_attached *attached = of(carrier);
    struct mrc_http2_stream *stream = attached->stream;

    if (stream->is_gone || !add_pieces(attached, pieces, count))
        return MRC_CARRIER_GONE;
    mrc_http2_session_settle(stream->session, stream);
    mrc_http2_output_resume(stream);
    return state_of(stream, HELD_BYTES_MAX);
}

static enum mrc_carrier_state flush(struct mrc_carrier *carrier)
{
    return state_of(of(carrier)->stream, 0);
}

static bool may_close(struct mrc_carrier *carrier, int64_t now_us)
{
    (void)carrier;
    (void)now_us;
    return !mrc_jobs_is_full(mrc_this_child_jobs());
}

static size_t unsent_bytes(const struct mrc_carrier *carrier)
{
    return mrc_http2_stream_held(((const struct mrc_http2_attached *)carrier)->stream);
}

/* Of the whole connection. */
static int64_t silence_us(const struct mrc_carrier *carrier)
{
    const struct mrc_http2_stream *stream = ((const struct mrc_http2_attached *)carrier)->stream;

    return stream->is_gone ? 0 : mrc_connection_silence_us(stream->session->session.fd);
}

/* The job that writes the access log line. */
struct last_line {
    struct mrc_job job;
    struct mrc_log_record *log;
    struct mrc_log_sent sent;
    enum mrc_end end;
};

static void write_log(struct mrc_job *job, apr_thread_t *thread)
{
    struct last_line *line = (struct last_line *)job;

    (void)thread;
    mrc_log_record_log(line->log, &line->sent, line->end);
    free(line);
}

/* Adds the bytes of the frames that EXCHANGE has counted. */
static void take_counts(struct mrc_http2_attached *attached, const struct mrc_exchange *exchange)
{
    attached->sent.wire_in_bytes += (apr_off_t)atomic_load(&exchange->wire_in_bytes);
    attached->sent.wire_out_bytes += (apr_off_t)exchange->wire_out_bytes;
}

static void post_log(const struct mrc_http2_attached *attached, enum mrc_end end)
{
    struct last_line *line = malloc(sizeof(*line));

    if (!line) { /* this thread may then have to wait for the log, but the line is not lost */
        mrc_log_record_log(attached->log, &attached->sent, end);
        return;
    }
    *line = (struct last_line){
        .job = {.run = write_log},
        .log = attached->log,
        .sent = attached->sent,
        .end = end,
    };
    mrc_jobs_post(mrc_this_child_jobs(), &line->job);
}

/* Ends the response: a slow client gets a reset, because it would not take a last frame. */
static void end_response(struct mrc_http2_stream *stream, enum mrc_end end)
{
    struct mrc_http2_session *session = stream->session;

    mrc_http2_session_unsettle(session, stream);
    stream->attached = NULL;
    if (session->is_broken)
        return;
    if (end == MRC_END_SLOW || end == MRC_END_CLIENT)
        nghttp2_submit_rst_stream(session->ng, NGHTTP2_FLAG_NONE, stream->id, NGHTTP2_CANCEL);
    else
        stream->has_ended = true;
    mrc_http2_output_resume(stream);
}

static void close_attached(struct mrc_carrier *carrier, enum mrc_end end)
{
    struct mrc_http2_attached *attached = of(carrier);
    struct mrc_http2_stream *stream = attached->stream;

    if (stream->exchange)
        take_counts(attached, stream->exchange);
    if (!stream->is_gone)
        end_response(stream, end);
    post_log(attached, end);
    mrc_http2_stream_unref(stream);
    free(attached);
}

static const struct mrc_carrier_ops ops = {.kind = MRC_CARRIER_HTTP2,
                                           .write = write_pieces,
                                           .flush = flush,
                                           .may_close = may_close,
                                           .close = close_attached,
                                           .unsent_bytes = unsent_bytes,
                                           .silence_us = silence_us};

/* ---- the session ------------------------------------------------------------------------------*/

/* Gives up the exchange of STREAM, if it is not needed any more. */
static void leave_exchange(struct mrc_http2_stream *stream)
{
    struct mrc_exchange *exchange = stream->exchange;

    if (!exchange || !mrc_http2_stream_may_leave(stream))
        return;
    take_counts(stream->attached, exchange);
    mrc_http2_stream_leave(stream);
}

void mrc_http2_attach_adopt(struct mrc_exchange *exchange, struct mrc_http2_attached *attached)
{
    struct mrc_http2_stream *stream = exchange->stream;

    if (!stream) {
        mrc_stream_discard(attached->subscription, MRC_END_CLIENT);
        take_counts(attached, exchange);
        post_log(attached, MRC_END_CLIENT);
        free(attached);
        return;
    }
    attached->stream = mrc_http2_stream_ref(stream);
    stream->attached = attached;
    stream->has_events = true;
    mrc_http2_priority_of_events(stream->session, stream);
    leave_exchange(stream);
    mrc_loop_adopt(stream->session->loop, attached->subscription);
}

void mrc_http2_attach_gone(struct mrc_http2_stream *stream)
{
    struct mrc_http2_attached *attached = stream->attached;

    if (!attached)
        return;
    stream->attached = NULL;
    mrc_loop_stream_gone(stream->session->loop, attached->subscription);
}

void mrc_http2_attach_count_out(struct mrc_http2_attached *attached, size_t bytes)
{
    attached->sent.wire_out_bytes += (apr_off_t)bytes;
}

static void settle(struct mrc_http2_stream *stream)
{
    struct mrc_loop *loop = stream->session->loop;
    bool holds = mrc_http2_stream_held(stream) > 0;

    leave_exchange(stream);
    if (holds && !stream->is_blocked) {
        stream->is_blocked = true;
        mrc_loop_stream_blocked(loop, stream->attached->subscription);
    } else if (!holds && stream->is_blocked) {
        mrc_loop_stream_writable(loop, stream->attached->subscription);
    }
}

void mrc_http2_attach_settle(struct mrc_http2_session *session)
{
    struct mrc_http2_stream *stream = session->settling, *next;

    session->settling = NULL;
    for (; stream; stream = next) {
        next = stream->settling;
        stream->is_settling = false;
        if (stream->attached)
            settle(stream);
    }
}

/* ---- the hand-over, in the worker -------------------------------------------------------------*/

/* Sends the head, with the first bytes of the stream, which show the client that it has begun. */
static bool send_head(request_rec *r, const struct mrc_subscriber *subscriber)
{
    conn_rec *c = r->connection;
    apr_bucket_brigade *brigade = apr_brigade_create(r->pool, c->bucket_alloc);
    apr_status_t status;
    struct mrc_buf first;

    mrc_buf_init(&first, FIRST_BYTES_MAX);
    mrc_subscriber_add_first_bytes(subscriber, apr_time_now(), &first);
    apr_brigade_write(brigade, NULL, NULL, mrc_buf_bytes(&first).ptr, mrc_buf_bytes(&first).len);
    mrc_buf_free(&first);
    APR_BRIGADE_INSERT_TAIL(brigade, apr_bucket_flush_create(c->bucket_alloc));
    status = ap_pass_brigade(r->output_filters, brigade);
    apr_brigade_cleanup(brigade);
    return status == APR_SUCCESS && !c->aborted;
}

static int give_up(request_rec *r, struct mrc_http2_attached *attached, enum mrc_end end)
{
    mrc_log_stream_end(r, end);
    mrc_stream_discard(attached->subscription, end);
    free(attached);
    r->connection->aborted = 1;
    return OK;
}

bool mrc_http2_attach_hold(request_rec *r, unsigned per_child)
{
    struct mrc_http2_session *session = mrc_http2_session_of(mrc_secondary_exchange(r->connection));
    struct mrc_child *child = mrc_this_child_get();

    if (atomic_load(&session->holds_place))
        return true;
    if (!mrc_child_hold_suspended(child, per_child))
        return false;
    if (atomic_exchange(&session->holds_place, true)) /* another worker was faster */
        mrc_child_release_suspended(child);
    return true;
}

int mrc_http2_attach_start(request_rec *r, struct mrc_subscriber *subscriber)
{
    struct mrc_http2_attached *attached = calloc(1, sizeof(*attached));
    struct mrc_exchange *exchange = mrc_secondary_exchange(r->connection);

    if (attached) {
        attached->carrier = (struct mrc_carrier){.ops = &ops, .fd = -1};
        attached->subscription = mrc_stream_create(subscriber, &attached->carrier, mrc_clock_us());
    }
    if (!attached || !attached->subscription) {
        mrc_subscriber_close(subscriber, MRC_END_ERROR);
        free(attached);
        return mrc_failure_answer_no_memory(r);
    }
    mrc_exchange_set_lasting(exchange);
    if (!send_head(r, subscriber))
        return give_up(r, attached, MRC_END_CLIENT);
    attached->log = mrc_log_record_keep(r, mrc_this_child_log_fields(), mrc_this_child_log_texts());
    if (!attached->log)
        return give_up(r, attached, MRC_END_ERROR);
    mrc_connection_set_recorded(r->connection, true);
    mrc_secondary_leave(r->connection);
    mrc_exchange_attach(exchange, attached);
    return OK;
}
