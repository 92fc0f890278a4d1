#include "httpd/http2/serve.h"

#include <stddef.h>
#include <stdlib.h>
#include <sys/epoll.h>

#include <nghttp2/nghttp2.h>

#include "httpd.h"

#include "http_log.h"

#include "httpd/base/module.h"
#include "httpd/child/this_child.h"
#include "httpd/http2/attach.h"
#include "httpd/http2/child.h"
#include "httpd/http2/input.h"
#include "httpd/http2/output.h"
#include "httpd/http2/session.h"
#include "httpd/http2/stream.h"
#include "hub/child/child.h"
#include "hub/child/jobs.h"
#include "hub/stream/dispatcher.h"
#include "hub/stream/loop.h"
#include "store/base/clock.h"

APLOG_USE_MODULE(mercure);

#define READ_BYTES     16384
#define READS_PER_TURN 8

/* After a read of fewer bytes, the socket has probably no more. */
#define READ_BYTES_MORE 8192

/* The time for the first request, which may come with the last bytes of the handshake. */
#define FIRST_REQUEST_US ((int64_t)20 * 1000 * 1000)

/* After the last byte, a client gets this long to close the connection itself. */
#define LINGER_US ((int64_t)2 * 1000 * 1000)

/* In a crowd, connections without streams end at most this often: all of them are looked at. */
#define SHED_US ((int64_t)50 * 1000)

/*
 * After this time since the hand-over, the MPM's worker has certainly finished with the connection.
 */
#define WORKER_DONE_US ((int64_t)1000 * 1000)

static struct mrc_http2_session *of(struct mrc_session *session)
{
    return (struct mrc_http2_session *)session;
}

/* ---- the end ----------------------------------------------------------------------------------*/

/* The client is gone, or has to go: closes all streams. */
static void end(struct mrc_http2_session *session)
{
    if (session->is_over)
        return;
    session->is_over = true;
    while (session->streams)
        mrc_http2_input_forget(session, session->streams);
    mrc_session_end(&session->session);
}

/* The job that frees the session with its connection. Modules may have cleanups that block. The
 * state of the connection must be SUSPENDED, or the MPM would decrement the wrong counter. */
static void free_connection(struct mrc_job *job, apr_thread_t *thread)
{
    struct mrc_http2_session *session =
        (struct mrc_http2_session *)((char *)job - offsetof(struct mrc_http2_session, freeing));
    struct mrc_http2_child *child = session->child;
    conn_rec *c = session->c;

    c->current_thread = thread;
    c->aborted = 1;
    c->keepalive = AP_CONN_CLOSE;
    if (atomic_load(&session->holds_place))
        mrc_child_release_suspended(mrc_this_child_get());
    mrc_http2_session_free(session);
    apr_pool_destroy(c->pool);
    mrc_heap_note(&child->heap, atomic_load(&child->sessions));
}

/* The worker sets c->sbh to NULL shortly before it leaves the connection (session.h). */
static bool worker_is_done(const struct mrc_http2_session *session, int64_t now_us)
{
    return __atomic_load_n((void **)&session->c->sbh, __ATOMIC_ACQUIRE) == NULL &&
           now_us - session->handed_us >= WORKER_DONE_US;
}

static bool close_session(struct mrc_session *base, int64_t now_us, bool force)
{
    struct mrc_http2_session *session = of(base);

    if (atomic_load(&session->jobs_count) > 0)
        return false;
    if (!force && (!worker_is_done(session, now_us) || mrc_jobs_is_full(mrc_this_child_jobs())))
        return false;
    session->freeing.run = free_connection;
    mrc_jobs_post(mrc_this_child_jobs(), &session->freeing);
    return true;
}

/* ---- working ----------------------------------------------------------------------------------*/

static bool is_finished(const struct mrc_http2_session *session)
{
    return !session->transport.rest && !session->is_broken &&
           !nghttp2_session_want_read(session->ng) && !nghttp2_session_want_write(session->ng);
}

/* When SESSION ends if nothing happens. */
static int64_t due_us(const struct mrc_http2_session *session)
{
    const server_rec *server = session->c->base_server;
    int64_t idle = server->keep_alive_timeout;
    int64_t due = INT64_MAX;

    if (session->transport.rest)
        due = session->transport.wrote_us + server->timeout;
    if (session->has_notice && !session->is_draining && session->notice_us < due)
        due = session->notice_us;
    if (session->origin.requests == 0 && idle < FIRST_REQUEST_US)
        idle = server->timeout < FIRST_REQUEST_US ? server->timeout : FIRST_REQUEST_US;
    if (!session->streams && session->idle_us + idle < due)
        due = session->idle_us + idle;
    return due;
}

/* All is sent: the client gets some time to read it, before the connection is closed. What it still
 * sends is dropped; left in the kernel, it would reset the connection. */
static void linger(struct mrc_http2_session *session)
{
    mrc_http2_transport_end(&session->transport);
    session->lingers = true;
    mrc_session_set_time(&session->session, mrc_clock_us() + LINGER_US);
}

/* Reads what has come, but not so much that other sessions wait long. False: the session ends. */
static bool read_some(struct mrc_http2_session *session)
{
    char bytes[READ_BYTES];
    enum mrc_ssl_result result = MRC_SSL_DONE;
    bool has_more = true, ok = true;
    size_t len;

    session->has_pending = false;
    for (int i = 0; i < READS_PER_TURN && ok && has_more; i++) {
        result = mrc_http2_transport_read(&session->transport, bytes, sizeof(bytes), &len);
        if (result != MRC_SSL_DONE)
            return result == MRC_SSL_AGAIN;
        ok = len == 0 || session->lingers || mrc_http2_input_take(session, bytes, len);
        session->has_pending = mrc_http2_transport_has_pending(&session->transport);
        has_more = session->has_pending || len >= READ_BYTES_MORE;
    }
    return ok;
}

/* Reads, and lets the session work. */
static void take_input(struct mrc_http2_session *session)
{
    if (!read_some(session)) {
        mrc_http2_output_write(session); /* such as a GOAWAY that says why */
        end(session);
        return;
    }
    mrc_session_note_work(&session->session);
}

static void work(struct mrc_session *base)
{
    struct mrc_http2_session *session = of(base);

    if (session->has_pending)
        take_input(session);
    mrc_http2_input_wake(session);
    if (session->lingers || session->is_over)
        return;
    if (!mrc_http2_output_write(session)) {
        end(session);
        return;
    }
    mrc_http2_attach_settle(session);
    mrc_http2_input_open_window(session);
    if (is_finished(session))
        linger(session);
    else if (!session->streams)
        mrc_session_set_time(base, due_us(session));
    else if (session->transport.rest) /* exchanges may be due earlier */
        mrc_session_bring_forward(base, due_us(session));
}

static void on_events(struct mrc_session *base, uint32_t events)
{
    struct mrc_http2_session *session = of(base);

    if (events & ~(uint32_t)EPOLLOUT)
        take_input(session);
    else
        mrc_session_note_work(base);
}

/* ---- times ------------------------------------------------------------------------------------*/

/* How long STREAM may wait for its client; 0: it does not wait for it, or has other limits. */
static int64_t patience_us(const struct mrc_http2_session *session,
                           const struct mrc_http2_stream *stream)
{
    int64_t timeout = session->c->base_server->timeout;

    if (stream->exchange && stream->exchange->is_answered)
        return timeout < MRC_HTTP2_REST_US ? timeout : MRC_HTTP2_REST_US;
    if (stream->exchange && !stream->exchange->is_begun) /* the fields are not complete */
        return timeout;
    /* Subscriptions have limits of their own, and so have workers that read or write. */
    if (stream->is_submitted && !stream->is_deferred && !stream->attached &&
        (nghttp2_session_get_remote_window_size(session->ng) <= 0 ||
         nghttp2_session_get_stream_remote_window_size(session->ng, stream->id) <= 0))
        return timeout;
    return 0;
}

static void reset(struct mrc_http2_session *session, const struct mrc_http2_stream *stream)
{
    bool is_answered = stream->exchange && stream->exchange->is_answered;

    nghttp2_submit_rst_stream(session->ng, NGHTTP2_FLAG_NONE, stream->id,
                              is_answered ? NGHTTP2_NO_ERROR : NGHTTP2_CANCEL);
}

/* Resets streams whose client makes them wait too long. Returns when to look again. */
static int64_t reset_stalled(struct mrc_http2_session *session, int64_t now_us)
{
    int64_t next = now_us + session->c->base_server->timeout;

    for (struct mrc_http2_stream *stream = session->streams; stream; stream = stream->next) {
        int64_t patience = patience_us(session, stream);

        if (!patience)
            continue;
        if (now_us - stream->sent_us >= patience)
            reset(session, stream);
        else if (stream->sent_us + patience < next)
            next = stream->sent_us + patience;
    }
    mrc_session_note_work(&session->session);
    return next;
}

static void on_time(struct mrc_session *base, int64_t now_us)
{
    struct mrc_http2_session *session = of(base);
    int64_t due, next = INT64_MAX;

    if (session->lingers || session->is_broken ||
        (session->transport.rest &&
         now_us >= session->transport.wrote_us + session->c->base_server->timeout)) {
        end(session);
        return;
    }
    if (session->has_notice && now_us >= session->notice_us)
        mrc_http2_session_end_notice(session);
    due = due_us(session);
    if (now_us >= due) {
        mrc_http2_session_terminate(session, NGHTTP2_NO_ERROR);
        due = now_us + session->c->base_server->timeout; /* to send that */
    }
    if (session->streams)
        next = reset_stalled(session, now_us);
    mrc_session_set_time(base, due < next ? due : next);
}

/* The loop stops: cuts off what is left of requests and responses. */
static void stop(struct mrc_session *base)
{
    struct mrc_http2_session *session = of(base);

    if (!session->lingers) {
        mrc_http2_session_terminate(session, NGHTTP2_NO_ERROR);
        if (mrc_http2_output_write(session) && !session->transport.rest)
            mrc_http2_transport_end(&session->transport);
    }
    end(session);
}

static void drain(struct mrc_session *base, bool graceful)
{
    struct mrc_http2_session *session = of(base);

    if (session->lingers)
        return;
    if (graceful)
        mrc_http2_session_give_notice(session);
    else
        mrc_http2_session_refuse(session);
}

static const struct mrc_session_ops ops = {on_events, on_time, work, drain, stop, close_session};

/* ---- the beginning ----------------------------------------------------------------------------*/

static void take_first(struct mrc_http2_session *session)
{
    char *first = session->first;
    bool ok = !first || mrc_http2_input_take(session, first, session->first_len);

    session->first = NULL;
    free(first);
    if (ok)
        on_events(&session->session, EPOLLIN); /* TLS may have decrypted bytes already */
    else
        end(session);
}

static void end_idle(struct mrc_session *base, void *ctx)
{
    struct mrc_http2_session *session = of(base);

    (void)ctx;
    if (!session->streams && session->origin.requests > 0 && !session->is_draining &&
        !session->lingers)
        mrc_http2_session_terminate(session, NGHTTP2_NO_ERROR);
}

/*
 * The event MPM accepts no connection when it has too many, so connections without streams end
 * before that.
 */
static void make_room(struct mrc_http2_session *session, int64_t now_us)
{
    struct mrc_http2_child *child = session->child;

    if (atomic_load(&child->sessions) <= child->sessions_crowd ||
        now_us - atomic_load(&child->shed_us) < SHED_US)
        return;
    atomic_store(&child->shed_us, now_us);
    mrc_sessions_visit(session->origin.sessions, end_idle, NULL);
}

static void begin(struct mrc_call *call)
{
    struct mrc_http2_session *session =
        (struct mrc_http2_session *)((char *)call - offsetof(struct mrc_http2_session, begin));
    int64_t now_us = mrc_clock_us();
    apr_status_t status;
    bool is_open;

    session->session.ops = &ops;
    session->session.fd = session->transport.fd;
    session->transport.wrote_us = session->idle_us = now_us;
    mrc_http2_limits_init(&session->limits, now_us);
    is_open = mrc_http2_session_open(session);
    session->is_draining = !is_open; /* so that nothing is sent */
    status = mrc_session_begin(session->origin.sessions, &session->session, EPOLLIN | EPOLLRDHUP);
    if (status == APR_SUCCESS && !is_open)
        status = APR_ENOMEM;
    if (status != APR_SUCCESS) {
        ap_log_cerror(APLOG_MARK, APLOG_ERR, status, session->c,
                      "MRC1303: an HTTP/2 connection cannot be watched, and is closed");
        end(session);
        return;
    }
    mrc_session_set_time(&session->session, due_us(session));
    make_room(session, now_us);
    take_first(session);
}

void mrc_http2_serve(struct mrc_http2_session *session)
{
    session->loop = mrc_dispatcher_post_choose(session->child->dispatcher);
    session->origin.sessions = mrc_loop_post_sessions(session->loop);
    session->origin.take_note = mrc_http2_input_take_note;
    session->begin.run = begin;
    session->handed_us = mrc_clock_us();
    /* If the loop has ended, the process ends. */
    mrc_sessions_post_call(session->origin.sessions, &session->begin);
}
