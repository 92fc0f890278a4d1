#include "httpd/resource/subscribe.h"

#include "apr_strings.h"
#include "http_config.h"
#include "http_log.h"
#include "http_protocol.h"

#include "core/protocol/form.h"
#include "core/protocol/subscription.h"
#include "core/protocol/update.h"
#include "core/token/token.h"
#include "httpd/access/authorize.h"
#include "httpd/access/browser.h"
#include "httpd/access/challenge.h"
#include "httpd/access/client.h"
#include "httpd/access/identity.h"
#include "httpd/answer/answer.h"
#include "httpd/answer/body.h"
#include "httpd/answer/failure.h"
#include "httpd/base/module.h"
#include "httpd/carrier/choose.h"
#include "httpd/carrier/poll.h"
#include "httpd/child/this_child.h"
#include "httpd/config/hubs.h"
#include "httpd/resource/matchers.h"
#include "httpd/route/claim.h"
#include "hub/child/child.h"
#include "hub/hub/hub.h"
#include "hub/hub/numbers.h"
#include "hub/hub/patterns.h"
#include "hub/subscriber/subscriber.h"
#include "store/base/clock.h"
#include "store/base/status.h"

APLOG_USE_MODULE(mercure);

/* The most parameters of a query or a body besides the matchers. The length of both is limited. */
#define OTHER_PARAMETERS_MAX 1000

/* The state of one subscription request. clear() frees what the steps below open. */
struct subscribing {
    request_rec *r;
    const struct mrc_claim *claim;
    const struct mrc_location_settings *settings; /* the Location's */
    struct mrc_form *query, *body;
    struct mrc_hub *hub;
    struct mrc_subscription subscription; /* owns the token; its views point into the forms */
    struct mrc_subscriber *subscriber;
};

static void clear(struct subscribing *subscribing)
{
    mrc_subscription_clear(subscribing->hub, &subscribing->subscription);
    mrc_form_free(subscribing->query);
    mrc_form_free(subscribing->body);
}

/* ---- the request ------------------------------------------------------------------------------*/

/* The field Last-Event-ID takes precedence over the parameter, unless it is empty. */
static void read_cursor_field(const request_rec *r, struct mrc_subscription *subscription)
{
    const char *field = apr_table_get(r->headers_in, "Last-Event-ID");

    if (field && (*field || !subscription->has_cursor)) {
        struct mrc_bytes text = mrc_bytes_of(field);

        subscription->has_cursor = true;
        subscription->cursor =
            mrc_subscription_cursor_of_field(text, apr_palloc(r->pool, 2 * text.len + 1));
    }
}

/* Refuses a subscription because the hub holds as many patterns as it may. */
static int refuse_patterns(const struct subscribing *subscribing)
{
    const struct mrc_hub_limits *limits = mrc_hub_get_limits(subscribing->hub);

    if (mrc_patterns_should_report(mrc_hub_patterns(subscribing->hub)))
        ap_log_rerror(
            APLOG_MARK, APLOG_WARNING, 0, subscribing->r,
            "MRC0704: hub %s: its subscribers use as many patterns as MercureLimit "
            "patterns=%" APR_UINT64_T_FMT " compiled=%" APR_UINT64_T_FMT
            " allows, so subscriptions with new patterns are refused: raise these options, or use "
            "exact topics",
            subscribing->claim->location->hub->label, limits->patterns_max,
            limits->pattern_bytes_max);
    return mrc_answer_later(subscribing->r,
                            "the hub already holds as many URL Patterns of its subscribers as it "
                            "may: use exact matchers, or try again");
}

/* ---- the head of a stream ---------------------------------------------------------------------*/

/*
 * Adds `Connection: close` (RFC 9112, 9.6), because no request follows a stream on its connection;
 * HTTP/2 has no such field. If httpd added the field itself, it would send no chunks.
 */
static void add_stream_headers(request_rec *r)
{
    mrc_answer_add_stream_headers(r);
    if (!r->connection->master)
        apr_table_mergen(r->headers_out, "Connection", "close");
}

static void add_last_event_id(const struct subscribing *subscribing, struct mrc_bytes id)
{
    request_rec *r = subscribing->r;
    const char *text = id.ptr ? apr_pstrmemdup(r->pool, id.ptr, id.len) : NULL;

    if (!text)
        return;
    apr_table_setn(r->headers_out, "Mercure-Last-Event-ID", text);
    if (subscribing->settings->legacy) /* the name of the field in protocol 0.x */
        apr_table_setn(r->headers_out, "Last-Event-ID", text);
}

static int refuse(const struct subscribing *subscribing, apr_status_t status)
{
    const struct mrc_failure *failure = mrc_failure_of_subscription(status);
    const char *label = subscribing->claim->location->hub->label;

    if (status == MRC_STATUS_UNREACHABLE) /* the log says why, once */
        return mrc_answer_later(subscribing->r,
                                "the hub cannot reach the other servers that it consists of, so "
                                "it cannot find the last event id: try again");
    if (failure->is_ours)
        ap_log_rerror(APLOG_MARK, APLOG_ERR, status, subscribing->r,
                      "MRC0705: hub %s: a subscription could not be opened", label);
    else
        ap_log_rerror(APLOG_MARK, APLOG_INFO, 0, subscribing->r,
                      "MRC0706: hub %s refuses a subscription: %s", label, failure->detail);
    return mrc_failure_answer(subscribing->r, failure);
}

/* ---- the steps --------------------------------------------------------------------------------*/

/*
 * Each returns DECLINED to continue; otherwise R has been answered, and the handler returns the
 * value.
 */

static int authorize(struct subscribing *subscribing, bool has_body)
{
    const struct mrc_location_settings *settings = subscribing->settings;
    struct mrc_token **token = &subscribing->subscription.token;
    request_rec *r = subscribing->r;
    int status = mrc_authorize(r, subscribing->claim, MRC_ROLE_SUBSCRIBER, token);

    if (status == DECLINED && !*token && !settings->anonymous && !settings->playground)
        status = mrc_authorize_missing(r, subscribing->claim, MRC_ROLE_SUBSCRIBER);
    if (status != DECLINED && has_body)
        r->connection->keepalive = AP_CONN_CLOSE; /* the body is not read */
    return status;
}

static size_t max_pairs(const struct subscribing *subscribing)
{
    return (size_t)mrc_claim_hub_settings(subscribing->claim)->limit_matchers +
           OTHER_PARAMETERS_MAX;
}

static int read_body(struct subscribing *subscribing)
{
    const struct mrc_hub_settings *settings = mrc_claim_hub_settings(subscribing->claim);

    return mrc_body_read_form(subscribing->r, MRC_INPUT_SUBSCRIPTION,
                              (size_t)settings->limit_body_bytes, max_pairs(subscribing),
                              &subscribing->body);
}

static int read_query(struct subscribing *subscribing)
{
    const char *args = subscribing->r->args;
    struct mrc_error error = {""};
    enum mrc_err err = mrc_form_parse(mrc_bytes_of(args ? args : ""), max_pairs(subscribing),
                                      &error, &subscribing->query);

    return err ? mrc_failure_answer_input(subscribing->r, err, &error, MRC_INPUT_SUBSCRIPTION)
               : DECLINED;
}

#define NOT_SERVING "this server process does not serve the hub now: try again"

/* A child that ends still answers polls. */
static int find_hub(struct subscribing *subscribing)
{
    return subscribing->hub ? DECLINED : mrc_answer_later(subscribing->r, NOT_SERVING);
}

static int read_subscription(struct subscribing *subscribing)
{
    const struct mrc_claim *claim = subscribing->claim;
    const apr_array_header_t *audiences =
        mrc_identity_audiences(subscribing->r, claim->location, subscribing->settings);
    const struct mrc_matchers_request request = {
        .query = subscribing->query,
        .body = subscribing->body,
        .is_legacy = subscribing->settings->legacy,
        .base = APR_ARRAY_IDX(audiences, 0, const char *),
        .hub = subscribing->hub,
        .settings = mrc_claim_hub_settings(claim),
    };
    struct mrc_error error = {""};
    enum mrc_err err = mrc_matchers_compile(&request, &error, &subscribing->subscription);

    if (err == MRC_EFULL)
        return refuse_patterns(subscribing);
    if (err && err != MRC_ENOMEM)
        ap_log_rerror(APLOG_MARK, APLOG_INFO, 0, subscribing->r,
                      "MRC0710: hub %s cannot read a subscription: %s", claim->location->hub->label,
                      error.text);
    if (err)
        return mrc_failure_answer_input(subscribing->r, err, &error, MRC_INPUT_SUBSCRIPTION);
    read_cursor_field(subscribing->r, &subscribing->subscription);
    return DECLINED;
}

/* Answers HEAD with the head that a stream would have. Nothing is opened or counted. */
static int answer_head(const struct subscribing *subscribing)
{
    const struct mrc_subscription *subscription = &subscribing->subscription;
    apr_status_t status = APR_SUCCESS;
    char *id = NULL;

    if (!subscribing->r->header_only)
        return DECLINED;
    if (subscription->has_cursor)
        status = mrc_subscriber_peek(subscribing->hub, subscription->cursor, apr_time_now(), &id);
    if (status != APR_SUCCESS)
        return refuse(subscribing, status);
    if (id)
        add_last_event_id(subscribing, mrc_bytes_of(id));
    free(id);
    mrc_answer_add_stream_headers(subscribing->r);
    return OK;
}

static bool wants_positions(const struct subscribing *subscribing)
{
    enum mrc_cursor_setting cursor = subscribing->settings->cursor;

    return cursor == MRC_CURSOR_ON ||
           (cursor == MRC_CURSOR_AUTO && mrc_client_is_event_source(subscribing->r));
}

static bool positions_are_events(const request_rec *r)
{
    return mrc_browser_drops_ids(apr_table_get(r->headers_in, "User-Agent"));
}

/* Opens the subscriber, which takes over the matchers and the token, even on failure. */
static int open_subscriber(struct subscribing *subscribing)
{
    struct mrc_subscription *subscription = &subscribing->subscription;
    char id[MRC_UPDATE_ID_BYTES];
    apr_status_t status;

    subscription->wants_positions = wants_positions(subscribing);
    subscription->positions_are_events = positions_are_events(subscribing->r);
    subscription->client.address = mrc_client_name(subscribing->r);
    subscription->client.token = subscribing->claim->token;
    if (mrc_hub_get_spec(subscribing->hub)->is_controlled)
        subscription->address = mrc_client_address(subscribing->r);
    status = mrc_subscriber_open(subscribing->hub, subscription, apr_time_now(),
                                 &subscribing->subscriber);
    if (status != APR_SUCCESS)
        return refuse(subscribing, status);
    add_last_event_id(subscribing, mrc_subscriber_last_event_id(subscribing->subscriber));
    mrc_subscriber_get_id(subscribing->subscriber, id);
    apr_table_set(subscribing->r->notes, "mercure-subscriber", id);
    return DECLINED;
}

/* Reports the first stream that the child refuses, and then one in each minute. */
static void report_no_place(const struct subscribing *subscribing, const char *limit)
{
    if (mrc_child_should_report_refusal(mrc_this_child_get(), mrc_clock_us()))
        ap_log_rerror(APLOG_MARK, APLOG_NOTICE, 0, subscribing->r,
                      "MRC0712: hub %s refuses streams, whose clients now get their updates some "
                      "seconds late: %s",
                      subscribing->claim->location->hub->label, limit);
}

/* Takes a place for the stream. If there is none, answers with a poll and closes the subscriber. */
static int hold_place(const struct subscribing *subscribing, enum mrc_choice choice)
{
    struct mrc_no_place why;

    if (!mrc_this_child_is_serving())
        return mrc_poll_answer(subscribing->r, subscribing->subscriber, NOT_SERVING);
    if (mrc_choose_hold(subscribing->r, choice, &why))
        return DECLINED;
    report_no_place(subscribing, why.limit);
    return mrc_poll_answer(subscribing->r, subscribing->subscriber, why.detail);
}

/* The roster is full; logged once a minute. */
static void log_full_roster(const struct subscribing *subscribing)
{
    if (!mrc_hub_should_report_full(subscribing->hub, mrc_clock_us()))
        return;
    ap_log_rerror(APLOG_MARK, APLOG_WARNING, 0, subscribing->r,
                  "MRC0707: hub %s: its list of active subscriptions is full, so subscribers with "
                  "many or long topic matchers, or long payloads, are refused: raise "
                  "MercureMaxSubscribers, which the size of the list follows, or lower matchers= "
                  "and pattern= of MercureLimit",
                  subscribing->claim->location->hub->label);
}

/* Announces the subscriptions of the subscriber. If that fails, closes the subscriber. */
static int announce(const struct subscribing *subscribing)
{
    apr_status_t status = mrc_subscriber_announce(subscribing->subscriber);
    const struct mrc_failure *failure;
    request_rec *r = subscribing->r;

    if (status == APR_SUCCESS)
        return DECLINED;
    failure = mrc_failure_of_announcement(status);
    if (status == APR_ENOSPC)
        log_full_roster(subscribing);
    else if (status == MRC_STATUS_NO_ROOM)
        mrc_failure_report_no_room(r, subscribing->hub, subscribing->claim->location->hub->label);
    else if (failure->is_ours)
        ap_log_rerror(APLOG_MARK, APLOG_ERR, status, r,
                      "MRC0708: hub %s: a subscription could not be announced",
                      subscribing->claim->location->hub->label);
    if (status != MRC_STATUS_TOO_LARGE)
        return mrc_poll_answer(r, subscribing->subscriber, failure->detail);
    mrc_subscriber_close(subscribing->subscriber, MRC_END_REFUSED);
    return mrc_challenge(r, MRC_CHALLENGE_TOKEN, failure->detail); /* a payload of the token */
}

/* Reports that the streams of the hub skip the filters REMOVED: once, until the child ends. */
static void report_filters(const struct subscribing *subscribing, const char *removed)
{
    if (mrc_numbers_gauge_take(mrc_hub_numbers(subscribing->hub), MRC_GAUGE_FILTERS_REPORTED, 1))
        ap_log_rerror(APLOG_MARK, APLOG_NOTICE, 0, subscribing->r,
                      "MRC0713: hub %s: its streams do not pass through the output filters %s, "
                      "which could hold events back or change them",
                      subscribing->claim->location->hub->label, removed);
}

/* Starts the stream of the subscriber, which is taken over. */
static int serve(const struct subscribing *subscribing)
{
    request_rec *r = subscribing->r;
    const char *removed;
    enum mrc_choice choice = mrc_choose_carrier(r, subscribing->settings->detach, &removed);
    int status = hold_place(subscribing, choice);

    if (removed)
        report_filters(subscribing, removed);
    if (status != DECLINED)
        return status;
    status = announce(subscribing);
    if (status != DECLINED) {
        mrc_choose_release(r, choice);
        return status;
    }
    add_stream_headers(r);
    return mrc_choose_start(r, choice, subscribing->subscriber);
}

/* Whether the client has a cursor, as far as the field and the query tell; false only if it surely
 * has none. */
static bool has_cursor(const struct subscribing *subscribing)
{
    const struct mrc_subscription_rules rules = {
        .matchers_max = max_pairs(subscribing),
        .value_max_bytes = SIZE_MAX,
        .is_legacy = subscribing->settings->legacy,
    };
    struct mrc_subscription_request parsed;
    bool has_cursor;

    if (subscribing->r->method_number != M_GET || !subscribing->query ||
        apr_table_get(subscribing->r->headers_in, "Last-Event-ID") ||
        mrc_subscription_parse(subscribing->query, NULL, &rules, NULL, &parsed))
        return true;
    has_cursor = parsed.has_cursor;
    mrc_subscription_request_clear(&parsed);
    return has_cursor;
}

/*
 * The client was turned away before its subscription was known: its token cannot be verified yet,
 * or the hub has no room for its patterns. If it has no cursor, it gets one.
 */
static void add_first_cursor(struct subscribing *subscribing)
{
    const char *args = subscribing->r->args;

    if (!mrc_answer_is_stream(subscribing->r) || subscribing->subscriber || !subscribing->hub)
        return;
    if (!subscribing->query)
        mrc_form_parse(mrc_bytes_of(args ? args : ""), max_pairs(subscribing), NULL,
                       &subscribing->query);
    if (!has_cursor(subscribing))
        mrc_poll_add_newest(subscribing->r, subscribing->hub, positions_are_events(subscribing->r));
}

int mrc_subscribe(request_rec *r, const struct mrc_claim *claim)
{
    struct subscribing subscribing = {
        .r = r,
        .claim = claim,
        .settings = mrc_claim_settings(r, claim),
        .hub = mrc_this_child_hub(claim->location->hub->index),
    };
    bool has_body = r->method_number != M_GET; /* QUERY */
    int status = has_body ? DECLINED : mrc_body_discard(r);

    if (status == DECLINED)
        status = authorize(&subscribing, has_body);
    if (status == DECLINED && has_body)
        status = read_body(&subscribing);
    if (status == DECLINED && has_body && subscribing.subscription.token)
        status =
            mrc_authorize_again(r, claim, MRC_ROLE_SUBSCRIBER, &subscribing.subscription.token);
    if (status == DECLINED)
        status = read_query(&subscribing);
    if (status == DECLINED)
        status = find_hub(&subscribing);
    if (status == DECLINED)
        status = read_subscription(&subscribing);
    if (status == DECLINED)
        status = answer_head(&subscribing);
    if (status == DECLINED)
        status = open_subscriber(&subscribing);
    if (status == DECLINED)
        status = serve(&subscribing);
    if (status == OK)
        add_first_cursor(&subscribing);
    clear(&subscribing);
    return status;
}
