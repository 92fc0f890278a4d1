#include "httpd/carrier/choose.h"

#include "apr_strings.h"

#include "httpd/base/connection.h"
#include "httpd/carrier/detached.h"
#include "httpd/carrier/filters.h"
#include "httpd/carrier/suspended.h"
#include "httpd/carrier/threaded.h"
#include "httpd/child/this_child.h"
#include "httpd/http2/http2.h"
#include "hub/child/child.h"
#include "hub/stream/dispatcher.h"

enum mrc_choice mrc_choose_carrier(request_rec *r, bool may_detach, const char **ret_removed)
{
    *ret_removed = mrc_filters_remove_delaying(r);
    if (mrc_http2_carries(r))
        return MRC_CHOICE_HTTP2;
    /* A forked process has no dispatcher. */
    if (mrc_this_child_is_forked())
        return MRC_CHOICE_THREADED;
    /* If a stream leaves its thread, another thread writes its access log line. */
    if (!mrc_this_child_may_log_anywhere())
        return MRC_CHOICE_THREADED;
    if (may_detach && mrc_carrier_detached_is_possible(r))
        return MRC_CHOICE_DETACHED;
    return mrc_carrier_suspended_is_possible(r) ? MRC_CHOICE_SUSPENDED : MRC_CHOICE_THREADED;
}

static bool hold_thread(request_rec *r, struct mrc_no_place *ret_why)
{
    const struct mrc_sizing *sizing = mrc_this_child_sizing();

    if (!mrc_connection_hold_thread(r->connection)) {
        ret_why->detail = "this connection already has as many streams as it may have: use one "
                          "stream with several topic matchers, or HTTP/1.1";
        ret_why->limit = apr_psprintf(
            r->pool,
            "a connection of mod_http2 has at most %d streams, because each takes one of the few "
            "requests that it runs at a time. Use one stream in each page, MercureHttp2 with the "
            "event "
            "MPM, or `Protocols http/1.1` in the virtual host of the hub",
            MRC_CONNECTION_THREADS_MAX);
        return false;
    }
    if (mrc_child_hold_thread(mrc_this_child_get(), sizing->threaded_per_child,
                              sizing->threaded_total))
        return true;
    mrc_connection_release_thread(r->connection);
    ret_why->detail = "the server already has as many streams as its threads allow: try again";
    ret_why->limit = apr_psprintf(
        r->pool,
        "streams may hold %u threads of a child (a quarter of ThreadsPerChild) and %u of the "
        "server "
        "(a quarter of MaxRequestWorkers). Raise MaxRequestWorkers and ThreadsPerChild, or use the "
        "event MPM and HTTP/1.1, where streams hold no thread",
        sizing->threaded_per_child, sizing->threaded_total);
    return false;
}

/* The connection's place first: a client that sees the child's thread released can use both. */
static void release_thread(conn_rec *c)
{
    mrc_connection_release_thread(c);
    if (!mrc_this_child_has_gone())
        mrc_child_release_thread(mrc_this_child_get());
}

/* Takes a place of the MPM for the connection of R, if the stream needs one. */
static bool hold_connection(request_rec *r, enum mrc_choice choice)
{
    unsigned per_child = mrc_this_child_sizing()->suspended_per_child;

    switch (choice) {
    case MRC_CHOICE_HTTP2:
        return mrc_http2_hold(r, per_child);
    case MRC_CHOICE_SUSPENDED:
        return mrc_child_hold_suspended(mrc_this_child_get(), per_child);
    default:
        return true;
    }
}

static bool hold_dispatched(request_rec *r, enum mrc_choice choice, struct mrc_no_place *ret_why)
{
    const struct mrc_sizing *sizing = mrc_this_child_sizing();
    const struct mrc_child *child = mrc_this_child_get();

    ret_why->detail = "the server already has as many streams as it can hold: try again";
    if (mrc_dispatcher_post_count(mrc_child_dispatcher(child)) >= sizing->dispatched_per_child) {
        ret_why->limit = apr_psprintf(r->pool,
                                      "a child holds at most %u streams with its limit of open "
                                      "files. Raise `ulimit -n` or LimitNOFILE=",
                                      sizing->dispatched_per_child);
        return false;
    }
    if (hold_connection(r, choice))
        return true;
    ret_why->limit =
        apr_psprintf(r->pool,
                     "a child holds at most %u streams over HTTP/2 or with filters, whose "
                     "connections stay with the MPM. Raise "
                     "AsyncRequestWorkerFactor",
                     sizing->suspended_per_child);
    return false;
}

bool mrc_choose_hold(request_rec *r, enum mrc_choice choice, struct mrc_no_place *ret_why)
{
    return choice == MRC_CHOICE_THREADED ? hold_thread(r, ret_why)
                                         : hold_dispatched(r, choice, ret_why);
}

void mrc_choose_release(request_rec *r, enum mrc_choice choice)
{
    if (choice == MRC_CHOICE_THREADED)
        release_thread(r->connection);
    else if (choice == MRC_CHOICE_SUSPENDED)
        mrc_child_release_suspended(mrc_this_child_get());
}

int mrc_choose_start(request_rec *r, enum mrc_choice choice, struct mrc_subscriber *subscriber)
{
    int status;

    switch (choice) {
    case MRC_CHOICE_HTTP2:
        return mrc_http2_start_stream(r, subscriber);
    case MRC_CHOICE_DETACHED:
        return mrc_carrier_detached_start(r, subscriber);
    case MRC_CHOICE_SUSPENDED:
        return mrc_carrier_suspended_start(r, subscriber);
    default:
        status = mrc_carrier_threaded_run(r, subscriber);
        release_thread(r->connection);
        return status;
    }
}
