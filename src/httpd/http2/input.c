#include "httpd/http2/input.h"

#include <string.h>

#include <nghttp2/nghttp2.h>

#include "http_core.h"
#include "http_log.h"

#include "httpd/base/module.h"
#include "httpd/exchange/kept.h"
#include "httpd/exchange/secondary.h"
#include "httpd/http2/attach.h"
#include "httpd/http2/child.h"
#include "httpd/http2/output.h"
#include "httpd/http2/priority.h"
#include "httpd/http2/session.h"
#include "httpd/http2/stream.h"
#include "store/base/clock.h"

APLOG_USE_MODULE(mercure);

/* Fields that do not count for LimitRequestFields: pseudo fields, and further ones with a name that
 * has come before, such as the parts of a cookie. */
#define UNCOUNTED_FIELDS 500

/* While those of the child have more bytes than MRC_EXCHANGE_HELD_CHILD, a client whose own have as
 * many as this may send only what is left of the window of its connection. */
#define HELD_BYTES_CROWDED ((size_t)256 * 1024)

/* When all requests and responses of the child have more bytes than this, requests of such a client
 * are refused, and may be repeated; with even more bytes, requests of any client. */
#define HELD_BYTES_REFUSE     (2 * MRC_EXCHANGE_HELD_CHILD)
#define HELD_BYTES_REFUSE_ALL (4 * MRC_EXCHANGE_HELD_CHILD)

static struct mrc_http2_stream *find(nghttp2_session *ng, int32_t id)
{
    return id > 0 ? nghttp2_session_get_stream_user_data(ng, id) : NULL;
}

/* ---- limits -----------------------------------------------------------------------------------*/

static int pay(struct mrc_http2_session *session, int cost)
{
    if (session->is_out_of_credit || mrc_http2_limits_take(&session->limits, cost, mrc_clock_us()))
        return 0;
    session->is_out_of_credit = true;
    if (!session->is_over)
        ap_log_cerror(APLOG_MARK, APLOG_INFO, 0, session->c,
                      "MRC1301: an HTTP/2 connection is closed, because its client sends too many "
                      "useless frames, or resets too many requests");
    mrc_http2_session_terminate(session, NGHTTP2_ENHANCE_YOUR_CALM);
    return 0;
}

/* The cost of those frames in the LEN bytes of a read that nghttp2 has ignored. The client may have
 * sent them before it knew that their stream is closed: its windows allow few full frames. */
static void pay_for_ignored(struct mrc_http2_session *session, const char *bytes, size_t len)
{
    unsigned count = mrc_http2_limits_count_frames(&session->counter, bytes, len);

    if (count > session->reported)
        pay(session, (int)(count - session->reported) * MRC_HTTP2_COST_FRAME);
}

/* The bytes of a frame with LENGTH bytes after its head (RFC 9113, 4.1). */
static size_t frame_bytes(size_t length)
{
    return 9 + length;
}

/* Counts a frame for the log of its request. */
static void count_in(struct mrc_http2_session *session, const nghttp2_frame_hd *hd)
{
    const struct mrc_http2_stream *stream = find(session->ng, hd->stream_id);

    if (stream && stream->exchange)
        atomic_fetch_add(&stream->exchange->wire_in_bytes, frame_bytes(hd->length));
    else
        session->head_bytes = frame_bytes(hd->length);
}

/*
 * Whether a frame of DATA, PADDING bytes of which are padding, has a part of the body, or ends it.
 */
static bool brings_something(const nghttp2_frame_hd *hd, size_t padding)
{
    return hd->length > padding || (hd->flags & NGHTTP2_FLAG_END_STREAM);
}

/* The cost of a frame that has begun to come in. Only later it is known whether DATA is nothing but
 * padding. */
static int on_begin_frame(nghttp2_session *ng, const nghttp2_frame_hd *hd, void *data)
{
    struct mrc_http2_session *session = data;

    (void)ng;
    session->reported++;
    if (hd->type == NGHTTP2_HEADERS || hd->type == NGHTTP2_CONTINUATION || hd->type == NGHTTP2_DATA)
        count_in(session, hd);
    switch (hd->type) {
    case NGHTTP2_DATA:
        return brings_something(hd, 0) ? 0 : pay(session, MRC_HTTP2_COST_FRAME);
    case NGHTTP2_SETTINGS:
        return pay(session, MRC_HTTP2_COST_SETTINGS);
    case NGHTTP2_RST_STREAM:
        return pay(session, MRC_HTTP2_COST_RESET);
    default:
        return pay(session, MRC_HTTP2_COST_FRAME);
    }
}

/* A frame of an extension that nobody here knows is ignored, after it was paid for. */
static int ignore_extension(nghttp2_session *ng, void **ret_payload, const nghttp2_frame_hd *hd,
                            void *data)
{
    (void)ng, (void)ret_payload, (void)hd, (void)data;
    return NGHTTP2_ERR_CANCEL;
}

/* Whether the client waits before it sends the rest of the request: for its window, or for 100. */
static bool waits_to_send(nghttp2_session *ng, const struct mrc_exchange *exchange)
{
    return exchange->expects_continue ||
           nghttp2_session_get_stream_effective_recv_data_length(ng, exchange->id) >=
               nghttp2_session_get_stream_effective_local_window_size(ng, exchange->id);
}

/*
 * The response of STREAM is complete, and nobody reads the rest of the request, so the client
 * need not send it (RFC 9113, 8.1). One that has little left gets a moment to send it, because some
 * clients take a reset for an error, although they have the whole response. They would wait
 * forever if they had more: so handlers read the whole request first, as over HTTP/1.1.
 */
static void end_request(struct mrc_http2_session *session, struct mrc_http2_stream *stream)
{
    struct mrc_exchange *exchange = stream->exchange;

    if (!exchange || !exchange->has_body || exchange->in_ended)
        return;
    if (!exchange->is_answered) {
        exchange->is_answered = true;
        stream->sent_us = mrc_clock_us();
        mrc_session_bring_forward(&session->session, stream->sent_us + MRC_HTTP2_REST_US);
    }
    if (waits_to_send(session->ng, exchange))
        nghttp2_submit_rst_stream(session->ng, NGHTTP2_FLAG_NONE, exchange->id, NGHTTP2_NO_ERROR);
}

/* The same for a frame to the client. */
static void count_out(struct mrc_http2_stream *stream, size_t bytes)
{
    if (stream->exchange)
        stream->exchange->wire_out_bytes += bytes;
    else if (stream->attached)
        mrc_http2_attach_count_out(stream->attached, bytes);
}

/* A stream that the server resets costs as much as one that the client resets: a client can cause
 * that by its faults. */
static int on_frame_sent(nghttp2_session *ng, const nghttp2_frame *frame, void *data)
{
    bool is_message = frame->hd.type == NGHTTP2_DATA || frame->hd.type == NGHTTP2_HEADERS;
    struct mrc_http2_stream *stream = is_message ? find(ng, frame->hd.stream_id) : NULL;

    if (stream)
        count_out(stream, frame_bytes(frame->hd.length));
    if (stream && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM))
        end_request(data, stream);
    if (frame->hd.type != NGHTTP2_RST_STREAM || frame->rst_stream.error_code == NGHTTP2_NO_ERROR ||
        frame->rst_stream.error_code == NGHTTP2_INTERNAL_ERROR)
        return 0;
    return pay(data, MRC_HTTP2_COST_RESET);
}

/* The status for a request with this field after FIELDS; 0: it is within the limits; -1: the stream
 * is reset. Trailers have the same limits. */
static int check_field(const struct mrc_http2_session *session,
                       const struct mrc_exchange_fields *fields, const uint8_t *name,
                       size_t name_len, size_t value_len)
{
    const server_rec *server = session->c->base_server;

    if (name_len == 5 && !memcmp(name, ":path", 5))
        return value_len > (size_t)server->limit_req_line ? HTTP_REQUEST_URI_TOO_LARGE : 0;
    if (name[0] == ':') /* nobody has such a method or host, so there is no response */
        return value_len > (size_t)server->limit_req_line ? -1 : 0;
    if (name_len + value_len + 2 > (size_t)server->limit_req_fieldsize)
        return HTTP_REQUEST_HEADER_FIELDS_TOO_LARGE;
    if (server->limit_req_fields > 0 &&
        fields->count >= (unsigned)server->limit_req_fields + UNCOUNTED_FIELDS)
        return HTTP_REQUEST_HEADER_FIELDS_TOO_LARGE;
    if (fields->len + name_len + value_len + 2 > mrc_http2_session_fields_max(session->c))
        return HTTP_REQUEST_HEADER_FIELDS_TOO_LARGE;
    return 0;
}

/* ---- requests ---------------------------------------------------------------------------------*/

/* A stream with its exchange. NULL: out of memory. */
static struct mrc_http2_stream *create_stream(struct mrc_http2_session *session, int32_t id)
{
    struct mrc_exchange *exchange = mrc_exchange_create(&session->origin, id);
    struct mrc_http2_stream *stream = exchange ? mrc_http2_stream_create(session, exchange) : NULL;

    if (stream) {
        atomic_init(&exchange->wire_in_bytes, session->head_bytes);
        stream->sent_us = mrc_clock_us();
    } else if (exchange) {
        mrc_exchange_unref(exchange);
    }
    return stream;
}

static int on_begin_headers(nghttp2_session *ng, const nghttp2_frame *frame, void *data)
{
    struct mrc_http2_session *session = data;
    struct mrc_http2_stream *stream;

    if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
        return 0;
    mrc_http2_limits_give(&session->limits, MRC_HTTP2_GAIN_REQUEST);
    stream = create_stream(session, frame->hd.stream_id);
    if (!stream)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    nghttp2_session_set_stream_user_data(ng, stream->id, stream);
    mrc_http2_session_add(session, stream);
    return 0;
}

static void note_field(struct mrc_exchange *exchange, const uint8_t *name, size_t name_len)
{
    if (name_len == 14 && !memcmp(name, "content-length", 14))
        exchange->has_length = true;
    if (name_len == 6 && !memcmp(name, "expect", 6))
        exchange->expects_continue = true;
}

static int on_header(nghttp2_session *ng, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
                     void *data)
{
    const struct mrc_http2_stream *stream = find(ng, frame->hd.stream_id);
    struct mrc_exchange *exchange = stream ? stream->exchange : NULL;
    bool is_trailer = frame->headers.cat != NGHTTP2_HCAT_REQUEST;
    struct mrc_exchange_fields *fields;
    int status;

    (void)flags;
    if (!exchange || frame->hd.type != NGHTTP2_HEADERS || (!is_trailer && exchange->refused))
        return 0;
    fields = is_trailer ? &exchange->trailers : &exchange->request;
    status = check_field(data, fields, name, name_len, value_len);
    if (status < 0) {
        pay(data, MRC_HTTP2_COST_RESET); /* such a reset is not counted when it is sent */
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    }
    if (status && is_trailer)
        return 0; /* a trailer more or less */
    if (status) {
        exchange->refused = status;
        return 0;
    }
    if (!is_trailer)
        note_field(exchange, name, name_len);
    return mrc_exchange_fields_add(fields, (const char *)name, name_len, (const char *)value,
                                   value_len)
               ? 0
               : NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

/* Logs once for a connection. */
static void log_refusal(struct mrc_http2_session *session)
{
    if (!session->has_refused)
        ap_log_cerror(APLOG_MARK, APLOG_INFO, 0, session->c,
                      "MRC1304: requests of an HTTP/2 connection are refused, because all requests "
                      "and responses of this child process have more than %" APR_SIZE_T_FMT
                      " bytes",
                      HELD_BYTES_REFUSE);
    session->has_refused = true;
}

/* A client that holds little is served as long as others are the cause. */
static bool must_refuse(const struct mrc_http2_session *session)
{
    size_t all = atomic_load(&session->child->held.bytes);

    return all > HELD_BYTES_REFUSE &&
           (all > HELD_BYTES_REFUSE_ALL ||
            atomic_load(&session->origin.held.bytes) > HELD_BYTES_CROWDED);
}

/* Makes a worker handle the request. False: no worker can, or the child has too many requests and
 * responses. */
static bool post_request(struct mrc_http2_session *session, struct mrc_exchange *exchange)
{
    if (must_refuse(session)) {
        log_refusal(session);
        return false;
    }
    exchange->job.run = mrc_secondary_run;
    mrc_exchange_ref(exchange);
    mrc_exchange_held_add(&session->origin.held, mrc_exchange_request_held(exchange));
    atomic_fetch_add(&session->jobs_count, 1);
    exchange->is_posted = true;
    if (mrc_exchange_workers_post(session->child->workers, &session->jobs, &exchange->job))
        return true;
    exchange->is_posted = false;
    atomic_fetch_sub(&session->jobs_count, 1);
    mrc_exchange_held_sub(&session->origin.held, mrc_exchange_request_held(exchange));
    mrc_exchange_unref(exchange);
    return false;
}

static void start_request(struct mrc_http2_session *session, struct mrc_exchange *exchange)
{
    if (!post_request(session, exchange) && !session->is_broken)
        nghttp2_submit_rst_stream(session->ng, NGHTTP2_FLAG_NONE, exchange->id,
                                  NGHTTP2_REFUSED_STREAM);
}

/* Notes that something of the request of STREAM has come. Its worker starts, or is woken, when
 * everything that has come with it is taken: often that is the whole body. */
static void feed(struct mrc_http2_session *session, struct mrc_http2_stream *stream)
{
    if (session->fed != stream)
        mrc_http2_input_wake(session);
    session->fed = stream;
}

void mrc_http2_input_wake(struct mrc_http2_session *session)
{
    struct mrc_exchange *exchange = session->fed ? session->fed->exchange : NULL;

    session->fed = NULL;
    if (exchange && exchange->is_posted)
        mrc_exchange_wake(exchange);
    else if (exchange)
        start_request(session, exchange);
}

static int begin_request(struct mrc_http2_session *session, struct mrc_http2_stream *stream,
                         bool has_body)
{
    struct mrc_exchange *exchange = stream->exchange;

    exchange->has_body = has_body;
    exchange->is_begun = true;
    exchange->number = session->origin.requests++;
    mrc_http2_priority_begin(session, stream);
    if (has_body) {
        feed(session, stream);
        return 0;
    }
    mrc_exchange_end_body(exchange, &exchange->trailers);
    start_request(session, exchange);
    return 0;
}

static void update_priority(struct mrc_http2_session *session,
                            const nghttp2_ext_priority_update *update)
{
    mrc_http2_priority_update(session, update->stream_id, (const char *)update->field_value,
                              update->field_value_len);
}

static int on_frame(nghttp2_session *ng, const nghttp2_frame *frame, void *data)
{
    struct mrc_http2_stream *stream = find(ng, frame->hd.stream_id);
    struct mrc_exchange *exchange = stream ? stream->exchange : NULL;
    bool is_last = frame->hd.flags & NGHTTP2_FLAG_END_STREAM;

    if (frame->hd.type == NGHTTP2_PRIORITY_UPDATE)
        update_priority(data, frame->ext.payload);
    if (frame->hd.type == NGHTTP2_PING && (frame->hd.flags & NGHTTP2_FLAG_ACK))
        mrc_http2_session_end_notice(data);
    if (!exchange || (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA))
        return 0;
    if (frame->hd.type == NGHTTP2_HEADERS && !exchange->is_begun)
        return begin_request(data, stream, !is_last);
    if (frame->hd.type == NGHTTP2_DATA && frame->hd.length > 0 &&
        !brings_something(&frame->hd, frame->data.padlen))
        return pay(data, MRC_HTTP2_COST_FRAME);
    if (is_last) {
        mrc_exchange_end_body(exchange, &exchange->trailers);
        mrc_exchange_fields_free(&exchange->trailers);
    }
    return 0;
}

/* What the requests and responses of a session may hold while its client may send more. */
static size_t held_max(const struct mrc_http2_session *session)
{
    return atomic_load(&session->child->held.bytes) > MRC_EXCHANGE_HELD_CHILD
               ? HELD_BYTES_CROWDED
               : MRC_EXCHANGE_HELD_SESSION;
}

/* The window of the connection opens again for LEN bytes, or later if too many are unread. */
static void consume(struct mrc_http2_session *session, size_t len)
{
    session->unconsumed += len;
    if (session->unconsumed == 0 || atomic_load(&session->origin.held.bytes) > held_max(session))
        return;
    nghttp2_session_consume_connection(session->ng, session->unconsumed);
    session->unconsumed = 0;
}

void mrc_http2_input_open_window(struct mrc_http2_session *session)
{
    if (session->unconsumed == 0 || session->is_broken)
        return;
    consume(session, 0);
    if (session->unconsumed == 0)
        mrc_session_note_work(&session->session);
}

/* The window of a stream opens again as its worker reads. */
static int on_data(nghttp2_session *ng, uint8_t flags, int32_t id, const uint8_t *bytes, size_t len,
                   void *data)
{
    struct mrc_http2_stream *stream = find(ng, id);
    struct mrc_exchange *exchange = stream ? stream->exchange : NULL;

    (void)flags;
    consume(data, len);
    if (!exchange) {
        nghttp2_session_consume_stream(ng, id, len);
        return 0;
    }
    if (exchange->is_answered) {
        end_request(data, stream);
        return 0;
    }
    feed(data, stream);
    if (mrc_exchange_add_body(exchange, (const char *)bytes, len) ||
        nghttp2_submit_rst_stream(ng, NGHTTP2_FLAG_NONE, id, NGHTTP2_INTERNAL_ERROR) == 0)
        return 0;
    return NGHTTP2_ERR_CALLBACK_FAILURE; /* nghttp2 ignores other errors of this callback */
}

/* Makes a worker end the request that was kept for STREAM. */
static void end_kept(struct mrc_http2_session *session, const struct mrc_http2_stream *stream)
{
    struct mrc_exchange_job *job = stream->exchange ? mrc_kept_take(stream->exchange) : NULL;

    if (!job || mrc_exchange_workers_post(session->child->workers, &session->jobs, job))
        return;
    mrc_kept_end(job);
    atomic_fetch_sub(&session->jobs_count, 1);
}

void mrc_http2_input_forget(struct mrc_http2_session *session, struct mrc_http2_stream *stream)
{
    if (session->fed == stream)
        session->fed = NULL;
    mrc_http2_session_remove(session, stream);
    mrc_http2_priority_forget(session, stream);
    mrc_http2_attach_gone(stream);
    mrc_http2_stream_close(stream);
    end_kept(session, stream);
    if (!session->streams)
        session->idle_us = mrc_clock_us();
    mrc_http2_stream_unref(stream);
}

static int on_close(nghttp2_session *ng, int32_t id, uint32_t error, void *data)
{
    struct mrc_http2_stream *stream = find(ng, id);

    (void)error;
    if (stream)
        mrc_http2_input_forget(data, stream);
    return 0;
}

void mrc_http2_input_set_callbacks(nghttp2_session_callbacks *callbacks)
{
    nghttp2_session_callbacks_set_on_begin_frame_callback(callbacks, on_begin_frame);
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_frame_sent);
    nghttp2_session_callbacks_set_unpack_extension_callback(callbacks, ignore_extension);
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
}

/* ---- from the worker --------------------------------------------------------------------------*/

/* What a note announces. */
struct news {
    struct mrc_list heads;
    struct mrc_http2_attached *attaching;
    size_t read;
    uint32_t reset;
};

static struct news take_news(struct mrc_exchange *exchange)
{
    struct news news;

    pthread_mutex_lock(&exchange->lock);
    news = (struct news){exchange->heads, exchange->attaching, exchange->in_read, exchange->reset};
    exchange->is_noted = false;
    exchange->heads.first = NULL;
    exchange->attaching = NULL;
    exchange->in_read = 0;
    pthread_mutex_unlock(&exchange->lock);
    return news;
}

static void send_news(struct mrc_http2_session *session, struct mrc_http2_stream *stream,
                      const struct news *news)
{
    consume(session, 0);
    if (news->read > 0)
        nghttp2_session_consume_stream(session->ng, stream->id, news->read);
    if (news->reset)
        nghttp2_submit_rst_stream(session->ng, NGHTTP2_FLAG_NONE, stream->id, news->reset);
    mrc_http2_output_resume(stream);
}

void mrc_http2_input_take_note(struct mrc_call *note)
{
    struct mrc_exchange *exchange = (struct mrc_exchange *)note;
    struct news news = take_news(exchange);

    mrc_http2_output_heads(exchange, &news.heads);
    if (exchange->stream && !exchange->stream->session->is_broken)
        send_news(exchange->stream->session, exchange->stream, &news);
    if (news.attaching)
        mrc_http2_attach_adopt(exchange, news.attaching);
    mrc_exchange_unref(exchange);
}

bool mrc_http2_input_take(struct mrc_http2_session *session, const char *bytes, size_t len)
{
    ssize_t taken;

    if (session->is_broken)
        return false;
    if (session->is_out_of_credit) /* a client that does not read does not get the reason */
        return !session->transport.rest;
    session->reported = 0;
    taken = nghttp2_session_mem_recv(session->ng, (const uint8_t *)bytes, len);
    if (taken >= 0 && !session->is_broken) {
        pay_for_ignored(session, bytes, len);
        return true;
    }
    ap_log_cerror(APLOG_MARK, APLOG_DEBUG, 0, session->c,
                  "MRC1302: an HTTP/2 connection is closed, because its client does not follow the "
                  "protocol: %s",
                  nghttp2_strerror(session->is_broken ? NGHTTP2_ERR_NOMEM : (int)taken));
    return false;
}
