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
#include "httpd/log/record.h"
#include "httpd/log/stream_end.h"
#include "hub/base/clock.h"
#include "hub/base/event.h"
#include "hub/child/child.h"
#include "hub/child/jobs.h"
#include "hub/stream/carrier.h"
#include "hub/stream/loop.h"
#include "hub/stream/stream.h"
#include "hub/subscriber/subscriber.h"

#define FIRST_BYTES_MAX 256

/* A carrier does not accept more while it holds so many bytes. */
#define HELD_BYTES_MAX ((size_t)64 * 1024)

struct mrc_http2_attached {
    struct mrc_carrier carrier;
    struct mrc_exchange *exchange;   /* a reference */
    struct mrc_stream *subscription; /* that has this carrier */
    struct mrc_log_record *log;
    apr_off_t body_bytes;
    bool is_blocked; /* the subscription was told so */
};

static struct mrc_http2_attached *of(struct mrc_carrier *carrier)
{
    return (struct mrc_http2_attached *)carrier;
}

static size_t held_bytes(const struct mrc_http2_attached *attached)
{
    struct mrc_exchange *exchange = attached->exchange;
    size_t bytes;

    pthread_mutex_lock(&exchange->lock);
    bytes = exchange->out.bytes;
    pthread_mutex_unlock(&exchange->lock);
    return bytes;
}

/* ---- the carrier's operations -----------------------------------------------------------------*/

static bool add_pieces(struct mrc_http2_attached *attached, const struct mrc_piece *pieces,
                       size_t count)
{
    struct mrc_exchange *exchange = attached->exchange;
    bool ok = true;

    for (size_t i = 0; i < count && ok; i++) {
        struct mrc_exchange_chunk *chunk = mrc_exchange_chunk_create_piece(&pieces[i]);

        ok = chunk != NULL;
        if (ok) {
            pthread_mutex_lock(&exchange->lock);
            mrc_exchange_queue_append(&exchange->out, chunk);
            pthread_mutex_unlock(&exchange->lock);
            attached->body_bytes += (apr_off_t)pieces[i].len;
        }
    }
    return ok;
}

static enum mrc_carrier_state state_of(struct mrc_http2_attached *attached)
{
    if (attached->exchange->is_gone)
        return MRC_CARRIER_GONE;
    attached->is_blocked = held_bytes(attached) > HELD_BYTES_MAX;
    return attached->is_blocked ? MRC_CARRIER_PENDING : MRC_CARRIER_READY;
}

static enum mrc_carrier_state write_pieces(struct mrc_carrier *carrier,
                                           const struct mrc_piece *pieces, size_t count)
{
    struct mrc_http2_attached *attached = of(carrier);

    if (attached->exchange->is_gone || !add_pieces(attached, pieces, count))
        return MRC_CARRIER_GONE;
    mrc_http2_session_settle(mrc_http2_session_of(attached->exchange), attached->exchange);
    mrc_http2_output_resume(attached->exchange);
    return state_of(attached);
}

static enum mrc_carrier_state flush(struct mrc_carrier *carrier)
{
    struct mrc_http2_attached *attached = of(carrier);

    if (attached->exchange->is_gone)
        return MRC_CARRIER_GONE;
    attached->is_blocked = held_bytes(attached) > 0;
    return attached->is_blocked ? MRC_CARRIER_PENDING : MRC_CARRIER_READY;
}

static bool may_close(struct mrc_carrier *carrier, int64_t now_us)
{
    (void)carrier;
    (void)now_us;
    return !mrc_jobs_is_full(mrc_this_child_jobs());
}

static size_t unsent_bytes(const struct mrc_carrier *carrier)
{
    return held_bytes((const struct mrc_http2_attached *)carrier);
}

/* Of the whole connection. */
static int64_t silence_us(const struct mrc_carrier *carrier)
{
    const struct mrc_http2_attached *attached = (const struct mrc_http2_attached *)carrier;

    return attached->exchange->is_gone
               ? 0
               : mrc_connection_silence_us(mrc_http2_session_of(attached->exchange)->session.fd);
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

static void post_log(const struct mrc_http2_attached *attached, enum mrc_end end)
{
    const struct mrc_exchange *exchange = attached->exchange;
    const struct mrc_log_sent sent = {attached->body_bytes,
                                      (apr_off_t)atomic_load(&exchange->wire_in_bytes),
                                      (apr_off_t)exchange->wire_out_bytes};
    struct last_line *line = malloc(sizeof(*line));

    if (!line) { /* then this thread may have to wait for the log, but the line is not lost */
        mrc_log_record_log(attached->log, &sent, end);
        return;
    }
    *line = (struct last_line){
        .job = {.run = write_log},
        .log = attached->log,
        .sent = sent,
        .end = end,
    };
    mrc_jobs_post(mrc_this_child_jobs(), &line->job);
}

/* Ends the response: a slow client gets a reset, because it would not take a last frame. */
static void end_response(struct mrc_http2_attached *attached, enum mrc_end end)
{
    struct mrc_exchange *exchange = attached->exchange;
    struct mrc_http2_session *session = mrc_http2_session_of(exchange);

    mrc_http2_session_unsettle(session, exchange);
    exchange->attached = NULL;
    if (session->is_broken)
        return;
    if (end == MRC_END_SLOW || end == MRC_END_CLIENT) {
        nghttp2_submit_rst_stream(session->ng, NGHTTP2_FLAG_NONE, exchange->id, NGHTTP2_CANCEL);
    } else {
        pthread_mutex_lock(&exchange->lock);
        exchange->out_ended = true;
        pthread_mutex_unlock(&exchange->lock);
    }
    mrc_http2_output_resume(exchange);
}

static void destroy(struct mrc_http2_attached *attached)
{
    mrc_exchange_unref(attached->exchange);
    free(attached);
}

static void close_attached(struct mrc_carrier *carrier, enum mrc_end end)
{
    struct mrc_http2_attached *attached = of(carrier);

    if (!attached->exchange->is_gone)
        end_response(attached, end);
    post_log(attached, end);
    destroy(attached);
}

static const struct mrc_carrier_ops ops = {.kind = MRC_CARRIER_HTTP2,
                                           .write = write_pieces,
                                           .flush = flush,
                                           .may_close = may_close,
                                           .close = close_attached,
                                           .unsent_bytes = unsent_bytes,
                                           .silence_us = silence_us};

/* ---- the session ------------------------------------------------------------------------------*/

void mrc_http2_attach_adopt(struct mrc_exchange *exchange, struct mrc_http2_attached *attached)
{
    struct mrc_http2_session *session;

    if (exchange->is_gone) {
        mrc_stream_discard(attached->subscription, MRC_END_CLIENT);
        post_log(attached, MRC_END_CLIENT);
        destroy(attached);
        return;
    }
    session = mrc_http2_session_of(exchange);
    exchange->attached = attached;
    mrc_http2_priority_of_events(session, exchange);
    mrc_loop_adopt(session->loop, attached->subscription);
}

void mrc_http2_attach_gone(struct mrc_exchange *exchange)
{
    struct mrc_http2_attached *attached = exchange->attached;

    if (!attached)
        return;
    exchange->attached = NULL;
    mrc_loop_stream_gone(mrc_http2_session_of(exchange)->loop, attached->subscription);
}

static void settle(struct mrc_http2_session *session, struct mrc_http2_attached *attached)
{
    bool holds = held_bytes(attached) > 0;

    if (holds && !attached->is_blocked) {
        attached->is_blocked = true;
        mrc_loop_stream_blocked(session->loop, attached->subscription);
    } else if (!holds && attached->is_blocked) {
        mrc_loop_stream_writable(session->loop, attached->subscription);
    }
}

void mrc_http2_attach_settle(struct mrc_http2_session *session)
{
    struct mrc_exchange *exchange = session->settling, *next;

    session->settling = NULL;
    for (; exchange; exchange = next) {
        next = exchange->settling;
        exchange->is_settling = false;
        if (exchange->attached)
            settle(session, exchange->attached);
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
    destroy(attached);
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
    attached->exchange = mrc_exchange_ref(exchange);
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
