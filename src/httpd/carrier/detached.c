#include "httpd/carrier/detached.h"

#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include "ap_mpm.h"
#include "http_log.h"
#include "http_protocol.h"

#include "httpd/answer/failure.h"
#include "httpd/base/connection.h"
#include "httpd/base/module.h"
#include "httpd/carrier/chunk.h"
#include "httpd/carrier/client_socket.h"
#include "httpd/carrier/filters.h"
#include "httpd/carrier/poll.h"
#include "httpd/carrier/stream_head.h"
#include "httpd/carrier/transport.h"
#include "httpd/child/this_child.h"
#include "httpd/log/record.h"
#include "httpd/log/stream_end.h"
#include "httpd/tls/socket_bio.h"
#include "httpd/tls/ssl.h"
#include "httpd/tls/takeover.h"
#include "hub/base/event.h"
#include "hub/base/heap.h"
#include "hub/base/prefetch.h"
#include "hub/child/child.h"
#include "hub/child/jobs.h"
#include "hub/hub/hub.h"
#include "hub/stream/carrier.h"
#include "hub/stream/dispatcher.h"
#include "hub/stream/stream.h"
#include "hub/subscriber/subscriber.h"
#include "store/base/clock.h"

APLOG_USE_MODULE(mercure);

/* A write that the socket did not take completely. The client gets the rest of the same bytes. */
struct rest {
    size_t sent;
    size_t count;
    struct mrc_piece pieces[]; /* with a reference to each event */
};

struct mrc_carrier_detached {
    struct mrc_carrier carrier; /* its descriptor is the duplicate, which the stream owns */
    struct mrc_log_record *log;
    struct rest *rest; /* NULL: nothing */
    union {
        uint64_t wire_bytes; /* plain: sent since the head */
        struct ssl_st *ssl;  /* TLS: counts them itself */
    };
    uint64_t body_bytes : 62;
    uint64_t is_chunked : 1;
    uint64_t is_tls : 1;
};

/* There is one for each stream. */
_Static_assert(sizeof(struct mrc_carrier_detached) <= 56, "a detached carrier is small");

static struct mrc_carrier_detached *of(struct mrc_carrier *carrier)
{
    return (struct mrc_carrier_detached *)carrier;
}

/* ---- writing, in the dispatcher's thread ------------------------------------------------------*/

static bool transport_write(struct mrc_carrier_detached *detached, const struct iovec *parts,
                            size_t count, size_t *ret_sent)
{
    if (detached->is_tls)
        return mrc_transport_tls_write(detached->ssl, detached->carrier.fd, parts, count, ret_sent);
    if (!mrc_transport_write(detached->carrier.fd, parts, count, ret_sent))
        return false;
    detached->wire_bytes += *ret_sent;
    return true;
}

/* The parts to write for COUNT pieces, and their length. PARTS has room for two more than COUNT. */
static size_t fill_parts(const struct mrc_carrier_detached *detached,
                         const struct mrc_piece *pieces, size_t count,
                         struct mrc_chunk_frame *frame, struct iovec *parts, size_t *ret_len)
{
    size_t n = 0;

    if (mrc_chunk_is_whole_event(pieces, count)) {
        struct mrc_bytes bytes =
            detached->is_chunked ? mrc_event_chunk(pieces->event) : mrc_event_bytes(pieces->event);

        parts[0] = (struct iovec){.iov_base = (char *)bytes.ptr, .iov_len = bytes.len};
        *ret_len = bytes.len;
        return 1;
    }
    mrc_chunk_frame(pieces, count, detached->is_chunked, frame);
    if (frame->head_len > 0)
        parts[n++] = (struct iovec){.iov_base = frame->head, .iov_len = frame->head_len};
    for (size_t i = 0; i < count; i++) {
        parts[n].iov_base = (char *)mrc_event_bytes(pieces[i].event).ptr + pieces[i].offset;
        parts[n++].iov_len = pieces[i].len;
    }
    if (frame->tail_len > 0)
        parts[n++] = (struct iovec){.iov_base = (char *)frame->tail, .iov_len = frame->tail_len};
    *ret_len = frame->head_len + frame->body_len + frame->tail_len;
    return n;
}

/* Skips the first BYTES of COUNT parts, which have more. Returns the first part that is left. */
static struct iovec *skip(struct iovec *parts, size_t *count, size_t bytes)
{
    while (bytes >= parts->iov_len) {
        bytes -= parts->iov_len;
        parts++;
        (*count)--;
    }
    parts->iov_base = (char *)parts->iov_base + bytes;
    parts->iov_len -= bytes;
    return parts;
}

/* Writes the bytes of COUNT pieces that come after the first *SENT, which it advances. */
static enum mrc_carrier_state write_from(struct mrc_carrier_detached *detached,
                                         const struct mrc_piece *pieces, size_t count, size_t *sent)
{
    struct iovec all[MRC_CARRIER_WRITE_PIECES + 2];
    struct iovec *parts = all;
    struct mrc_chunk_frame frame;
    size_t len, written;
    size_t n = fill_parts(detached, pieces, count, &frame, all, &len);

    if (*sent > 0)
        parts = skip(all, &n, *sent);
    if (!transport_write(detached, parts, n, &written))
        return MRC_CARRIER_GONE;
    *sent += written;
    return *sent == len ? MRC_CARRIER_READY : MRC_CARRIER_PENDING;
}

/* Keeps COUNT pieces, because the client has taken only the first SENT bytes of them. */
static enum mrc_carrier_state keep_rest(struct mrc_carrier_detached *detached,
                                        const struct mrc_piece *pieces, size_t count, size_t sent)
{
    struct rest *rest = malloc(sizeof(*rest) + count * sizeof(*pieces));

    if (!rest)
        return MRC_CARRIER_GONE;
    rest->sent = sent;
    rest->count = count;
    memcpy(rest->pieces, pieces, count * sizeof(*pieces));
    for (size_t i = 0; i < count; i++)
        mrc_event_ref(pieces[i].event);
    detached->rest = rest;
    return MRC_CARRIER_PENDING;
}

static void free_rest(struct mrc_carrier_detached *detached)
{
    struct rest *rest = detached->rest;

    for (size_t i = 0; rest && i < rest->count; i++)
        mrc_event_unref(rest->pieces[i].event);
    free(rest);
    detached->rest = NULL;
}

static enum mrc_carrier_state write_pieces(struct mrc_carrier *carrier,
                                           const struct mrc_piece *pieces, size_t count)
{
    struct mrc_carrier_detached *detached = of(carrier);
    enum mrc_carrier_state state;
    size_t sent = 0;

    for (size_t i = 0; i < count; i++)
        detached->body_bytes += pieces[i].len;
    state = write_from(detached, pieces, count, &sent);
    return state == MRC_CARRIER_PENDING ? keep_rest(detached, pieces, count, sent) : state;
}

static enum mrc_carrier_state flush(struct mrc_carrier *carrier)
{
    struct mrc_carrier_detached *detached = of(carrier);
    struct rest *rest = detached->rest;
    enum mrc_carrier_state state = MRC_CARRIER_READY;

    if (rest)
        state = write_from(detached, rest->pieces, rest->count, &rest->sent);
    if (state == MRC_CARRIER_READY)
        free_rest(detached);
    return state;
}

/* ---- the other operations, in the dispatcher's thread -----------------------------------------*/

static enum mrc_carrier_state read_tls(struct mrc_carrier *carrier)
{
    return mrc_transport_tls_read(of(carrier)->ssl) ? MRC_CARRIER_READY : MRC_CARRIER_GONE;
}

static bool may_close(struct mrc_carrier *carrier, int64_t now_us)
{
    return !mrc_jobs_is_full(mrc_this_child_jobs());
}

static size_t unsent_bytes(const struct mrc_carrier *carrier)
{
    return mrc_client_socket_unsent_bytes(carrier->fd);
}

static int64_t silence_us(const struct mrc_carrier *carrier)
{
    return mrc_connection_silence_us(carrier->fd);
}

static void fetch_tls(const struct mrc_carrier *carrier)
{
    mrc_prefetch(((const struct mrc_carrier_detached *)carrier)->ssl, MRC_FETCH_LINE_BYTES);
}

static void transport_end(struct mrc_carrier_detached *detached)
{
    if (detached->is_tls)
        mrc_transport_tls_end(detached->ssl, detached->carrier.fd);
    else
        mrc_transport_end(detached->carrier.fd);
}

static void transport_free(struct mrc_carrier_detached *detached)
{
    if (detached->is_tls)
        mrc_transport_tls_free(detached->ssl, detached->carrier.fd);
    else
        mrc_transport_free(detached->carrier.fd);
}

/* Ends the response cleanly, if the kernel has taken all bytes before. */
static void end_in_order(struct mrc_carrier_detached *detached)
{
    char last_chunk[] = MRC_CHUNK_LAST;
    struct iovec part = {.iov_base = last_chunk, .iov_len = sizeof(last_chunk) - 1};
    size_t unused;

    if (flush(&detached->carrier) != MRC_CARRIER_READY)
        return;
    if (detached->is_chunked)
        transport_write(detached, &part, 1, &unused);
    transport_end(detached);
}

/* The job that writes the access log line of a closed stream. The log may be a pipe that hangs. */
struct last_line {
    struct mrc_job job;
    struct mrc_log_record *log;
    struct mrc_log_sent sent;
    unsigned streams; /* that the child had before this one ended */
    enum mrc_end end;
};

static void write_log(struct mrc_job *job, apr_thread_t *thread)
{
    struct last_line *line = (struct last_line *)job;
    unsigned streams = line->streams;

    mrc_log_record_log(line->log, &line->sent, line->end);
    free(line);
    mrc_heap_note(mrc_this_child_heap(), streams);
}

static void post_log(const struct mrc_carrier_detached *detached, const struct mrc_log_sent *sent,
                     enum mrc_end end)
{
    struct last_line *line = malloc(sizeof(*line));

    if (!line) { /* this thread may then have to wait for the log, but the line is not lost */
        mrc_log_record_log(detached->log, sent, end);
        return;
    }
    *line = (struct last_line){
        .job = {.run = write_log},
        .log = detached->log,
        .sent = *sent,
        .streams = mrc_dispatcher_post_count(mrc_child_dispatcher(mrc_this_child_get())),
        .end = end,
    };
    mrc_jobs_post(mrc_this_child_jobs(), &line->job);
}

static struct mrc_log_sent count_sent(const struct mrc_carrier_detached *detached)
{
    struct mrc_log_sent sent = {.body_bytes = (apr_off_t)detached->body_bytes};

    if (detached->is_tls) {
        sent.wire_in_bytes = (apr_off_t)mrc_ssl_wire_in(detached->ssl);
        sent.wire_out_bytes = (apr_off_t)mrc_ssl_wire_out(detached->ssl);
    } else {
        sent.wire_out_bytes = (apr_off_t)detached->wire_bytes;
    }
    return sent;
}

static void close_detached(struct mrc_carrier *carrier, enum mrc_end end)
{
    struct mrc_carrier_detached *detached = of(carrier);
    struct mrc_log_sent sent;

    if (end != MRC_END_CLIENT)
        end_in_order(detached);
    else if (detached->is_tls) /* answers the client's close_notify */
        mrc_ssl_end(detached->ssl);
    sent = count_sent(detached);
    transport_free(detached);
    post_log(detached, &sent, end);
    free_rest(detached);
    free(detached);
}

static const struct mrc_carrier_ops plain_ops = {
    .kind = MRC_CARRIER_DETACHED,
    .write = write_pieces,
    .flush = flush,
    .may_close = may_close,
    .close = close_detached,
    .unsent_bytes = unsent_bytes,
    .silence_us = silence_us,
};

static const struct mrc_carrier_ops tls_ops = {
    .kind = MRC_CARRIER_TLS,
    .write = write_pieces,
    .flush = flush,
    .may_close = may_close,
    .close = close_detached,
    .unsent_bytes = unsent_bytes,
    .silence_us = silence_us,
    .fetch = fetch_tls,
    .read = read_tls,
};

/* ---- the hand-over, in the worker's thread ----------------------------------------------------*/

static bool is_tls(const request_rec *r)
{
    return mrc_this_child_socket_bio() && mrc_takeover_ssl(r->connection) && mrc_filters_are_tls(r);
}

bool mrc_carrier_detached_is_possible(const request_rec *r)
{
    return !r->prev && !r->main && !r->connection->master && r->proto_num >= HTTP_VERSION(1, 0) &&
           strlen(r->the_request) <= MRC_LOG_RECORD_BYTES_MAX / 2 &&
           (mrc_filters_can_skip_all(r) || is_tls(r));
}

/*
 * Makes a carrier with its own descriptor for the client of R. NULL: out of memory or descriptors.
 */
static struct mrc_carrier_detached *create(const request_rec *r)
{
    struct mrc_carrier_detached *detached = calloc(1, sizeof(*detached));
    conn_rec *c = r->connection;
    apr_status_t status;

    if (!detached)
        return NULL;
    detached->is_tls = !mrc_filters_can_skip_all(r);
    detached->carrier.ops = detached->is_tls ? &tls_ops : &plain_ops;
    status = mrc_client_socket_dup(c, &detached->carrier.fd);
    if (status == APR_SUCCESS)
        return detached;
    ap_log_cerror(APLOG_MARK, APLOG_ERR, status, c,
                  "MRC0901: a stream was refused: this process has no descriptor left for its "
                  "connection; raise the limit of open files");
    free(detached);
    return NULL;
}

/* Undoes create(). */
static void discard(struct mrc_carrier_detached *detached)
{
    mrc_transport_free(detached->carrier.fd); /* the SSL does not belong to this carrier yet */
    free(detached);
}

/* Gives up a stream that cannot begin. If the head has been sent, the client sees a broken
 * connection. */
static int give_up(request_rec *r, struct mrc_carrier_detached *detached, struct mrc_stream *stream,
                   enum mrc_end end)
{
    mrc_log_stream_end(r, end);
    mrc_stream_discard(stream, end);
    discard(detached);
    r->connection->aborted = 1;
    return OK;
}

/*
 * Prefork exits in the middle of its signal handler. If that happened between the head and the
 * hand-over, or while this thread has a lock that the dispatcher needs to end streams, the stream
 * would not end cleanly. So the signals are blocked until httpd frees the connection.
 */
static void hold_signals(conn_rec *c)
{
    int threaded = 0;

    ap_mpm_query(AP_MPMQ_IS_THREADED, &threaded);
    if (!threaded)
        mrc_connection_hold_signals_to_the_end(c);
}

static void post(struct mrc_stream *stream)
{
    mrc_dispatcher_post(mrc_child_dispatcher(mrc_this_child_get()), stream);
}

/* httpd has freed the connection. The thread may outlive the child's dispatcher, if the process
 * ends: then nothing is freed. */
static void post_tls(void *stream, struct ssl_st *ssl)
{
    struct mrc_carrier_detached *detached = of(((struct mrc_stream *)stream)->carrier);

    detached->ssl = ssl;
    if (mrc_this_child_get())
        post(stream);
}

/* Moves the TLS of C, whose head was sent, to the duplicate of its socket. False: RET_END says why
 * the stream cannot begin. */
static bool switch_tls(conn_rec *c, struct mrc_carrier_detached *detached, enum mrc_end *ret_end)
{
    struct bio_st *bio;

    *ret_end = MRC_END_CLIENT;
    if (!mrc_takeover_drain(c, MRC_TRANSPORT_INPUT_BYTES_MAX, NULL, NULL) || !mrc_takeover_ssl(c))
        return false;
    *ret_end = MRC_END_ERROR;
    bio = mrc_socket_bio_create(mrc_this_child_socket_bio(), detached->carrier.fd);
    if (!bio)
        return false;
    mrc_takeover_switch(c, bio, MRC_TRANSPORT_RECORD_BYTES);
    return true;
}

/* Sends the head, and keeps what the stream needs of R. False: RET_END says why it cannot begin. */
static bool begin(request_rec *r, struct mrc_subscriber *subscriber,
                  struct mrc_carrier_detached *detached, enum mrc_end *ret_end)
{
    conn_rec *c = r->connection;

    if (!mrc_stream_head_send(r, subscriber, ret_end))
        return false;
    *ret_end = MRC_END_CLIENT;
    if (c->data_in_output_filters)
        return false;
    if (detached->is_tls && !switch_tls(c, detached, ret_end))
        return false;
    detached->is_chunked = r->chunked != 0;
    *ret_end = MRC_END_ERROR;
    detached->log = mrc_log_record_keep(r, mrc_this_child_log_fields(), mrc_this_child_log_texts());
    if (!detached->log)
        return false;
    mrc_log_record_take_counts(detached->log, r);
    return true;
}

/* Takes the stream out of httpd, which then only closes its own descriptor. */
static void leave(request_rec *r, struct mrc_stream *stream, bool is_tls)
{
    conn_rec *c = r->connection;

    mrc_connection_set_recorded(c, true);
    if (is_tls) {
        mrc_takeover_detach(c, post_tls, stream);
        return;
    }
    c->aborted = 1;
    post(stream);
}

int mrc_carrier_detached_start(request_rec *r, struct mrc_subscriber *subscriber)
{
    int64_t timeout_us =
        mrc_hub_get_limits(mrc_subscriber_get_hub(subscriber))->dispatch_timeout_us;
    struct mrc_carrier_detached *detached = create(r);
    struct mrc_stream *stream;
    enum mrc_end end;

    if (!detached)
        return mrc_poll_answer(r, subscriber,
                               "the server has no descriptor left for a stream: try again");
    stream = mrc_stream_create(subscriber, &detached->carrier, mrc_clock_us());
    if (!stream) {
        mrc_subscriber_close(subscriber, MRC_END_ERROR);
        discard(detached);
        return mrc_failure_answer_no_memory(r);
    }
    hold_signals(r->connection);
    if (!begin(r, subscriber, detached, &end))
        return give_up(r, detached, stream, end);
    mrc_client_socket_set_options(detached->carrier.fd, timeout_us);
    leave(r, stream, detached->is_tls);
    return OK;
}
