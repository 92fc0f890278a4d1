#include "httpd/operator/stats.h"

#include <inttypes.h>

#include "http_protocol.h"

#include "core/base/buf.h"
#include "core/token/token.h"
#include "httpd/answer/answer.h"
#include "httpd/answer/body.h"
#include "httpd/answer/failure.h"
#include "httpd/child/this_child.h"
#include "httpd/operator/call.h"
#include "httpd/operator/machines.h"
#include "httpd/operator/measure.h"
#include "hub/child/child.h"
#include "hub/hub/activity.h"
#include "hub/hub/figures.h"
#include "hub/hub/hub.h"
#include "hub/hub/numbers.h"
#include "hub/hub/revocation.h"
#include "store/history/history.h"

/* ---- the document -----------------------------------------------------------------------------*/

static void add_latency(struct mrc_buf *out, const char *name, double ms)
{
    if (ms < 0)
        mrc_buf_printf(out, "\"%s\":null", name);
    else
        mrc_buf_printf(out, "\"%s\":%.3f", name, ms);
}

static void add_topics(struct mrc_buf *out, const struct mrc_figures *figures, const char *name,
                       enum mrc_busiest_kind kind)
{
    mrc_buf_printf(out, "\"%s\":", name);
    mrc_figures_add_topics(out, &figures->topics[kind]);
}

static void add_latencies(struct mrc_buf *out, const struct mrc_activity_rates *rates)
{
    add_latency(out, "p50", mrc_activity_quantile_ms(rates->latencies, 0.5));
    mrc_buf_add_char(out, ',');
    add_latency(out, "p90", mrc_activity_quantile_ms(rates->latencies, 0.9));
    mrc_buf_add_char(out, ',');
    add_latency(out, "p99", mrc_activity_quantile_ms(rates->latencies, 0.99));
}

/* The figures of all machines that have answered. */
struct view {
    struct mrc_figures figures;
    size_t machines, silent;
};

/* Adds the document. The history is the same on all machines. */
static void add_document(struct mrc_buf *out, const struct mrc_hub *hub, const struct view *view)
{
    const struct mrc_figures *figures = &view->figures;
    uint64_t updates = 0, bytes = 0;

    mrc_history_count(mrc_hub_history(hub), apr_time_now(), &updates, &bytes);
    mrc_buf_printf(out,
                   "{\"subscribers\":%" PRIu64 ",\"publications_per_s\":%.1f,"
                   "\"deliveries_per_s\":%.1f,\"latency_ms\":{",
                   figures->subscribers, figures->rates.publications_per_s,
                   figures->rates.deliveries_per_s);
    add_latencies(out, &figures->rates);
    mrc_buf_add_str(out, "},\"topics\":{");
    add_topics(out, figures, "receivers", MRC_BUSIEST_RECEIVERS);
    mrc_buf_add_char(out, ',');
    add_topics(out, figures, "updates", MRC_BUSIEST_UPDATES);
    mrc_buf_printf(out,
                   "},\"history\":{\"updates\":%" PRIu64 ",\"bytes\":%" PRIu64
                   "},\"memory_bytes\":%" PRIu64 ",\"children\":%" PRIu64
                   ",\"machines\":%" APR_SIZE_T_FMT,
                   updates, bytes, figures->memory_bytes, figures->children, view->machines);
    if (view->silent)
        mrc_buf_printf(out, ",\"machines_unanswered\":%" APR_SIZE_T_FMT, view->silent);
    mrc_buf_add_char(out, '}');
}

/* ---- all machines -----------------------------------------------------------------------------*/

static bool take_answer(void *ctx, struct mrc_bytes text)
{
    struct mrc_figures other;

    if (mrc_figures_decode(text, &other) != MRC_OK)
        return false;
    mrc_figures_add(ctx, &other);
    return true;
}

/* Adds the figures of the other machines. POOL is for this only. WAS_UNREACHABLE says whether they
 * could not be asked last time: then the log has that already. */
static void ask_others(const struct mrc_operator_call *call, apr_pool_t *pool, struct view *view,
                       bool *was_unreachable)
{
    struct mrc_machine_list list;

    mrc_machines_list(pool, call->hub, &list);
    view->machines = list.known;
    if (!list.is_unreachable)
        view->silent =
            mrc_machines_ask(pool, call->hub, &list, SIZE_MAX, mrc_bytes_of("{\"ask\":\"stats\"}"),
                             take_answer, &view->figures);
    if (list.is_unreachable)
        view->silent = list.known - 1;
    else if (view->machines < list.count - view->silent)
        view->machines = list.count - view->silent; /* one that has just joined */
    if (list.is_unreachable && !*was_unreachable)
        mrc_machines_log_unreachable(call);
    *was_unreachable = list.is_unreachable;
}

/* Waits as mrc_measure() does, and for the other machines. */
static bool measure(const struct mrc_operator_call *call, struct view *ret_view,
                    bool *was_unreachable)
{
    const struct mrc_child *child = mrc_this_child_get();
    struct mrc_activity_rates rates;
    apr_pool_t *pool;

    if (!mrc_measure(child, call->hub, call->r, &rates))
        return false;
    mrc_figures_take(call->hub, &rates, mrc_measure_children(child), &ret_view->figures);
    ret_view->machines = 1;
    ret_view->silent = 0;
    if (mrc_hub_link(call->hub) && apr_pool_create(&pool, call->r->pool) == APR_SUCCESS) {
        ask_others(call, pool, ret_view, was_unreachable);
        apr_pool_destroy(pool);
    }
    return true;
}

/* ---- the answers ------------------------------------------------------------------------------*/

static int answer_once(struct mrc_operator_call *call)
{
    bool was_unreachable = false;
    struct view view;
    struct mrc_buf out;
    int status;

    if (!measure(call, &view, &was_unreachable))
        return mrc_answer_retry(call->r, "this server process ends: try again");
    mrc_buf_init(&out, SIZE_MAX);
    add_document(&out, call->hub, &view);
    status = mrc_buf_error(&out) ? mrc_failure_answer_no_memory(call->r)
                                 : mrc_operator_answer(call, HTTP_OK, mrc_buf_bytes(&out));
    mrc_buf_free(&out);
    return status;
}

/* Sends one event. False: the client is gone. */
static bool send_event(const struct mrc_operator_call *call, const struct view *view,
                       struct mrc_buf *out)
{
    request_rec *r = call->r;

    mrc_buf_reset(out);
    mrc_buf_add_str(out, "data: ");
    add_document(out, call->hub, view);
    mrc_buf_add_str(out, "\n\n");
    return !mrc_buf_error(out) && ap_rwrite(out->ptr, (int)out->len, r) >= 0 && ap_rflush(r) >= 0 &&
           !r->connection->aborted;
}

static bool may_go_on(const struct mrc_operator_call *call)
{
    int64_t now_us = apr_time_now();

    return now_us < mrc_token_get_exp_us(call->token) &&
           !mrc_revocation_has(call->hub, call->token, now_us);
}

static void run(const struct mrc_operator_call *call)
{
    const struct mrc_child *child = mrc_this_child_get();
    bool was_unreachable = false;
    struct view view;
    struct mrc_buf out;

    mrc_buf_init(&out, SIZE_MAX);
    while (measure(call, &view, &was_unreachable) && may_go_on(call) &&
           send_event(call, &view, &out) && mrc_measure_wait(child, call->r))
        ;
    mrc_buf_free(&out);
}

/* Answers with a stream, which holds a thread; a child has few threads for streams. */
static int answer_stream(struct mrc_operator_call *call)
{
    const struct mrc_sizing *sizing = mrc_this_child_sizing();
    struct mrc_child *child = mrc_this_child_get();
    request_rec *r = call->r;

    if (!mrc_child_hold_thread(child, sizing->threaded_per_child, sizing->threaded_total))
        return mrc_answer_later(r, "the server already has as many streams as its threads allow: "
                                   "try again");
    mrc_operator_log(call, HTTP_OK);
    mrc_answer_add_stream_headers(r);
    if (!r->header_only)
        run(call);
    mrc_child_release_thread(child);
    return OK;
}

static bool wants_stream(const request_rec *r)
{
    const char *accept = apr_table_get(r->headers_in, "Accept");

    return accept && ap_strcasestr(accept, "text/event-stream");
}

int mrc_operator_stats(struct mrc_operator_call *call)
{
    int status = mrc_body_discard(call->r);

    if (status != DECLINED)
        return status;
    return wants_stream(call->r) ? answer_stream(call) : answer_once(call);
}
