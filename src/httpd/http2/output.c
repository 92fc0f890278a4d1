#include "httpd/http2/output.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include <nghttp2/nghttp2.h>

#include "httpd.h"

#include "http_config.h"
#include "http_log.h"

#include "httpd/base/module.h"
#include "httpd/exchange/exchange.h"
#include "httpd/http2/child.h"
#include "httpd/http2/priority.h"
#include "httpd/http2/session.h"
#include "httpd/http2/stream.h"
#include "store/base/clock.h"

APLOG_USE_MODULE(mercure);

/* The payload of a DATA frame that fills a record of TLS together with its head. */
#define DATA_BYTES_MAX (16384 - 9)

/* Frames are gathered into records of this many bytes. A longer frame is written by itself. */
#define GATHER_BYTES     16384
#define GATHER_FRAME_MAX 8192

/* The type of a stream of events. */
#define EVENTS_TYPE "text/event-stream"

/* A session writes this much before other sessions have their turn. */
#define WRITE_BYTES_PER_TURN ((size_t)512 * 1024)

/* ---- bodies -----------------------------------------------------------------------------------*/

static bool submit_trailers(nghttp2_session *ng, struct mrc_exchange *exchange);

/* At the end of a body: what the frame says. */
static ssize_t end_data(nghttp2_session *ng, struct mrc_exchange *exchange, bool is_broken,
                        ssize_t count, uint32_t *flags)
{
    if (is_broken && count > 0)
        return count; /* the next call resets the stream */
    if (is_broken)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    *flags |= NGHTTP2_DATA_FLAG_EOF;
    if (!exchange || exchange->out_trailers.count == 0)
        return count;
    *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
    return submit_trailers(ng, exchange) ? count : NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

/* The job that reads a part of a file. */
static void load(struct mrc_exchange_job *job, struct mrc_exchange_worker *worker)
{
    struct mrc_exchange *exchange =
        (struct mrc_exchange *)((char *)job - offsetof(struct mrc_exchange, load));
    struct mrc_exchange_origin *origin = exchange->origin;

    (void)worker;
    mrc_exchange_load(exchange);
    mrc_exchange_unref(exchange);
    origin->job_ended(origin);
}

/* Makes a worker read what the response of EXCHANGE needs from the disk. False: no worker can. */
static bool post_load(struct mrc_http2_session *session, struct mrc_exchange *exchange)
{
    exchange->load.run = load;
    mrc_exchange_ref(exchange);
    atomic_fetch_add(&session->jobs_count, 1);
    if (mrc_exchange_workers_post(session->child->workers, &session->jobs, &exchange->load))
        return true;
    atomic_fetch_sub(&session->jobs_count, 1);
    mrc_exchange_give_up_load(exchange);
    mrc_exchange_unref(exchange);
    return false;
}

/* What the response has to send now. */
struct next {
    size_t len;
    bool has_ended, is_broken;
    bool needs_load; /* the bytes after these are on a disk, and LOAD is to be posted */
    bool lasts;      /* and a long time may pass until there is more */
};

/* Takes what a worker has written. */
static struct next take_of_worker(struct mrc_exchange *exchange, char *bytes, size_t max)
{
    struct next next;

    pthread_mutex_lock(&exchange->lock);
    next.len = mrc_exchange_queue_read(&exchange->out, bytes, max);
    next.is_broken = exchange->out_is_broken || exchange->out.is_broken;
    next.has_ended = exchange->out.is_broken || mrc_exchange_has_ended(exchange);
    next.needs_load = mrc_exchange_begin_load(exchange);
    next.lasts = exchange->lasts && !exchange->out.bytes;
    if (exchange->out_waits && mrc_exchange_out_held(exchange) <= MRC_EXCHANGE_OUT_LOW)
        pthread_cond_signal(&exchange->changed);
    pthread_mutex_unlock(&exchange->lock);
    return next;
}

/* Takes what the worker of a subscription has written, and events. */
static struct next take_of_events(struct mrc_http2_stream *stream, char *bytes, size_t max)
{
    struct next next = {.len = 0};

    if (stream->exchange)
        next = take_of_worker(stream->exchange, bytes, max);
    next.len += mrc_http2_stream_take(stream, bytes + next.len, max - next.len);
    next.lasts = mrc_http2_stream_held(stream) == 0;
    next.has_ended = stream->has_ended && next.lasts;
    return next;
}

/*
 * Between two events, a subscription needs no item of nghttp2: the item ends with the last bytes
 * that there are, and resume() makes another one.
 */
static ssize_t part_data(struct mrc_http2_stream *stream, ssize_t count, uint32_t *flags)
{
    stream->is_deferred = stream->is_parted = true;
    *flags |= NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
    return count;
}

static ssize_t read_data(nghttp2_session *ng, int32_t id, uint8_t *bytes, size_t max,
                         uint32_t *flags, nghttp2_data_source *source, void *data)
{
    struct mrc_http2_stream *stream = source->ptr;
    struct mrc_http2_session *session = data;
    struct next next = stream->has_events ? take_of_events(stream, (char *)bytes, max)
                                          : take_of_worker(stream->exchange, (char *)bytes, max);

    (void)id;
    if (next.needs_load && !post_load(session, stream->exchange))
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    mrc_http2_limits_give(&session->limits, mrc_http2_limits_gain_of_bytes(next.len));
    stream->sent_us = mrc_clock_us();
    if (stream->attached)
        mrc_http2_session_settle(session, stream);
    if (next.len > 0)
        mrc_http2_priority_note_frame(session, stream);
    if (next.has_ended)
        return end_data(ng, stream->exchange, next.is_broken, (ssize_t)next.len, flags);
    if (next.len > 0)
        return next.lasts ? part_data(stream, (ssize_t)next.len, flags) : (ssize_t)next.len;
    stream->is_deferred = true;
    return NGHTTP2_ERR_DEFERRED;
}

static ssize_t choose_length(nghttp2_session *ng, uint8_t type, int32_t id, int32_t session_window,
                             int32_t stream_window, uint32_t frame_max, void *data)
{
    ssize_t len = session_window < stream_window ? session_window : stream_window;

    (void)ng, (void)type, (void)id, (void)data;
    if (len > DATA_BYTES_MAX)
        len = DATA_BYTES_MAX;
    return (uint32_t)len > frame_max ? (ssize_t)frame_max : len;
}

/* Whether a frame is not sent because nobody waits for it any more. */
static bool is_of_no_use(int err)
{
    return err == NGHTTP2_ERR_STREAM_CLOSING || err == NGHTTP2_ERR_STREAM_CLOSED ||
           err == NGHTTP2_ERR_SESSION_CLOSING;
}

/* Ends a stream whose response fields or trailers cannot be sent: it would stay open. */
static int on_frame_not_sent(nghttp2_session *ng, const nghttp2_frame *frame, int err, void *data)
{
    struct mrc_http2_session *session = data;
    int32_t id = frame->hd.stream_id;

    if (frame->hd.type != NGHTTP2_HEADERS || session->is_broken || is_of_no_use(err))
        return 0;
    ap_log_cerror(APLOG_MARK, APLOG_WARNING, 0, session->c,
                  "MRC1352: a response over HTTP/2 is cut off, because its fields or its trailers "
                  "cannot be sent, such as more than %d bytes of them: %s",
                  (int)MRC_EXCHANGE_BLOCK_BYTES_MAX, nghttp2_strerror(err));
    return nghttp2_submit_rst_stream(ng, NGHTTP2_FLAG_NONE, id, NGHTTP2_INTERNAL_ERROR) == 0
               ? 0
               : NGHTTP2_ERR_CALLBACK_FAILURE;
}

void mrc_http2_output_set_callbacks(nghttp2_session_callbacks *callbacks)
{
    nghttp2_session_callbacks_set_on_frame_not_send_callback(callbacks, on_frame_not_sent);
    nghttp2_session_callbacks_set_data_source_read_length_callback(callbacks, choose_length);
}

/* Whether there is something to send, or the end is to be sent. */
static bool has_more(const struct mrc_http2_stream *stream)
{
    struct mrc_exchange *exchange = stream->exchange;
    bool has_ended = stream->has_ended;

    if (exchange) {
        pthread_mutex_lock(&exchange->lock);
        has_ended = has_ended || exchange->out_ended;
        pthread_mutex_unlock(&exchange->lock);
    }
    return has_ended || mrc_http2_stream_held(stream) > 0;
}

/* Makes nghttp2 ask for the body of STREAM, which is deferred. */
static void resume(nghttp2_session *ng, struct mrc_http2_stream *stream)
{
    const nghttp2_data_provider body = {.source.ptr = stream, .read_callback = read_data};

    if (stream->is_parted && !has_more(stream))
        return;
    stream->is_deferred = false;
    if (!stream->is_parted) {
        nghttp2_session_resume_data(ng, stream->id);
        return;
    }
    stream->is_parted = false;
    if (nghttp2_submit_data(ng, NGHTTP2_FLAG_END_STREAM, stream->id, &body) != 0)
        nghttp2_submit_rst_stream(ng, NGHTTP2_FLAG_NONE, stream->id, NGHTTP2_INTERNAL_ERROR);
}

void mrc_http2_output_resume(struct mrc_http2_stream *stream)
{
    struct mrc_http2_session *session = stream->session;

    if (stream->is_gone)
        return;
    if (stream->is_deferred && !session->is_broken)
        resume(session->ng, stream);
    mrc_session_note_work(&session->session);
}

/* ---- heads ------------------------------------------------------------------------------------*/

/* Whether FIELDS are those of a stream of events. */
static bool are_of_events(const struct mrc_exchange_fields *fields)
{
    const char *type = mrc_exchange_fields_get(fields, "content-type");

    return type && !strncmp(type, EVENTS_TYPE, sizeof(EVENTS_TYPE) - 1);
}

/*
 * FIELDS as nghttp2 wants them, after an optional STATUS, a text; malloc()ed. A stream of events
 * lasts, and often nothing else is asked for: so its fields get no entries in the table of HPACK,
 * which take 200 bytes each.
 */
static nghttp2_nv *make_nv(const struct mrc_exchange_fields *fields, const char *status,
                           size_t *ret_count)
{
    nghttp2_nv *all = calloc(fields->count + 1, sizeof(*all));
    uint8_t flags = are_of_events(fields) ? NGHTTP2_NV_FLAG_NO_INDEX : NGHTTP2_NV_FLAG_NONE;
    const char *name, *value;
    size_t at = 0, n = 0;

    if (!all)
        return NULL;
    if (status)
        all[n++] = (nghttp2_nv){(uint8_t *)":status", (uint8_t *)status, 7, strlen(status), 0};
    while (mrc_exchange_fields_next(fields, &at, &name, &value))
        all[n++] =
            (nghttp2_nv){(uint8_t *)name, (uint8_t *)value, strlen(name), strlen(value), flags};
    *ret_count = n;
    return all;
}

static bool submit_trailers(nghttp2_session *ng, struct mrc_exchange *exchange)
{
    size_t count;
    nghttp2_nv *all = make_nv(&exchange->out_trailers, NULL, &count);
    bool ok = all && nghttp2_submit_trailer(ng, exchange->id, all, count) == 0;

    free(all);
    return ok;
}

static void submit(struct mrc_http2_stream *stream, const struct mrc_exchange_head *head)
{
    const nghttp2_data_provider body = {.source.ptr = stream, .read_callback = read_data};
    nghttp2_session *ng = stream->session->ng;
    nghttp2_nv *all;
    char status[16];
    size_t count;
    int err = NGHTTP2_ERR_NOMEM;

    snprintf(status, sizeof(status), "%03d", head->status % 1000);
    all = make_nv(&head->fields, status, &count);
    if (all && head->kind == MRC_EXCHANGE_HEAD_FINAL)
        err = nghttp2_submit_response(ng, stream->id, all, count, &body);
    else if (all)
        err = nghttp2_submit_headers(ng, NGHTTP2_FLAG_NONE, stream->id, NULL, all, count, NULL);
    free(all);
    if (err)
        nghttp2_submit_rst_stream(ng, NGHTTP2_FLAG_NONE, stream->id, NGHTTP2_INTERNAL_ERROR);
}

static void take_head(struct mrc_http2_stream *stream, struct mrc_exchange_head *head)
{
    struct mrc_exchange *exchange = stream->exchange;

    if (head->kind == MRC_EXCHANGE_HEAD_TRAILERS) {
        mrc_exchange_fields_free(&exchange->out_trailers);
        exchange->out_trailers = head->fields;
        head->fields = (struct mrc_exchange_fields){.bytes = NULL};
    } else if (!stream->is_submitted) {
        exchange->expects_continue = exchange->expects_continue && head->status != 100;
        stream->is_submitted = head->kind == MRC_EXCHANGE_HEAD_FINAL;
        submit(stream, head);
    }
}

void mrc_http2_output_heads(struct mrc_exchange *exchange, struct mrc_list *heads)
{
    struct mrc_list_link *link;

    while ((link = mrc_list_take(heads))) {
        struct mrc_exchange_head *head = (struct mrc_exchange_head *)link;

        if (exchange->stream && !exchange->stream->session->is_broken)
            take_head(exchange->stream, head);
        mrc_exchange_head_destroy(head);
    }
}

/* ---- writing ----------------------------------------------------------------------------------*/

static void watch(struct mrc_http2_session *session, bool out)
{
    if (session->watches_out == out)
        return;
    session->watches_out = out;
    mrc_session_watch(&session->session, EPOLLIN | EPOLLRDHUP | (out ? (uint32_t)EPOLLOUT : 0));
}

/* The frames of one record, and the records of one write. */
struct gather {
    struct mrc_http2_batch batch;
    char bytes[GATHER_BYTES];
    size_t len, total;
};

/* Writes the gathered frames. */
static bool write_gathered(struct mrc_http2_session *session, struct gather *gather)
{
    size_t len = gather->len;

    gather->len = 0;
    gather->total += len;
    return len == 0 || mrc_http2_transport_write(&session->transport, gather->bytes, len);
}

/* Adds a frame to those that are gathered, or writes it. */
static bool add_frame(struct mrc_http2_session *session, struct gather *gather,
                      const uint8_t *frame, size_t len)
{
    if (gather->len + len > sizeof(gather->bytes) && !write_gathered(session, gather))
        return false;
    if (len >= GATHER_FRAME_MAX) {
        gather->total += len;
        return write_gathered(session, gather) &&
               mrc_http2_transport_write(&session->transport, (const char *)frame, len);
    }
    memcpy(gather->bytes + gather->len, frame, len);
    gather->len += len;
    return true;
}

/* Whether the fields of FRAME continue in the next one. */
static bool has_continuation(const uint8_t *frame)
{
    return (frame[3] == NGHTTP2_HEADERS || frame[3] == NGHTTP2_CONTINUATION) &&
           !(frame[4] & NGHTTP2_FLAG_END_HEADERS);
}

/* Another session may work afterwards, so all of a block of fields is taken (session.c). */
static bool write_frames(struct mrc_http2_session *session)
{
    struct mrc_http2_transport *transport = &session->transport;
    struct gather gather;
    const uint8_t *frame;
    ssize_t len = 1;
    bool ok = true, goes_on = false;

    gather.len = gather.total = 0;
    mrc_http2_transport_gather(transport, &gather.batch);
    while (ok && !session->is_broken &&
           (goes_on || (!transport->rest && gather.total < WRITE_BYTES_PER_TURN)) &&
           (len = nghttp2_session_mem_send(session->ng, &frame)) > 0) {
        goes_on = has_continuation(frame);
        ok = add_frame(session, &gather, frame, (size_t)len);
        mrc_http2_priority_balance(session);
    }
    ok = ok && len >= 0 && !session->is_broken && write_gathered(session, &gather);
    ok = mrc_http2_transport_flush(transport) && ok;
    if (ok && len > 0 && !transport->rest) /* the turn has ended before the frames */
        mrc_session_note_work(&session->session);
    return ok;
}

bool mrc_http2_output_write(struct mrc_http2_session *session)
{
    struct mrc_http2_transport *transport = &session->transport;

    if (session->is_broken || !mrc_http2_transport_flush(transport))
        return false;
    if (!transport->rest && !write_frames(session))
        return false;
    if (!transport->rest)
        transport->wrote_us = mrc_clock_us();
    watch(session, transport->rest != NULL);
    return true;
}
