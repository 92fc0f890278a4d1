#include "httpd/http2/output.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include <nghttp2/nghttp2.h>

#include "httpd/exchange/exchange.h"
#include "httpd/http2/priority.h"
#include "httpd/http2/session.h"
#include "hub/base/clock.h"

/* The payload of a DATA frame that fills a record of TLS together with its head. */
#define DATA_BYTES_MAX (16384 - 9)

/* Frames are gathered into writes of this many bytes. A longer frame is written by itself. */
#define GATHER_BYTES     16384
#define GATHER_FRAME_MAX 8192

/* A session writes so much before other sessions have their turn. */
#define WRITE_BYTES_PER_TURN ((size_t)512 * 1024)

/* ---- bodies -----------------------------------------------------------------------------------*/

static void submit_trailers(nghttp2_session *ng, struct mrc_exchange *exchange);

/* At the end of a body: what the frame says. */
static ssize_t end_data(nghttp2_session *ng, struct mrc_exchange *exchange, bool is_broken,
                        ssize_t count, uint32_t *flags)
{
    if (is_broken && count > 0)
        return count; /* the next call resets the stream */
    if (is_broken)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    *flags |= NGHTTP2_DATA_FLAG_EOF;
    if (exchange->trailers.count > 0) {
        *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
        submit_trailers(ng, exchange);
    }
    return count;
}

static ssize_t read_data(nghttp2_session *ng, int32_t id, uint8_t *bytes, size_t max,
                         uint32_t *flags, nghttp2_data_source *source, void *data)
{
    struct mrc_exchange *exchange = source->ptr;
    struct mrc_http2_session *session = data;
    bool has_ended, is_broken;
    size_t len;

    (void)id;
    pthread_mutex_lock(&exchange->lock);
    len = mrc_exchange_queue_read(&exchange->out, (char *)bytes, max);
    has_ended = exchange->out_ended && !exchange->out.bytes;
    is_broken = exchange->out_is_broken;
    if (exchange->out_waits && exchange->out.bytes <= MRC_EXCHANGE_OUT_LOW)
        pthread_cond_signal(&exchange->changed);
    pthread_mutex_unlock(&exchange->lock);
    mrc_http2_limits_give(&session->limits, mrc_http2_limits_gain_of_bytes(len));
    exchange->sent_us = mrc_clock_us();
    if (exchange->attached)
        mrc_http2_session_settle(session, exchange);
    if (len > 0)
        mrc_http2_priority_note_frame(session, exchange);
    if (has_ended)
        return end_data(ng, exchange, is_broken, (ssize_t)len, flags);
    if (len > 0)
        return (ssize_t)len;
    exchange->is_deferred = true;
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

void mrc_http2_output_set_callbacks(nghttp2_session_callbacks *callbacks)
{
    nghttp2_session_callbacks_set_data_source_read_length_callback(callbacks, choose_length);
}

void mrc_http2_output_resume(struct mrc_exchange *exchange)
{
    struct mrc_http2_session *session;

    if (exchange->is_gone)
        return;
    session = mrc_http2_session_of(exchange);
    if (exchange->is_deferred) {
        exchange->is_deferred = false;
        nghttp2_session_resume_data(session->ng, exchange->id);
    }
    mrc_session_note_work(&session->session);
}

/* ---- heads ------------------------------------------------------------------------------------*/

/* FIELDS as nghttp2 wants them, after an optional STATUS, a text; malloc()ed. */
static nghttp2_nv *make_nv(const struct mrc_exchange_fields *fields, const char *status,
                           size_t *ret_count)
{
    nghttp2_nv *all = calloc(fields->count + 1, sizeof(*all));
    const char *name, *value;
    size_t at = 0, n = 0;

    if (!all)
        return NULL;
    if (status)
        all[n++] = (nghttp2_nv){(uint8_t *)":status", (uint8_t *)status, 7, strlen(status), 0};
    while (mrc_exchange_fields_next(fields, &at, &name, &value))
        all[n++] = (nghttp2_nv){(uint8_t *)name, (uint8_t *)value, strlen(name), strlen(value), 0};
    *ret_count = n;
    return all;
}

static void submit_trailers(nghttp2_session *ng, struct mrc_exchange *exchange)
{
    size_t count;
    nghttp2_nv *all = make_nv(&exchange->trailers, NULL, &count);

    if (all)
        nghttp2_submit_trailer(ng, exchange->id, all, count);
    free(all);
}

static void submit(struct mrc_exchange *exchange, const struct mrc_exchange_head *head)
{
    const nghttp2_data_provider body = {.source.ptr = exchange, .read_callback = read_data};
    nghttp2_session *ng = mrc_http2_session_of(exchange)->ng;
    nghttp2_nv *all;
    char status[16];
    size_t count;
    int err = NGHTTP2_ERR_NOMEM;

    snprintf(status, sizeof(status), "%03d", head->status % 1000);
    all = make_nv(&head->fields, status, &count);
    if (all && head->kind == MRC_EXCHANGE_HEAD_FINAL)
        err = nghttp2_submit_response(ng, exchange->id, all, count, &body);
    else if (all)
        err = nghttp2_submit_headers(ng, NGHTTP2_FLAG_NONE, exchange->id, NULL, all, count, NULL);
    free(all);
    if (err)
        nghttp2_submit_rst_stream(ng, NGHTTP2_FLAG_NONE, exchange->id, NGHTTP2_INTERNAL_ERROR);
}

static void take_head(struct mrc_exchange *exchange, struct mrc_exchange_head *head)
{
    if (head->kind == MRC_EXCHANGE_HEAD_TRAILERS) {
        mrc_exchange_fields_free(&exchange->trailers);
        exchange->trailers = head->fields;
        head->fields = (struct mrc_exchange_fields){.bytes = NULL};
    } else if (!exchange->is_submitted) {
        exchange->expects_continue = exchange->expects_continue && head->status != 100;
        exchange->is_submitted = head->kind == MRC_EXCHANGE_HEAD_FINAL;
        submit(exchange, head);
    }
}

void mrc_http2_output_heads(struct mrc_exchange *exchange, struct mrc_list *heads)
{
    struct mrc_link *link;

    while ((link = mrc_list_take(heads))) {
        struct mrc_exchange_head *head = (struct mrc_exchange_head *)link;

        if (!exchange->is_gone)
            take_head(exchange, head);
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

/* Keeps LEN bytes, behind those that are kept already. False: out of memory. */
static bool keep(struct mrc_http2_session *session, const char *bytes, size_t len)
{
    size_t kept = session->rest ? session->rest_len : 0;
    char *rest = realloc(session->rest, kept + len);

    if (!rest)
        return false;
    memcpy(rest + kept, bytes, len);
    if (!session->rest)
        session->rest_written = 0;
    session->rest = rest;
    session->rest_len = kept + len;
    return true;
}

/* Writes LEN bytes, and keeps those that the socket does not take. False: the client is gone, or
 * there is no memory. */
static bool write_bytes(struct mrc_http2_session *session, const char *bytes, size_t len)
{
    size_t written = 0;

    if (session->rest)
        return keep(session, bytes, len);
    if (!mrc_http2_transport_write(&session->transport, bytes, len, &written))
        return false;
    if (written > 0)
        session->wrote_us = mrc_clock_us();
    return written == len || keep(session, bytes + written, len - written);
}

/* Writes what the socket did not take before. */
static bool write_rest(struct mrc_http2_session *session)
{
    size_t written = 0;

    if (!session->rest)
        return true;
    if (!mrc_http2_transport_write(&session->transport, session->rest + session->rest_written,
                                   session->rest_len - session->rest_written, &written))
        return false;
    if (written > 0)
        session->wrote_us = mrc_clock_us();
    session->rest_written += written;
    if (session->rest_written == session->rest_len) {
        free(session->rest);
        session->rest = NULL;
    }
    return true;
}

/* The frames of one write. */
struct gather {
    char bytes[GATHER_BYTES];
    size_t len, total;
};

/* Writes the gathered frames. */
static bool write_gathered(struct mrc_http2_session *session, struct gather *gather)
{
    size_t len = gather->len;

    gather->len = 0;
    gather->total += len;
    return len == 0 || write_bytes(session, gather->bytes, len);
}

/* Adds a frame to those that are gathered, or writes it. */
static bool add_frame(struct mrc_http2_session *session, struct gather *gather,
                      const uint8_t *frame, size_t len)
{
    if (gather->len + len > sizeof(gather->bytes) && !write_gathered(session, gather))
        return false;
    if (len >= GATHER_FRAME_MAX) {
        gather->total += len;
        return write_gathered(session, gather) && write_bytes(session, (const char *)frame, len);
    }
    memcpy(gather->bytes + gather->len, frame, len);
    gather->len += len;
    return true;
}

static bool write_frames(struct mrc_http2_session *session)
{
    struct gather gather;
    const uint8_t *frame;
    ssize_t len = 1;
    bool ok = true;

    gather.len = gather.total = 0;
    while (ok && !session->rest && gather.total < WRITE_BYTES_PER_TURN &&
           (len = nghttp2_session_mem_send(session->ng, &frame)) > 0) {
        ok = add_frame(session, &gather, frame, (size_t)len);
        mrc_http2_priority_balance(session);
    }
    ok = ok && len >= 0 && write_gathered(session, &gather);
    if (ok && len > 0 && !session->rest) /* the turn is over, but not the frames */
        mrc_session_note_work(&session->session);
    return ok;
}

bool mrc_http2_output_write(struct mrc_http2_session *session)
{
    if (!write_rest(session))
        return false;
    if (!session->rest && !write_frames(session))
        return false;
    if (!session->rest)
        session->wrote_us = mrc_clock_us();
    watch(session, session->rest != NULL);
    return true;
}
