#include "httpd/resource/subscribe.h"

#include "apr_strings.h"
#include "http_config.h"
#include "http_log.h"
#include "http_protocol.h"

#include "core/protocol/form.h"
#include "core/protocol/subscription.h"
#include "core/protocol/update.h"
#include "core/token/token.h"
#include "core/topic/matcher.h"
#include "httpd/access/authorize.h"
#include "httpd/access/challenge.h"
#include "httpd/access/client.h"
#include "httpd/access/identity.h"
#include "httpd/answer/answer.h"
#include "httpd/answer/body.h"
#include "httpd/answer/failure.h"
#include "httpd/base/module.h"
#include "httpd/carrier/choose.h"
#include "httpd/child/this_child.h"
#include "httpd/config/hubs.h"
#include "httpd/route/claim.h"
#include "hub/hub/hub.h"
#include "hub/hub/patterns.h"
#include "hub/subscriber/subscriber.h"

APLOG_USE_MODULE(mercure);

/* Parameters of a query, and of a body, beside the matchers; the length of both is bounded. */
#define OTHER_PARAMETERS_MAX 1000

/* The state of one request to subscribe. What the steps below open, clear() frees. */
struct subscribing {
    request_rec *r;
    const struct mrc_claim *claim;
    const struct mrc_settings *settings; /* the Location's */
    struct mrc_form *query, *body;
    struct mrc_hub *hub;
    struct mrc_subscription subscription; /* has the token; views point into the forms */
    struct mrc_subscriber *subscriber;
};

static void clear(struct subscribing *subscribing)
{
    mrc_subscription_clear(subscribing->hub, &subscribing->subscription);
    mrc_form_free(subscribing->query);
    mrc_form_free(subscribing->body);
}

/* ---- matchers ---------------------------------------------------------------------------------*/

/* What a subscription is read with. */
struct reader {
    struct mrc_hub *hub;
    const char *base;                    /* of relative URL Patterns and topics */
    const struct mrc_settings *settings; /* the hub's */
    struct mrc_error *error;
    size_t patterns;      /* so far */
    size_t pattern_bytes; /* what they occupy */
};

/* Counts MATCHER among what the subscription makes the hub hold. */
static enum mrc_err charge(struct reader *reader, const struct mrc_matcher *matcher)
{
    if (mrc_matcher_get_type(matcher) == MRC_MATCHER_EXACT)
        return MRC_OK;
    reader->patterns++;
    reader->pattern_bytes += mrc_matcher_size(matcher);
    if (reader->pattern_bytes <= MRC_PATTERNS_SUBSCRIPTION_BYTES)
        return MRC_OK;
    return mrc_error_set(
        reader->error, MRC_ELIMIT,
        "the patterns of a subscription may need %zu bytes when they are compiled: "
        "use fewer, or simpler ones",
        MRC_PATTERNS_SUBSCRIPTION_BYTES);
}

/* The hub is full: is it this subscription alone that fills it? */
static enum mrc_err explain_full(const struct reader *reader)
{
    if (reader->patterns < (size_t)reader->settings->limit_patterns)
        return MRC_EFULL;
    return mrc_error_set(reader->error, MRC_ELIMIT,
                         "the hub holds at most %" APR_INT64_T_FMT " URL Patterns",
                         reader->settings->limit_patterns);
}

static enum mrc_err add_matcher(struct reader *reader, struct mrc_subscription *subscription,
                                const struct mrc_subscription_matcher *asked)
{
    enum mrc_matcher_type type = MRC_MATCHER_TEMPLATE;
    struct mrc_matcher *matcher;
    enum mrc_err err;

    if (asked->type.ptr && mrc_matcher_type_parse(asked->type, &type))
        return mrc_error_set(reader->error, MRC_EINVAL,
                             "a parameter whose name begins with match_ names no matcher type of "
                             "this hub: use match, match_exact or match_urlpattern");
    err = mrc_patterns_get(mrc_hub_patterns(reader->hub), type, asked->value, reader->base,
                           reader->error, &matcher);
    if (err)
        return err == MRC_EFULL ? explain_full(reader) : err;
    subscription->matchers[subscription->matchers_count++] = matcher;
    return charge(reader, matcher);
}

/* Compiles what REQUEST asks for; the cursor is a view as REQUEST has it. */
static enum mrc_err compile(struct reader *reader, const struct mrc_subscription_request *request,
                            struct mrc_subscription *subscription)
{
    enum mrc_err err = MRC_OK;

    subscription->has_cursor = request->has_cursor;
    subscription->cursor = request->cursor;
    subscription->matchers = calloc(request->matchers_count, sizeof(*subscription->matchers));
    if (!subscription->matchers)
        return MRC_ENOMEM;
    for (size_t i = 0; i < request->matchers_count && !err; i++)
        err = add_matcher(reader, subscription, &request->matchers[i]);
    return err;
}

/* Views of the cursor point into QUERY or BODY, each of which may be NULL. */
static enum mrc_err read_matchers(struct reader *reader, const struct mrc_form *query,
                                  const struct mrc_form *body, bool is_legacy,
                                  struct mrc_subscription *subscription)
{
    struct mrc_subscription_rules rules = {
        .matchers_max = (size_t)reader->settings->limit_matchers,
        .value_max_bytes = (size_t)reader->settings->limit_pattern_bytes,
        .is_legacy = is_legacy,
    };
    struct mrc_subscription_request request;
    enum mrc_err err = mrc_subscription_parse(query, body, &rules, reader->error, &request);

    if (err)
        return err;
    err = compile(reader, &request, subscription);
    mrc_subscription_request_clear(&request);
    return err;
}

/* The Last-Event-ID field, if it says anything, comes before the parameter. */
static void read_cursor_field(const request_rec *r, struct mrc_subscription *subscription)
{
    const char *field = apr_table_get(r->headers_in, "Last-Event-ID");

    if (field && (*field || !subscription->has_cursor)) {
        subscription->has_cursor = true;
        subscription->cursor = mrc_bytes_of(field);
    }
}

/* The hub holds as many patterns as it may. */
static int turn_away(const struct subscribing *subscribing)
{
    const struct mrc_settings *settings = mrc_claim_hub_settings(subscribing->claim);

    if (mrc_patterns_should_report(mrc_hub_patterns(subscribing->hub)))
        ap_log_rerror(
            APLOG_MARK, APLOG_WARNING, 0, subscribing->r,
            "MRC0704: hub %s: its subscribers listen with as many patterns as MercureLimit "
            "patterns=%" APR_INT64_T_FMT " compiled=%" APR_INT64_T_FMT
            " allows: subscriptions with new ones are turned away",
            subscribing->claim->location->hub->label, settings->limit_patterns,
            settings->limit_compiled_bytes);
    return mrc_answer_later(subscribing->r,
                            "the hub holds as many URL Patterns of its subscribers as it may: "
                            "use exact matchers, or try again");
}

/* ---- the head of a stream ---------------------------------------------------------------------*/

/*
 * Nothing comes after a stream on its connection, which the client is told (RFC 9112, 9.6); HTTP/2
 * has no such field. Said here, since httpd sends no chunks on a connection that it itself closes.
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
    if (subscribing->settings->legacy) /* what the field was called in protocol 0.x */
        apr_table_setn(r->headers_out, "Last-Event-ID", text);
}

static int refuse(const struct subscribing *subscribing, apr_status_t status)
{
    const struct mrc_failure *failure = mrc_failure_of_subscription(status);
    const char *label = subscribing->claim->location->hub->label;

    if (failure->is_ours)
        ap_log_rerror(APLOG_MARK, APLOG_ERR, status, subscribing->r,
                      "MRC0705: hub %s: a subscription failed", label);
    else
        ap_log_rerror(APLOG_MARK, APLOG_INFO, 0, subscribing->r,
                      "MRC0706: hub %s refuses a subscription: %s", label, failure->detail);
    return mrc_failure_answer(subscribing->r, failure);
}

/* ---- the steps: each returns DECLINED, or what the handler returns since R has been answered
 * ---*/

static int authorize(struct subscribing *subscribing, bool has_body)
{
    const struct mrc_settings *settings = subscribing->settings;
    struct mrc_token **token = &subscribing->subscription.token;
    request_rec *r = subscribing->r;
    int status = mrc_authorize(r, subscribing->claim, MRC_ROLE_SUBSCRIBER, token);

    if (status == DECLINED && !*token && !settings->anonymous && !settings->playground)
        status = mrc_challenge_missing(r, "subscribing to this hub");
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
    const struct mrc_settings *settings = mrc_claim_hub_settings(subscribing->claim);

    return mrc_body_read_form(subscribing->r, (size_t)settings->limit_body_bytes,
                              max_pairs(subscribing), HTTP_BAD_REQUEST, &subscribing->body);
}

static int read_query(struct subscribing *subscribing)
{
    const char *args = subscribing->r->args;
    struct mrc_error error = {""};
    enum mrc_err err = mrc_form_parse(mrc_bytes_of(args ? args : ""), max_pairs(subscribing),
                                      &error, &subscribing->query);

    return err ? mrc_failure_answer_input(subscribing->r, err, &error, HTTP_BAD_REQUEST) : DECLINED;
}

static int find_hub(struct subscribing *subscribing)
{
    subscribing->hub = mrc_this_child_hub(subscribing->claim->location->hub->index);
    if (subscribing->hub && mrc_this_child_is_serving())
        return DECLINED;
    return mrc_answer_later(subscribing->r, "this server process serves no hub now: try again");
}

static int read_subscription(struct subscribing *subscribing)
{
    const struct mrc_claim *claim = subscribing->claim;
    const apr_array_header_t *audiences =
        mrc_identity_audiences(subscribing->r, claim->location, subscribing->settings);
    struct mrc_error error = {""};
    struct reader reader = {
        .hub = subscribing->hub,
        .base = APR_ARRAY_IDX(audiences, 0, const char *),
        .settings = mrc_claim_hub_settings(claim),
        .error = &error,
    };
    enum mrc_err err = read_matchers(&reader, subscribing->query, subscribing->body,
                                     subscribing->settings->legacy, &subscribing->subscription);

    if (err == MRC_EFULL)
        return turn_away(subscribing);
    if (err)
        return mrc_failure_answer_input(subscribing->r, err, &error, HTTP_BAD_REQUEST);
    read_cursor_field(subscribing->r, &subscribing->subscription);
    return DECLINED;
}

/* HEAD: what a stream's head would say, at once; nothing is opened, and nothing counted. */
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

/* The subscriber takes the matchers and the token, also on failure. */
static int open_subscriber(struct subscribing *subscribing)
{
    struct mrc_subscription *subscription = &subscribing->subscription;
    char id[MRC_UPDATE_ID_BYTES];
    apr_status_t status;

    subscription->client.address = mrc_client_name(subscribing->r);
    subscription->client.token = subscribing->claim->token;
    status = mrc_subscriber_open(subscribing->hub, subscription, apr_time_now(),
                                 &subscribing->subscriber);
    if (status != APR_SUCCESS)
        return refuse(subscribing, status);
    add_last_event_id(subscribing, mrc_subscriber_last_event_id(subscribing->subscriber));
    mrc_subscriber_get_id(subscribing->subscriber, id);
    apr_table_set(subscribing->r->notes, "mercure-subscriber", id);
    return DECLINED;
}

/* Takes a place for the stream. If there is none, the subscriber is closed. */
static int hold_place(const struct subscribing *subscribing, enum mrc_choice choice)
{
    const char *problem = mrc_choose_hold(subscribing->r, choice);

    if (!problem)
        return DECLINED;
    mrc_subscriber_close(subscribing->subscriber, MRC_END_REFUSED);
    return mrc_answer_later(subscribing->r, problem);
}

/* Announces the subscriptions of the subscriber, who is closed if that fails. */
static int announce(const struct subscribing *subscribing)
{
    const char *label = subscribing->claim->location->hub->label;
    apr_status_t status = mrc_subscriber_announce(subscribing->subscriber);
    request_rec *r = subscribing->r;

    if (status == APR_SUCCESS)
        return DECLINED;
    mrc_subscriber_close(subscribing->subscriber, MRC_END_REFUSED);
    if (status == MRC_STATUS_TOO_LARGE)
        return mrc_challenge(r, HTTP_UNAUTHORIZED, "invalid_token",
                             "a payload of the access token is larger than this hub lists: "
                             "64 KB at most");
    if (status == APR_ENOSPC) {
        if (mrc_hub_should_report_full(subscribing->hub, apr_time_now()))
            ap_log_rerror(
                APLOG_MARK, APLOG_WARNING, 0, r,
                "MRC0707: hub %s: its list of active subscriptions is full, and subscribers with "
                "many or long topic matchers, or long payloads, are turned away. Raise "
                "MercureMaxSubscribers, which the list's size follows, or lower "
                "MercureLimit matchers= and pattern=",
                label);
        return mrc_answer_later(r, "the hub's list of active subscriptions has no room for so "
                                   "many topic matchers now: try again, or use fewer");
    }
    if (status != MRC_STATUS_SUPERSEDED)
        ap_log_rerror(APLOG_MARK, APLOG_ERR, status, r,
                      "MRC0708: hub %s: a subscription could not be told", label);
    return mrc_answer_later(r, "the hub could not tell of the subscription: try again");
}

/* Serves the subscriber, who is taken over. */
static int serve(const struct subscribing *subscribing)
{
    request_rec *r = subscribing->r;
    enum mrc_choice choice = mrc_choose_carrier(r, subscribing->settings->detach);
    int status = hold_place(subscribing, choice);

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

int mrc_subscribe(request_rec *r, const struct mrc_claim *claim)
{
    struct subscribing subscribing = {
        .r = r,
        .claim = claim,
        .settings = mrc_claim_settings(r, claim),
    };
    bool has_body = r->method_number != M_GET; /* QUERY */
    int status = has_body ? DECLINED : mrc_body_discard(r);

    if (status == DECLINED)
        status = authorize(&subscribing, has_body);
    if (status == DECLINED && has_body)
        status = read_body(&subscribing);
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
    clear(&subscribing);
    return status;
}
