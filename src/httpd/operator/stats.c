#include "httpd/operator/stats.h"

#include <inttypes.h>

#include "http_protocol.h"

#include "core/base/buf.h"
#include "core/base/json.h"
#include "core/token/token.h"
#include "httpd/answer/answer.h"
#include "httpd/answer/body.h"
#include "httpd/answer/failure.h"
#include "httpd/child/this_child.h"
#include "httpd/operator/call.h"
#include "hub/child/child.h"
#include "hub/hub/activity.h"
#include "hub/hub/hub.h"
#include "hub/hub/numbers.h"
#include "hub/hub/revocation.h"
#include "store/history/history.h"
#include "store/regions/link.h"

#define SECOND_US  ((int64_t)1000 * 1000)
#define TOPICS_MAX 20 /* of each kind */

/* A stream looks this often whether the server ends, or the client is gone. */
#define LOOK_US (SECOND_US / 10)

/* ---- the document -----------------------------------------------------------------------------*/

static void add_latency(struct mrc_buf *out, const char *name, double ms)
{
    if (ms < 0)
        mrc_buf_printf(out, "\"%s\":null", name);
    else
        mrc_buf_printf(out, "\"%s\":%.3f", name, ms);
}

static void add_topics(struct mrc_buf *out, const struct mrc_activity *activity, const char *name,
                       enum mrc_busiest_kind kind)
{
    struct mrc_busiest_topic topics[TOPICS_MAX];
    size_t count = mrc_activity_busiest(activity, kind, topics, TOPICS_MAX);

    mrc_buf_printf(out, "\"%s\":[", name);
    for (size_t i = 0; i < count; i++) {
        mrc_buf_add_str(out, i ? ",{\"topic\":" : "{\"topic\":");
        mrc_json_add_string(out, (struct mrc_bytes){topics[i].text, topics[i].text_bytes});
        mrc_buf_printf(out, ",\"count\":%" PRIu64 "}", topics[i].count);
    }
    mrc_buf_add_char(out, ']');
}

static unsigned count_children(void)
{
    const struct mrc_child *child = mrc_this_child_get();
    unsigned count = 0;

    for (unsigned slot = 0; slot < mrc_child_slots(child); slot++)
        count += mrc_child_is_live(child, slot);
    return count;
}

/* With a transport, as far as this machine knows. */
static uint64_t count_machines(const struct mrc_hub *hub)
{
    struct mrc_link_status status;

    if (!mrc_hub_link(hub))
        return 1;
    mrc_link_get_status(mrc_hub_link(hub), &status);
    return status.machines ? status.machines : 1;
}

static void add_document(struct mrc_buf *out, const struct mrc_hub *hub,
                         const struct mrc_activity_rates *rates)
{
    uint64_t updates = 0, bytes = 0;

    mrc_history_count(mrc_hub_history(hub), apr_time_now(), &updates, &bytes);
    mrc_buf_printf(out,
                   "{\"subscribers\":%" PRIu64 ",\"publications_per_s\":%.1f,"
                   "\"deliveries_per_s\":%.1f,\"latency_ms\":{",
                   mrc_numbers_gauge(mrc_hub_numbers(hub), MRC_GAUGE_SUBSCRIBERS),
                   rates->publications_per_s, rates->deliveries_per_s);
    add_latency(out, "p50", rates->p50_ms);
    mrc_buf_add_char(out, ',');
    add_latency(out, "p90", rates->p90_ms);
    mrc_buf_add_char(out, ',');
    add_latency(out, "p99", rates->p99_ms);
    mrc_buf_add_str(out, "},\"topics\":{");
    add_topics(out, mrc_hub_activity(hub), "receivers", MRC_BUSIEST_RECEIVERS);
    mrc_buf_add_char(out, ',');
    add_topics(out, mrc_hub_activity(hub), "updates", MRC_BUSIEST_UPDATES);
    mrc_buf_printf(out,
                   "},\"history\":{\"updates\":%" PRIu64 ",\"bytes\":%" PRIu64
                   "},\"memory_bytes\":%" PRIu64 ",\"children\":%u,\"machines\":%" PRIu64 "}",
                   updates, bytes, mrc_hub_memory_bytes(hub), count_children(),
                   count_machines(hub));
}

/* ---- waiting ----------------------------------------------------------------------------------*/

/* Waits for a second. False: the stream has to end. */
static bool wait_second(const struct mrc_operator_call *call)
{
    for (int64_t left_us = SECOND_US; left_us > 0; left_us -= LOOK_US) {
        if (!mrc_this_child_is_serving() || call->r->connection->aborted)
            return false;
        apr_sleep(LOOK_US);
    }
    return true;
}

/* Measures, after a second if nobody has asked before. */
static bool measure(const struct mrc_operator_call *call, struct mrc_activity_rates *rates)
{
    struct mrc_activity *activity = mrc_hub_activity(call->hub);
    bool is_measured = mrc_activity_measure(activity, rates);

    while (!is_measured && wait_second(call))
        is_measured = mrc_activity_measure(activity, rates);
    return is_measured;
}

/* ---- the answers ------------------------------------------------------------------------------*/

static int answer_once(struct mrc_operator_call *call)
{
    struct mrc_activity_rates rates;
    struct mrc_buf out;
    int status;

    if (!measure(call, &rates))
        return mrc_answer_retry(call->r, "this server process ends: try again");
    mrc_buf_init(&out, SIZE_MAX);
    add_document(&out, call->hub, &rates);
    status = mrc_buf_error(&out) ? mrc_failure_answer_no_memory(call->r)
                                 : mrc_operator_answer(call, HTTP_OK, mrc_buf_bytes(&out));
    mrc_buf_free(&out);
    return status;
}

/* Sends one event. False: the client is gone. */
static bool send_event(const struct mrc_operator_call *call, const struct mrc_activity_rates *rates,
                       struct mrc_buf *out)
{
    request_rec *r = call->r;

    mrc_buf_reset(out);
    mrc_buf_add_str(out, "data: ");
    add_document(out, call->hub, rates);
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
    struct mrc_activity_rates rates;
    struct mrc_buf out;

    mrc_buf_init(&out, SIZE_MAX);
    while (measure(call, &rates) && may_go_on(call) && send_event(call, &rates, &out) &&
           wait_second(call))
        ;
    mrc_buf_free(&out);
}

/* The stream holds a thread, of which a child has few for streams. */
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
