#include "httpd/carrier/suspended.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>

#include "ap_mpm.h"
#include "apr_portable.h"
#include "http_connection.h"
#include "http_core.h"
#include "http_protocol.h"
#include "http_request.h"
#include "util_filter.h"

#include "httpd/answer/failure.h"
#include "httpd/base/connection.h"
#include "httpd/carrier/chunk.h"
#include "httpd/carrier/client_socket.h"
#include "httpd/carrier/event_bucket.h"
#include "httpd/carrier/filters.h"
#include "httpd/carrier/nonblocking.h"
#include "httpd/carrier/stream_head.h"
#include "httpd/carrier/trim.h"
#include "httpd/child/this_child.h"
#include "httpd/log/hooks.h"
#include "httpd/log/record.h"
#include "httpd/log/stream_end.h"
#include "hub/base/event.h"
#include "hub/base/prefetch.h"
#include "hub/child/child.h"
#include "hub/child/jobs.h"
#include "hub/hub/hub.h"
#include "hub/stream/carrier.h"
#include "hub/stream/dispatcher.h"
#include "hub/stream/stream.h"
#include "hub/subscriber/subscriber.h"
#include "store/base/clock.h"

/* After this time since the hand-over, the worker has certainly finished with the connection. */
#define WORKER_DONE_US ((int64_t)1000 * 1000)

/* Lives in the pool of its connection. */
struct mrc_carrier_suspended {
    struct mrc_carrier carrier;
    struct mrc_job ending;
    enum mrc_end end;           /* why; for the job */
    request_rec *r;             /* NULL: it has ended early */
    struct mrc_log_record *log; /* replaces R then */
    apr_off_t body_bytes;       /* written since then */
    bool is_chunked;
    bool may_end_early; /* the request may end at the hand-over */
    bool is_finished;   /* the client has the end of the response */
    conn_rec *c;
    apr_socket_t *socket;
    apr_bucket_brigade *brigade; /* one for all writes: each new one would take from the pool */
    struct mrc_stream *stream;   /* until the hand-over */
    int64_t handed_us;           /* when that was */
};

/* ---- writing for a request that has ended: this does what its filters would do ----------------*/

/* Appends LEN bytes, which must live until the brigade has been passed on. */
static void append(struct mrc_carrier_suspended *suspended, const char *bytes, size_t len)
{
    apr_bucket_alloc_t *list = suspended->c->bucket_alloc;

    if (len > 0)
        APR_BRIGADE_INSERT_TAIL(suspended->brigade, apr_bucket_transient_create(bytes, len, list));
}

static void append_pieces(struct mrc_carrier_suspended *suspended, const struct mrc_piece *pieces,
                          size_t count)
{
    for (size_t i = 0; i < count; i++)
        mrc_event_bucket_append(suspended->brigade, &pieces[i]);
}

/* Writes all bytes in one bucket: mod_ssl's filter would copy several into a buffer of its own. */
static enum mrc_carrier_state write_flat(struct mrc_carrier_suspended *suspended,
                                         const struct mrc_chunk_frame *frame,
                                         const struct mrc_piece *pieces, size_t count)
{
    char bytes[MRC_CARRIER_WRITE_BYTES + MRC_CHUNK_FRAME_BYTES];
    size_t len = frame->head_len;

    assert(frame->body_len <= MRC_CARRIER_WRITE_BYTES);
    memcpy(bytes, frame->head, len);
    for (size_t i = 0; i < count; i++) {
        memcpy(bytes + len, mrc_event_bytes(pieces[i].event).ptr + pieces[i].offset, pieces[i].len);
        len += pieces[i].len;
    }
    memcpy(bytes + len, frame->tail, frame->tail_len);
    append(suspended, bytes, len + frame->tail_len);
    return mrc_nonblocking_write_framed(suspended->c, suspended->brigade);
}

static enum mrc_carrier_state write_event(struct mrc_carrier_suspended *suspended,
                                          const struct mrc_piece *piece)
{
    suspended->body_bytes += (apr_off_t)piece->len;
    if (suspended->is_chunked)
        mrc_event_bucket_append_chunk(suspended->brigade, piece->event);
    else
        mrc_event_bucket_append(suspended->brigade, piece);
    return mrc_nonblocking_write_framed(suspended->c, suspended->brigade);
}

static enum mrc_carrier_state write_framed(struct mrc_carrier_suspended *suspended,
                                           const struct mrc_piece *pieces, size_t count)
{
    struct mrc_chunk_frame frame;

    if (mrc_chunk_is_whole_event(pieces, count))
        return write_event(suspended, pieces);
    mrc_chunk_frame(pieces, count, suspended->is_chunked, &frame);
    suspended->body_bytes += (apr_off_t)frame.body_len;
    if (!mrc_filters_can_skip_connection(suspended->c))
        return write_flat(suspended, &frame, pieces, count);
    append(suspended, frame.head, frame.head_len);
    append_pieces(suspended, pieces, count);
    append(suspended, frame.tail, frame.tail_len);
    return mrc_nonblocking_write_framed(suspended->c, suspended->brigade);
}

/* ---- the carrier's operations, in the dispatcher's thread -------------------------------------*/

static struct mrc_carrier_suspended *of(struct mrc_carrier *carrier)
{
    return (struct mrc_carrier_suspended *)carrier;
}

static enum mrc_carrier_state write_pieces(struct mrc_carrier *carrier,
                                           const struct mrc_piece *pieces, size_t count)
{
    struct mrc_carrier_suspended *suspended = of(carrier);

    if (!suspended->r)
        return write_framed(suspended, pieces, count);
    append_pieces(suspended, pieces, count);
    return mrc_nonblocking_write(suspended->r, suspended->brigade);
}

static enum mrc_carrier_state flush(struct mrc_carrier *carrier)
{
    return mrc_nonblocking_flush(of(carrier)->c);
}

/* The worker sets c->sbh to NULL shortly before it leaves the connection (suspended.h). */
static bool may_close(struct mrc_carrier *carrier, int64_t now_us)
{
    struct mrc_carrier_suspended *suspended = of(carrier);
    void *sbh = __atomic_load_n((void **)&suspended->c->sbh, __ATOMIC_ACQUIRE);

    return sbh == NULL && now_us - suspended->handed_us >= WORKER_DONE_US &&
           !mrc_jobs_is_full(mrc_this_child_jobs());
}

static size_t unsent_bytes(const struct mrc_carrier *carrier)
{
    return mrc_client_socket_unsent_bytes(carrier->fd);
}

static int64_t silence_us(const struct mrc_carrier *carrier)
{
    return mrc_connection_silence_us(carrier->fd);
}

static void fetch(const struct mrc_carrier *carrier)
{
    const struct mrc_carrier_suspended *suspended = of((struct mrc_carrier *)carrier);

    mrc_prefetch(suspended->c, sizeof(*suspended->c));
    mrc_prefetch(suspended->brigade, sizeof(*suspended->brigade));
    mrc_prefetch(suspended->socket, MRC_FETCH_LINE_BYTES);
}

static void write_last_chunk(struct mrc_carrier_suspended *suspended)
{
    append(suspended, MRC_CHUNK_LAST, sizeof(MRC_CHUNK_LAST) - 1);
    mrc_nonblocking_write_framed(suspended->c, suspended->brigade);
}

/* A response without chunks ends when the connection does: mod_ssl says goodbye, which must not
 * wait, and the socket is closed for writing. */
static void end_writing(struct mrc_carrier_suspended *suspended)
{
    apr_socket_timeout_set(suspended->socket, 0);
    APR_BRIGADE_INSERT_TAIL(suspended->brigade, ap_bucket_eoc_create(suspended->c->bucket_alloc));
    if (mrc_nonblocking_write_framed(suspended->c, suspended->brigade) == MRC_CARRIER_READY)
        apr_socket_shutdown(suspended->socket, APR_SHUTDOWN_WRITE);
}

static void finish(struct mrc_carrier *carrier)
{
    struct mrc_carrier_suspended *suspended = of(carrier);

    suspended->is_finished = true;
    if (suspended->r) {
        APR_BRIGADE_INSERT_TAIL(suspended->brigade,
                                apr_bucket_eos_create(suspended->c->bucket_alloc));
        mrc_nonblocking_write(suspended->r, suspended->brigade);
    } else if (suspended->is_chunked) {
        write_last_chunk(suspended);
    }
    if (!suspended->is_chunked)
        end_writing(suspended);
}

/*
 * Writes the last chunk, if the client does not have it, and the access log line from the record.
 */
static void end_record(struct mrc_carrier_suspended *suspended, enum mrc_end end)
{
    if (end != MRC_END_CLIENT && suspended->is_chunked && !suspended->is_finished)
        write_last_chunk(suspended);
    mrc_log_record_log_of(suspended->log, suspended->c, suspended->body_bytes, end);
}

/* The same for a request that has not ended early. httpd does both, and frees the request. */
static void end_request(request_rec *r, enum mrc_end end)
{
    mrc_log_stream_end(r, end);
    ap_finalize_request_protocol(r);
    ap_process_request_after_handler(r);
}

/*
 * The job that ends the request and the connection. It writes the access log, which may block;
 * nothing else here blocks, because the socket's timeout is 0. The connection's state must be
 * SUSPENDED when its pool is destroyed, or the MPM would decrement the wrong counter; httpd's
 * functions change it on the way.
 */
static void end_suspended(struct mrc_job *ending, apr_thread_t *thread)
{
    struct mrc_carrier_suspended *suspended =
        (void *)((char *)ending - offsetof(struct mrc_carrier_suspended, ending));
    int fd = suspended->carrier.fd;
    enum mrc_end end = suspended->end;
    conn_rec *c = suspended->c;
    apr_socket_t *socket = suspended->socket;

    if (end == MRC_END_CLIENT)
        c->aborted = 1;
    c->keepalive = AP_CONN_CLOSE;
    c->current_thread = thread;
    apr_socket_timeout_set(socket, 0);
    if (suspended->r)
        end_request(suspended->r, end);
    else
        end_record(suspended, end);
    c->cs->state = CONN_STATE_SUSPENDED;
    ap_start_lingering_close(c);
    if (end != MRC_END_CLIENT)
        mrc_client_socket_drop_input(fd);
    apr_socket_close(socket);
    apr_pool_destroy(c->pool);
    mrc_child_release_suspended(mrc_this_child_get());
}

static void close_suspended(struct mrc_carrier *carrier, enum mrc_end end)
{
    struct mrc_carrier_suspended *suspended = of(carrier);

    suspended->end = end;
    suspended->ending.run = end_suspended;
    mrc_jobs_post(mrc_this_child_jobs(), &suspended->ending);
}

static const struct mrc_carrier_ops ops = {
    .kind = MRC_CARRIER_SUSPENDED,
    .write = write_pieces,
    .flush = flush,
    .may_close = may_close,
    .close = close_suspended,
    .unsent_bytes = unsent_bytes,
    .silence_us = silence_us,
    .fetch = fetch,
    .finish = finish,
};

/* ---- the hand-over, in the worker's thread ----------------------------------------------------*/

bool mrc_carrier_suspended_is_possible(const request_rec *r)
{
    const conn_rec *c = r->connection;
    int is_async = 0;

    /* After an internal redirect, httpd finishes the request although the handler returns
     * SUSPENDED. */
    return !r->prev && !c->master && mrc_filters_never_delay(r) && c->cs &&
           ap_mpm_query(AP_MPMQ_IS_ASYNC, &is_async) == APR_SUCCESS && is_async;
}

/*
 * Gives the connection a socket that the MPM does not know, and closes the one that the MPM knows.
 * At SIGTERM the MPM closes the sockets of all busy threads. Without this, a SIGTERM while this
 * thread still hands the connection over would keep the stream from ending cleanly. From here on
 * the MPM cannot wait for the connection, so it must end suspended or aborted. If there is no
 * descriptor left, the connection keeps its socket.
 */
static void hide_socket_from_mpm(conn_rec *c)
{
    apr_socket_t *old = ap_get_conn_socket(c);
    apr_socket_t *copy;

    if (mrc_connection_copy_socket(c, &copy) != APR_SUCCESS)
        return;
    ap_set_core_module_config(c->conn_config, copy);
    apr_socket_close(old);
}

/* A carrier for the connection of R; lives in its pool. */
static struct mrc_carrier_suspended *create(request_rec *r)
{
    conn_rec *c = r->connection;
    struct mrc_carrier_suspended *suspended = apr_pcalloc(c->pool, sizeof(*suspended));

    suspended->carrier.ops = &ops;
    suspended->r = r;
    suspended->c = c;
    /* Asked before the head is sent, because filters may remove themselves after it. */
    suspended->may_end_early = mrc_filters_can_skip_request(r) && mrc_log_hooks_are_known();
    suspended->brigade = apr_brigade_create(c->pool, c->bucket_alloc);
    return suspended;
}

/* Sends the head through a connection that needs little memory from now on. */
static bool send_head(struct mrc_carrier_suspended *suspended,
                      const struct mrc_subscriber *subscriber, int64_t timeout_us,
                      enum mrc_end *ret_end)
{
    request_rec *r = suspended->r;
    conn_rec *c = suspended->c;

    hide_socket_from_mpm(c);
    mrc_trim_before_head(r);
    if (!mrc_stream_head_send(r, subscriber, ret_end))
        return false;
    suspended->is_chunked = r->chunked != 0;
    suspended->socket = ap_get_conn_socket(c);
    apr_os_sock_get(&suspended->carrier.fd, suspended->socket);
    mrc_client_socket_set_options(suspended->carrier.fd, timeout_us);
    return true;
}

int mrc_carrier_suspended_start(request_rec *r, struct mrc_subscriber *subscriber)
{
    int64_t timeout_us =
        mrc_hub_get_limits(mrc_subscriber_get_hub(subscriber))->dispatch_timeout_us;
    struct mrc_carrier_suspended *suspended = create(r);
    enum mrc_end end;

    suspended->stream = mrc_stream_create(subscriber, &suspended->carrier, mrc_clock_us());
    if (!suspended->stream) {
        mrc_subscriber_close(subscriber, MRC_END_ERROR);
        mrc_child_release_suspended(mrc_this_child_get());
        return mrc_failure_answer_no_memory(r);
    }
    if (!send_head(suspended, subscriber, timeout_us, &end)) {
        mrc_log_stream_end(r, end);
        r->connection->aborted = 1;
        mrc_stream_discard(suspended->stream, end);
        mrc_child_release_suspended(mrc_this_child_get());
        return OK;
    }
    mrc_connection_set_suspended(r->connection, suspended);
    return SUSPENDED;
}

/* Ends the request and frees its memory. If no record can replace it in the log, it stays. */
static void end_early(struct mrc_carrier_suspended *suspended)
{
    conn_rec *c = suspended->c;

    suspended->log =
        mrc_log_record_keep(suspended->r, mrc_this_child_log_fields(), mrc_this_child_log_texts());
    if (!suspended->log)
        return;
    mrc_connection_set_recorded(c, true);
    APR_BRIGADE_INSERT_TAIL(suspended->brigade,
                            ap_bucket_eor_create(c->bucket_alloc, suspended->r));
    suspended->r = NULL;
    ap_pass_brigade(c->output_filters, suspended->brigade);
    apr_brigade_cleanup(suspended->brigade);
    mrc_trim_after_request(c, suspended->brigade);
}

void mrc_carrier_suspended_hand_over(conn_rec *c, request_rec *r)
{
    struct mrc_carrier_suspended *suspended = mrc_connection_get_suspended(c);

    if (!suspended || !c->cs || c->cs->state != CONN_STATE_SUSPENDED)
        return;
    mrc_connection_set_suspended(c, NULL);
    if (suspended->may_end_early)
        end_early(suspended);
    suspended->handed_us = mrc_clock_us();
    mrc_dispatcher_post(mrc_child_dispatcher(mrc_this_child_get()), suspended->stream);
}
