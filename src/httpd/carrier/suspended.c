#include "httpd/carrier/suspended.h"

#include <assert.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "ap_mpm.h"
#include "apr_portable.h"
#include "http_connection.h"
#include "http_core.h"
#include "http_log.h"
#include "http_protocol.h"
#include "http_request.h"
#include "util_filter.h"

#include "httpd/base/connection.h"
#include "httpd/base/module.h"
#include "httpd/carrier/event_bucket.h"
#include "httpd/carrier/lean.h"
#include "httpd/carrier/push.h"
#include "httpd/child/this_child.h"
#include "httpd/log/hooks.h"
#include "httpd/log/record.h"
#include "hub/base/clock.h"
#include "hub/base/event.h"
#include "hub/base/prefetch.h"
#include "hub/child/child.h"
#include "hub/child/jobs.h"
#include "hub/hub/hub.h"
#include "hub/stream/carrier.h"
#include "hub/stream/dispatcher.h"
#include "hub/stream/stream.h"
#include "hub/subscriber/subscriber.h"

APLOG_USE_MODULE(mercure);

/* How long after the hand-over the worker is surely through. */
#define GATE_US ((int64_t)1000 * 1000)

/* What goes around the bytes of a chunk: their number in hexadecimal digits, and two line ends. */
#define CHUNK_FRAME_BYTES 20

struct mrc_carrier_suspended {
    struct mrc_carrier carrier;
    struct mrc_job ending;
    enum mrc_end end;           /* why */
    request_rec *r;             /* NULL: it has ended early */
    struct mrc_log_record *log; /* and this stands for it */
    apr_off_t body_bytes;       /* written since then */
    bool is_chunked;
    bool may_end_early;
    conn_rec *c;
    apr_socket_t *socket;
    apr_bucket_brigade *brigade;
    struct mrc_child *process;
    struct mrc_stream *stream; /* until the hand-over */
    int64_t handed_us;
};

/* ---- writing where the request has ended: what its filters would do, is done here -------------*/

struct frame {
    char head[CHUNK_FRAME_BYTES - 2];
    size_t head_len;
    size_t len; /* of what it goes around */
    const char *tail;
    size_t tail_len;
};

/* What goes around COUNT pieces, which are counted. */
static struct frame frame_of(struct mrc_carrier_suspended *suspended,
                             const struct mrc_piece *pieces, size_t count)
{
    struct frame frame = {.tail = "\r\n"};

    for (size_t i = 0; i < count; i++)
        frame.len += pieces[i].len;
    suspended->body_bytes += (apr_off_t)frame.len;
    if (suspended->is_chunked && frame.len > 0) { /* none would be the last */
        frame.head_len = (size_t)snprintf(frame.head, sizeof(frame.head), "%zx\r\n", frame.len);
        frame.tail_len = 2;
    }
    return frame;
}

/* Adds LEN bytes, which live until the brigade has been passed on. */
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

/* The whole in one piece, for a filter that would make one of it in a buffer of its own. */
static enum mrc_carrier_state write_flat(struct mrc_carrier_suspended *suspended,
                                         struct frame frame, const struct mrc_piece *pieces,
                                         size_t count)
{
    char bytes[MRC_CARRIER_WRITE_BYTES + CHUNK_FRAME_BYTES];
    size_t len = frame.head_len;

    assert(frame.len <= MRC_CARRIER_WRITE_BYTES);
    memcpy(bytes, frame.head, len);
    for (size_t i = 0; i < count; i++) {
        memcpy(bytes + len, mrc_event_bytes(pieces[i].event).ptr + pieces[i].offset, pieces[i].len);
        len += pieces[i].len;
    }
    memcpy(bytes + len, frame.tail, frame.tail_len);
    append(suspended, bytes, len + frame.tail_len);
    return mrc_push_write_framed(suspended->c, suspended->brigade);
}

/* A whole event is in one piece already, and has its frame. */
static enum mrc_carrier_state write_event(struct mrc_carrier_suspended *suspended,
                                          const struct mrc_piece *piece)
{
    suspended->body_bytes += (apr_off_t)piece->len;
    if (suspended->is_chunked)
        mrc_event_bucket_append_chunk(suspended->brigade, piece->event);
    else
        mrc_event_bucket_append(suspended->brigade, piece);
    return mrc_push_write_framed(suspended->c, suspended->brigade);
}

static enum mrc_carrier_state write_framed(struct mrc_carrier_suspended *suspended,
                                           const struct mrc_piece *pieces, size_t count)
{
    struct frame frame;

    if (count == 1 && pieces->len == mrc_event_bytes(pieces->event).len)
        return write_event(suspended, pieces);
    frame = frame_of(suspended, pieces, count);
    if (!mrc_push_is_direct(suspended->c))
        return write_flat(suspended, frame, pieces, count);
    append(suspended, frame.head, frame.head_len);
    append_pieces(suspended, pieces, count);
    append(suspended, frame.tail, frame.tail_len);
    return mrc_push_write_framed(suspended->c, suspended->brigade);
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
    return mrc_push_write(suspended->r, suspended->brigade);
}

static enum mrc_carrier_state flush(struct mrc_carrier *carrier)
{
    return mrc_push_flush(of(carrier)->c);
}

/* The worker's last words: it takes its scoreboard handle away, and then is gone. */
static bool may_close(struct mrc_carrier *carrier, int64_t now_us)
{
    struct mrc_carrier_suspended *suspended = of(carrier);
    void *sbh = __atomic_load_n((void **)&suspended->c->sbh, __ATOMIC_ACQUIRE);

    return sbh == NULL && now_us - suspended->handed_us >= GATE_US &&
           !mrc_jobs_is_full(mrc_this_child_jobs());
}

static size_t unsent_bytes(const struct mrc_carrier *carrier)
{
    return mrc_push_unsent_bytes(carrier->fd);
}

static void fetch(const struct mrc_carrier *carrier)
{
    const struct mrc_carrier_suspended *suspended = of((struct mrc_carrier *)carrier);

    mrc_prefetch(suspended->c, sizeof(*suspended->c));
    mrc_prefetch(suspended->brigade, sizeof(*suspended->brigade));
    mrc_prefetch(suspended->socket, MRC_FETCH_LINE_BYTES);
}

/* The last chunk, and the line in the access log. */
static void end_record(struct mrc_carrier_suspended *suspended, enum mrc_end end)
{
    if (end != MRC_END_CLIENT && suspended->is_chunked) {
        append(suspended, "0\r\n\r\n", 5);
        mrc_push_write_framed(suspended->c, suspended->brigade);
    }
    mrc_log_record_log_of(suspended->log, suspended->c, suspended->body_bytes, end);
}

/* The same of a request that is still there; it is gone then. */
static void end_request(request_rec *r, enum mrc_end end)
{
    apr_table_setn(r->notes, "mercure-reason", mrc_end_text(end));
    ap_log_rerror(APLOG_MARK, APLOG_DEBUG, 0, r, "MRC0903: stream ended: %s", mrc_end_text(end));
    ap_finalize_request_protocol(r);
    ap_process_request_after_handler(r);
}

/*
 * Ends the request and the connection, as an errand: the access log is written here, which may
 * wait. Nothing else does, as the socket has no timeout now; the MPM's counters come right since
 * the state says what they counted.
 */
static void end_suspended(struct mrc_job *ending, apr_thread_t *thread)
{
    struct mrc_carrier_suspended *suspended =
        (void *)((char *)ending - offsetof(struct mrc_carrier_suspended, ending));
    int fd = suspended->carrier.fd;
    enum mrc_end end = suspended->end;
    conn_rec *c = suspended->c;
    apr_socket_t *socket = suspended->socket;
    struct mrc_child *process = suspended->process;

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
        mrc_push_drop_surplus(fd);
    apr_socket_close(socket);
    apr_pool_destroy(c->pool);
    mrc_child_release_suspended(process);
}

static void close_suspended(struct mrc_carrier *carrier, enum mrc_end end)
{
    struct mrc_carrier_suspended *suspended = of(carrier);

    suspended->end = end;
    suspended->ending.run = end_suspended;
    mrc_jobs_post(mrc_this_child_jobs(), &suspended->ending);
}

static const struct mrc_carrier_ops ops = {write_pieces,    flush,        may_close,
                                           close_suspended, unsent_bytes, fetch};

/* ---- the hand-over, in the worker's thread ----------------------------------------------------*/

bool mrc_carrier_suspended_is_possible(const request_rec *r)
{
    const conn_rec *c = r->connection;
    int is_async = 0;

    /* What an internal redirect led to is finished by its caller, which knows no SUSPENDED. */
    return !r->prev && !c->master && mrc_push_is_possible(r) && c->cs &&
           ap_mpm_query(AP_MPMQ_IS_ASYNC, &is_async) == APR_SUCCESS && is_async;
}

/*
 * Gives the connection a socket that the MPM does not know, and closes the one that it does: while
 * this thread is still busy with the hand-over, a SIGTERM would close that one, and the stream
 * could not end in order. From here on the connection is suspended or aborted, since the MPM cannot
 * wait for it any more. Without a descriptor to spare, things stay as they are.
 */
static void leave_mpm(conn_rec *c)
{
    apr_socket_t *theirs = ap_get_conn_socket(c);
    apr_socket_t *socket;

    if (mrc_connection_copy_socket(c, &socket) != APR_SUCCESS)
        return;
    ap_set_core_module_config(c->conn_config, socket);
    apr_socket_close(theirs);
}

/* As a bucket: ap_rputs() would leave a filter behind that every write goes through. */
static bool send_first_bytes(request_rec *r, apr_bucket_brigade *brigade)
{
    conn_rec *c = r->connection;
    apr_status_t status;

    APR_BRIGADE_INSERT_TAIL(brigade, apr_bucket_immortal_create(":\n", 2, c->bucket_alloc));
    APR_BRIGADE_INSERT_TAIL(brigade, apr_bucket_flush_create(c->bucket_alloc));
    status = ap_pass_brigade(r->output_filters, brigade);
    apr_brigade_cleanup(brigade);
    return status == APR_SUCCESS && !c->aborted;
}

int mrc_carrier_suspended_start(request_rec *r, struct mrc_child *process,
                                struct mrc_subscriber *subscriber)
{
    conn_rec *c = r->connection;
    struct mrc_carrier_suspended *suspended = apr_pcalloc(c->pool, sizeof(*suspended));
    apr_os_sock_t fd;

    suspended->carrier.ops = &ops;
    suspended->stream = mrc_stream_create(subscriber, &suspended->carrier, mrc_clock_us());
    if (!suspended->stream) {
        mrc_subscriber_close(subscriber, MRC_END_ERROR);
        mrc_child_release_suspended(process);
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    /* Filters may take themselves out when they have seen the head. */
    suspended->may_end_early = mrc_push_is_unwatched(r) && mrc_log_hooks_are_known();
    suspended->brigade = apr_brigade_create(c->pool, c->bucket_alloc);
    leave_mpm(c);
    mrc_lean_begin(r);
    if (!send_first_bytes(r, suspended->brigade)) {
        c->aborted = 1;
        mrc_stream_discard(suspended->stream, MRC_END_CLIENT);
        mrc_child_release_suspended(process);
        return OK;
    }
    /* Now, since httpd sends no chunks, and so no clean end, on a connection that it will close. */
    c->keepalive = AP_CONN_CLOSE;
    suspended->socket = ap_get_conn_socket(c);
    apr_os_sock_get(&fd, suspended->socket);
    mrc_push_set_socket_options(
        fd, mrc_hub_get_policy(mrc_subscriber_get_hub(subscriber))->dispatch_timeout_us);
    suspended->carrier.fd = fd;
    suspended->r = r;
    suspended->is_chunked = r->chunked != 0;
    suspended->c = c;
    suspended->process = process;
    mrc_connection_set_suspended(c, suspended);
    return SUSPENDED;
}

/*
 * Ends the request, which has no use but for its line in the log, and gives its memory back. It
 * stays where that line could not be kept.
 */
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
    mrc_lean_settle(c, suspended->brigade);
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
    mrc_dispatcher_post(mrc_child_dispatcher(suspended->process), suspended->stream);
}
