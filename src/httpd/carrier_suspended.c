#include "httpd/carrier_suspended.h"

#include <stddef.h>

#include "ap_mpm.h"
#include "apr_portable.h"
#include "http_connection.h"
#include "http_core.h"
#include "http_log.h"
#include "http_protocol.h"
#include "http_request.h"
#include "util_filter.h"

#include "httpd/connection.h"
#include "httpd/event_bucket.h"
#include "httpd/lean.h"
#include "httpd/lifecycle.h"
#include "httpd/module.h"
#include "httpd/push.h"
#include "hub/carrier.h"
#include "hub/clock.h"
#include "hub/dispatcher.h"
#include "hub/errands.h"
#include "hub/event.h"
#include "hub/fetch.h"
#include "hub/hub.h"
#include "hub/process.h"
#include "hub/stream.h"
#include "hub/subscriber.h"

APLOG_USE_MODULE(mercure);

/* How long after the hand-over the worker is surely through. */
#define GATE_US ((int64_t)1000 * 1000)

struct mrc_carrier_suspended {
    struct mrc_carrier carrier;
    struct mrc_errand ending;
    enum mrc_end end; /* why */
    request_rec *r;
    conn_rec *c;
    apr_socket_t *socket;
    apr_bucket_brigade *brigade;
    struct mrc_process *process;
    struct mrc_stream *stream; /* until the hand-over */
    int64_t handed_us;
};

/* ---- the carrier's operations, in the dispatcher's thread -------------------------------------*/

static struct mrc_carrier_suspended *of(struct mrc_carrier *carrier)
{
    return (struct mrc_carrier_suspended *)carrier;
}

static enum mrc_carrier_state flush(struct mrc_carrier *carrier)
{
    return mrc_push_flush(of(carrier)->c);
}

static enum mrc_carrier_state write_pieces(struct mrc_carrier *carrier,
                                           const struct mrc_piece *pieces, size_t count)
{
    struct mrc_carrier_suspended *suspended = of(carrier);

    for (size_t i = 0; i < count; i++)
        mrc_event_bucket_append(suspended->brigade, &pieces[i]);
    return mrc_push_write(suspended->r, suspended->brigade);
}

/* The worker's last words: it takes its scoreboard handle away, and then is gone. */
static bool may_close(struct mrc_carrier *carrier, int64_t now_us)
{
    struct mrc_carrier_suspended *suspended = of(carrier);
    void *sbh = __atomic_load_n((void **)&suspended->c->sbh, __ATOMIC_ACQUIRE);

    return sbh == NULL && now_us - suspended->handed_us >= GATE_US &&
           !mrc_errands_is_full(mrc_lifecycle_errands());
}

static size_t unsent_bytes(const struct mrc_carrier *carrier)
{
    return mrc_push_unsent_bytes(carrier->fd);
}

static void fetch(const struct mrc_carrier *carrier)
{
    const struct mrc_carrier_suspended *suspended = of((struct mrc_carrier *)carrier);

    mrc_fetch(suspended->c, sizeof(*suspended->c));
    mrc_fetch(suspended->brigade, sizeof(*suspended->brigade));
    mrc_fetch(suspended->socket, MRC_FETCH_LINE_BYTES);
}

/*
 * Ends the request and the connection, as an errand: the access log is written here, which may
 * wait. Nothing else does, as the socket has no timeout now; the MPM's counters come right since
 * the state says what they counted.
 */
static void end_suspended(struct mrc_errand *ending, apr_thread_t *thread)
{
    struct mrc_carrier_suspended *suspended =
        (void *)((char *)ending - offsetof(struct mrc_carrier_suspended, ending));
    int fd = suspended->carrier.fd;
    enum mrc_end end = suspended->end;
    request_rec *r = suspended->r;
    conn_rec *c = suspended->c;
    apr_socket_t *socket = suspended->socket;
    struct mrc_process *process = suspended->process;

    if (end == MRC_END_CLIENT)
        c->aborted = 1;
    c->keepalive = AP_CONN_CLOSE;
    c->current_thread = thread;
    apr_socket_timeout_set(socket, 0);
    apr_table_setn(r->notes, "mercure-reason", mrc_end_text(end));
    ap_log_rerror(APLOG_MARK, APLOG_DEBUG, 0, r, "stream ended: %s", mrc_end_text(end));
    ap_finalize_request_protocol(r);
    ap_process_request_after_handler(r); /* r is gone from here on */
    c->cs->state = CONN_STATE_SUSPENDED;
    ap_start_lingering_close(c);
    if (end != MRC_END_CLIENT)
        mrc_push_drop_surplus(fd);
    apr_socket_close(socket);
    apr_pool_destroy(c->pool);
    mrc_process_release_suspended(process);
}

static void close_suspended(struct mrc_carrier *carrier, enum mrc_end end)
{
    struct mrc_carrier_suspended *suspended = of(carrier);

    suspended->end = end;
    suspended->ending.run = end_suspended;
    mrc_errands_post(mrc_lifecycle_errands(), &suspended->ending);
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

int mrc_carrier_suspended_start(request_rec *r, struct mrc_process *process,
                                struct mrc_subscriber *subscriber)
{
    conn_rec *c = r->connection;
    struct mrc_carrier_suspended *suspended = apr_pcalloc(c->pool, sizeof(*suspended));
    apr_os_sock_t fd;

    suspended->carrier.ops = &ops;
    suspended->stream = mrc_stream_create(subscriber, &suspended->carrier, mrc_clock_us());
    if (!suspended->stream) {
        mrc_subscriber_close(subscriber, MRC_END_ERROR);
        mrc_process_release_suspended(process);
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    suspended->brigade = apr_brigade_create(c->pool, c->bucket_alloc);
    leave_mpm(c);
    mrc_lean_begin(r);
    if (!send_first_bytes(r, suspended->brigade)) {
        c->aborted = 1;
        mrc_stream_discard(suspended->stream, MRC_END_CLIENT);
        mrc_process_release_suspended(process);
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
    suspended->c = c;
    suspended->process = process;
    mrc_connection_set_suspended(c, suspended);
    return SUSPENDED;
}

void mrc_carrier_suspended_hand_over(conn_rec *c, request_rec *r)
{
    struct mrc_carrier_suspended *suspended = mrc_connection_get_suspended(c);

    if (!suspended || !c->cs || c->cs->state != CONN_STATE_SUSPENDED)
        return;
    mrc_connection_set_suspended(c, NULL);
    suspended->handed_us = mrc_clock_us();
    mrc_dispatcher_post(mrc_process_dispatcher(suspended->process), suspended->stream);
}
