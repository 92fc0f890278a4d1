#include "httpd/resource/subscribe.h"

#include "apr_strings.h"
#include "http_config.h"
#include "http_log.h"
#include "http_protocol.h"

#include "core/base/utf8.h"
#include "core/protocol/form.h"
#include "core/protocol/update.h"
#include "core/token/token.h"
#include "core/topic/matcher.h"
#include "httpd/access/authorize.h"
#include "httpd/access/client.h"
#include "httpd/access/identity.h"
#include "httpd/answer/answer.h"
#include "httpd/answer/body.h"
#include "httpd/base/connection.h"
#include "httpd/base/module.h"
#include "httpd/carrier/detached.h"
#include "httpd/carrier/push.h"
#include "httpd/carrier/suspended.h"
#include "httpd/carrier/threaded.h"
#include "httpd/config/hubs.h"
#include "httpd/config/sizing.h"
#include "httpd/life/lifecycle.h"
#include "httpd/route/claim.h"
#include "hub/child/child.h"
#include "hub/hub/hub.h"
#include "hub/hub/patterns.h"
#include "hub/hub/seats.h"
#include "hub/stream/dispatcher.h"
#include "hub/subscriber/subscriber.h"

APLOG_USE_MODULE(mercure);

/* Parameters of a query, and of a body, beside the matchers; the length of both is bounded. */
#define OTHER_PARAMETERS_MAX 1000

/* ---- matchers ---------------------------------------------------------------------------------*/

/*
 * Whether NAME is in the reserved namespace `match…`; if it names a matcher type, that goes to
 * RET_TYPE and RET_KNOWN becomes true.
 */
static bool is_matcher_name(struct mrc_bytes name, enum mrc_matcher_type *ret_type, bool *ret_known)
{
    static const char prefix[] = "match";
    size_t len = sizeof(prefix) - 1;

    if (name.len < len || ap_cstr_casecmpn(name.ptr, prefix, len))
        return false;
    *ret_type = MRC_MATCHER_EXACT;
    *ret_known = mrc_bytes_eq_str(name, prefix);
    if (!*ret_known && mrc_bytes_starts_with(name, mrc_bytes_of("match_"))) {
        struct mrc_bytes type = {name.ptr + len + 1, name.len - len - 1};

        *ret_known = mrc_matcher_type_parse(type, ret_type) == MRC_OK;
    }
    return true;
}

/* What a subscription is read with. */
struct reader {
    struct mrc_hub *hub;
    const char *base;                    /* of relative URL Patterns and topics */
    const struct mrc_settings *settings; /* the hub's */
    bool legacy;                         /* protocol 0.x is spoken, too */
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
                                enum mrc_matcher_type type, struct mrc_bytes value)
{
    const struct mrc_settings *settings = reader->settings;
    struct mrc_matcher *matcher;
    enum mrc_err err;

    if (subscription->matchers_count == (size_t)settings->limit_matchers)
        return mrc_error_set(reader->error, MRC_ELIMIT,
                             "a subscription has at most %" APR_INT64_T_FMT " topic matchers here",
                             settings->limit_matchers);
    if (value.len > (size_t)settings->limit_pattern_bytes)
        return mrc_error_set(reader->error, MRC_ELIMIT,
                             "a topic matcher has at most %" APR_INT64_T_FMT " bytes here",
                             settings->limit_pattern_bytes);
    err = mrc_utf8_check_text(value, reader->error);
    if (!err)
        err = mrc_patterns_get(mrc_hub_patterns(reader->hub), type, value, reader->base,
                               reader->error, &matcher);
    if (err)
        return err == MRC_EFULL ? explain_full(reader) : err;
    subscription->matchers[subscription->matchers_count++] = matcher;
    return charge(reader, matcher);
}

/* Whether NAME is that of a cursor. */
static bool is_cursor_name(struct mrc_bytes name, bool legacy)
{
    /* What clients of protocol 0.x call it, by its drafts and in polyfills. */
    static const char *const legacy_names[] = {"lastEventID", "Last-Event-ID", "lastEventId"};

    for (size_t i = 0; legacy && i < sizeof(legacy_names) / sizeof(legacy_names[0]); i++)
        if (mrc_bytes_eq_str(name, legacy_names[i]))
            return true;
    return mrc_bytes_eq_str(name, "last_event_id");
}

/* A `topic` of protocol 0.x. */
static enum mrc_err take_topic(struct reader *reader, struct mrc_subscription *subscription,
                               struct mrc_bytes value)
{
    if (!reader->legacy)
        return mrc_error_set(reader->error, MRC_EINVAL,
                             "the parameter topic is of protocol 0.x, which this hub does not "
                             "speak: use match or match_urlpattern, or set MercureLegacy On");
    return add_matcher(reader, subscription, MRC_MATCHER_TEMPLATE, value);
}

/* Clients of protocol 0.x give one cursor under several names; the first that says something
 * counts.
 */
static void take_cursor(struct mrc_subscription *subscription, struct mrc_bytes value, bool legacy)
{
    if (!subscription->has_cursor || (legacy && !subscription->cursor.len))
        subscription->cursor = value;
    subscription->has_cursor = true;
}

static enum mrc_err take_parameter(struct reader *reader, struct mrc_subscription *subscription,
                                   struct mrc_form_pair pair)
{
    enum mrc_matcher_type type;
    bool known;

    if (is_matcher_name(pair.name, &type, &known)) {
        if (!known)
            return mrc_error_set(reader->error, MRC_EINVAL,
                                 "a parameter whose name begins with match names no matcher type "
                                 "of this hub: use match, match_exact or match_urlpattern");
        return add_matcher(reader, subscription, type, pair.value);
    }
    if (mrc_bytes_eq_str(pair.name, "topic"))
        return take_topic(reader, subscription, pair.value);
    if (is_cursor_name(pair.name, reader->legacy))
        take_cursor(subscription, pair.value, reader->legacy);
    return MRC_OK;
}

static enum mrc_err take_parameters(struct reader *reader, struct mrc_subscription *subscription,
                                    const struct mrc_form *form)
{
    enum mrc_err err = MRC_OK;

    for (size_t i = 0; form && i < mrc_form_count(form) && !err; i++)
        err = take_parameter(reader, subscription, mrc_form_get(form, i));
    return err;
}

/*
 * Reads matchers and cursor from the union of QUERY and BODY, which may be NULL; the query's cursor
 * comes before the body's. Views of the cursor point into them.
 */
static enum mrc_err read_forms(struct reader *reader, const struct mrc_form *query,
                               const struct mrc_form *body, struct mrc_subscription *subscription)
{
    enum mrc_err err;

    subscription->matchers =
        calloc((size_t)reader->settings->limit_matchers, sizeof(*subscription->matchers));
    if (!subscription->matchers)
        return MRC_ENOMEM;
    err = take_parameters(reader, subscription, query);
    if (!err)
        err = take_parameters(reader, subscription, body);
    if (!err && subscription->matchers_count == 0)
        err = mrc_error_set(reader->error, MRC_EINVAL,
                            "the subscription names no topic: add a parameter such as "
                            "match=https://example.com/books/1");
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

/* ---- the stream -------------------------------------------------------------------------------*/

/*
 * SUBSCRIBER is about to be served: tells of its subscriptions. DECLINED, or what the handler
 * returns, since R has been answered and SUBSCRIBER is closed.
 */
static int announce(request_rec *r, const struct mrc_claim *claim,
                    struct mrc_subscriber *subscriber)
{
    struct mrc_hub *hub = mrc_subscriber_get_hub(subscriber);
    apr_status_t status = mrc_subscriber_announce(subscriber);

    if (status == APR_SUCCESS)
        return DECLINED;
    mrc_subscriber_close(subscriber, MRC_END_REFUSED);
    if (status == MRC_STATUS_TOO_LARGE)
        return mrc_answer_challenge(r, HTTP_UNAUTHORIZED, "invalid_token",
                                    "a payload of the access token is larger than this hub lists: "
                                    "64 KB at most");
    if (status == APR_ENOSPC) {
        if (mrc_hub_should_report_full(hub, apr_time_now()))
            ap_log_rerror(APLOG_MARK, APLOG_WARNING, 0, r,
                          "hub %s: its list of active subscriptions is full, and subscribers with "
                          "many or long topic matchers, or long payloads, are turned away. Raise "
                          "MercureMaxSubscribers, which the list's size follows, or lower "
                          "MercureLimit matchers= and pattern=",
                          claim->location->hub->label);
        return mrc_answer_later(r, "the hub's list of active subscriptions has no room for so "
                                   "many topic matchers now: try again, or use fewer");
    }
    if (status != MRC_STATUS_SUPERSEDED)
        ap_log_rerror(APLOG_MARK, APLOG_ERR, status, r, "hub %s: a subscription could not be told",
                      claim->location->hub->label);
    return mrc_answer_later(r, "the hub could not tell of the subscription: try again");
}

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

static int serve_threaded(request_rec *r, const struct mrc_claim *claim, struct mrc_child *process,
                          const struct mrc_sizing *sizing, struct mrc_subscriber *subscriber)
{
    conn_rec *c = r->connection;
    int status;

    if (!mrc_connection_hold_thread(c)) {
        mrc_subscriber_close(subscriber, MRC_END_REFUSED);
        return mrc_answer_later(r, "this connection holds as many streams as it may: use one "
                                   "stream with several topic matchers, or HTTP/1.1");
    }
    if (!mrc_child_hold_thread(process, sizing->threaded_per_child, sizing->threaded_total)) {
        mrc_connection_release_thread(c);
        mrc_subscriber_close(subscriber, MRC_END_REFUSED);
        return mrc_answer_later(r, "the server holds as many streams as its workers allow: try "
                                   "again");
    }
    status = announce(r, claim, subscriber);
    if (status == DECLINED) {
        add_stream_headers(r);
        status = mrc_carrier_threaded_run(r, process, subscriber);
    }
    mrc_connection_release_thread(c); /* first, so that who sees the thread free may use it */
    mrc_child_release_thread(process);
    return status;
}

static void add_last_event_id(request_rec *r, struct mrc_bytes id)
{
    const struct mrc_settings *settings = ap_get_module_config(r->per_dir_config, &mercure_module);
    const char *text = id.ptr ? apr_pstrmemdup(r->pool, id.ptr, id.len) : NULL;

    if (!text)
        return;
    apr_table_setn(r->headers_out, "Mercure-Last-Event-ID", text);
    if (settings->legacy) /* what the field was called in protocol 0.x */
        apr_table_setn(r->headers_out, "Last-Event-ID", text);
}

static int serve_stream(request_rec *r, const struct mrc_claim *claim, struct mrc_child *process,
                        struct mrc_subscriber *subscriber)
{
    const struct mrc_settings *settings = ap_get_module_config(r->per_dir_config, &mercure_module);
    const struct mrc_sizing *sizing = mrc_lifecycle_sizing();
    unsigned count = mrc_dispatcher_post_count(mrc_child_dispatcher(process));
    bool may_leave, detach, suspend;
    char id[MRC_UPDATE_ID_BYTES];
    int status;

    add_last_event_id(r, mrc_subscriber_last_event_id(subscriber));
    mrc_subscriber_get_id(subscriber, id);
    apr_table_set(r->notes, "mercure-subscriber", id);
    mrc_push_prepare(r);
    may_leave = mrc_lifecycle_may_log_anywhere(); /* its log line is then the dispatcher's */
    detach = may_leave && settings->detach && mrc_carrier_detached_is_possible(r);
    suspend = may_leave && !detach && mrc_carrier_suspended_is_possible(r);
    if (!detach && !suspend)
        return serve_threaded(r, claim, process, sizing, subscriber);
    if (count >= sizing->dispatched_per_child ||
        (suspend && !mrc_child_hold_suspended(process, sizing->suspended_per_child))) {
        mrc_subscriber_close(subscriber, MRC_END_REFUSED);
        return mrc_answer_later(r, "the server holds as many streams as it can: try again");
    }
    status = announce(r, claim, subscriber);
    if (status != DECLINED) {
        if (suspend)
            mrc_child_release_suspended(process);
        return status;
    }
    add_stream_headers(r);
    return detach ? mrc_carrier_detached_start(r, process, mrc_lifecycle_log_fields(),
                                               mrc_lifecycle_log_texts(), subscriber)
                  : mrc_carrier_suspended_start(r, process, subscriber);
}

static int failed(request_rec *r, const struct mrc_claim *claim, apr_status_t status)
{
    ap_log_rerror(APLOG_MARK, APLOG_ERR, status, r, "hub %s: a subscription failed",
                  claim->location->hub->label);
    return mrc_answer_problem(r, HTTP_INTERNAL_SERVER_ERROR,
                              "the hub could not open the subscription");
}

/* HEAD: what a stream's head would say, at once; nothing is opened, and nothing counted. */
static int serve_head(request_rec *r, const struct mrc_claim *claim, struct mrc_hub *hub,
                      struct mrc_subscription *subscription)
{
    apr_status_t status = APR_SUCCESS;
    char *id = NULL;

    if (subscription->has_cursor)
        status = mrc_subscriber_peek(hub, subscription->cursor, apr_time_now(), &id);
    mrc_subscription_clear(hub, subscription);
    if (status != APR_SUCCESS)
        return failed(r, claim, status);
    if (id)
        add_last_event_id(r, mrc_bytes_of(id));
    free(id);
    mrc_answer_add_stream_headers(r);
    return OK;
}

/* A limit that is hard: 429, whatever the client accepts. */
static int too_many(request_rec *r, const struct mrc_claim *claim, const char *detail)
{
    ap_log_rerror(APLOG_MARK, APLOG_INFO, 0, r, "hub %s refuses a subscription: %s",
                  claim->location->hub->label, detail);
    return mrc_answer_problem(r, HTTP_TOO_MANY_REQUESTS, detail);
}

static int refuse(request_rec *r, const struct mrc_claim *claim, apr_status_t status)
{
    switch (status) {
    case MRC_STATUS_FULL:
        return too_many(r, claim, "the hub has as many subscribers as it may have");
    case MRC_STATUS_ADDRESS_FULL:
        return too_many(r, claim,
                        "this address has as many streams as it may have: use one stream with "
                        "several topic matchers, and close those that are not needed");
    case MRC_STATUS_TOKEN_FULL:
        return too_many(r, claim,
                        "this access token has as many streams as it may have: use one stream "
                        "with several topic matchers, and close those that are not needed");
    default:
        return failed(r, claim, status);
    }
}

static int open_stream(request_rec *r, const struct mrc_claim *claim, struct mrc_child *process,
                       struct mrc_hub *hub, struct mrc_subscription *subscription)
{
    struct mrc_subscriber *subscriber;
    apr_status_t status;

    if (r->header_only)
        return serve_head(r, claim, hub, subscription);
    status = mrc_subscriber_open(hub, subscription, apr_time_now(), &subscriber);
    return status == APR_SUCCESS ? serve_stream(r, claim, process, subscriber)
                                 : refuse(r, claim, status);
}

/* ---- the request ------------------------------------------------------------------------------*/

/* The hub holds as many patterns as it may. */
static int turn_away(request_rec *r, const struct mrc_claim *claim, struct mrc_hub *hub)
{
    const struct mrc_settings *settings = claim->location->hub->settings;

    if (mrc_patterns_should_report(mrc_hub_patterns(hub)))
        ap_log_rerror(APLOG_MARK, APLOG_WARNING, 0, r,
                      "hub %s: its subscribers listen with as many patterns as MercureLimit "
                      "patterns=%" APR_INT64_T_FMT " compiled=%" APR_INT64_T_FMT
                      " allows: subscriptions with new ones are turned away",
                      claim->location->hub->label, settings->limit_patterns,
                      settings->limit_compiled_bytes);
    return mrc_answer_later(r, "the hub holds as many URL Patterns of its subscribers as it may: "
                               "use exact matchers, or try again");
}

/* TOKEN is taken over. */
static int subscribe_with_forms(request_rec *r, const struct mrc_claim *claim,
                                struct mrc_token *token, const struct mrc_form *query,
                                const struct mrc_form *body)
{
    const struct mrc_settings *settings = ap_get_module_config(r->per_dir_config, &mercure_module);
    const apr_array_header_t *audiences = mrc_identity_audiences(r, claim->location, settings);
    struct mrc_child *process = mrc_lifecycle_child();
    struct mrc_hub *hub =
        process ? mrc_child_hub(process, (size_t)claim->location->hub->index) : NULL;
    struct mrc_subscription subscription = {
        .token = token,
        .client = {.address = mrc_client_name(r), .token = claim->token},
    };
    struct mrc_error error = {""};
    struct reader reader = {
        .hub = hub,
        .base = APR_ARRAY_IDX(audiences, 0, const char *),
        .settings = claim->location->hub->settings,
        .legacy = settings->legacy,
        .error = &error,
    };
    enum mrc_err err;

    if (!hub || !mrc_lifecycle_is_serving()) {
        mrc_token_unref(token);
        return mrc_answer_later(r, "this server process serves no hub now: try again");
    }
    err = read_forms(&reader, query, body, &subscription);
    if (!err) {
        read_cursor_field(r, &subscription);
        return open_stream(r, claim, process, hub, &subscription);
    }
    mrc_subscription_clear(hub, &subscription);
    switch (err) {
    case MRC_ENOMEM:
        return mrc_answer_problem(r, HTTP_INTERNAL_SERVER_ERROR, "the server is out of memory");
    case MRC_EFULL:
        return turn_away(r, claim, hub);
    default:
        return mrc_answer_problem(r, HTTP_BAD_REQUEST, error.text);
    }
}

/* The parameters of the URL; DECLINED, or what the handler returns since R has been answered. */
static int read_query(request_rec *r, size_t max_pairs, struct mrc_form **ret_query)
{
    struct mrc_error error = {""};

    switch (mrc_form_parse(mrc_bytes_of(r->args ? r->args : ""), max_pairs, &error, ret_query)) {
    case MRC_OK:
        return DECLINED;
    case MRC_ENOMEM:
        return mrc_answer_problem(r, HTTP_INTERNAL_SERVER_ERROR, "the server is out of memory");
    default:
        return mrc_answer_problem(r, HTTP_BAD_REQUEST, error.text);
    }
}

/* TOKEN is taken over. */
static int subscribe_with(request_rec *r, const struct mrc_claim *claim, bool has_body,
                          struct mrc_token *token)
{
    const struct mrc_settings *settings = claim->location->hub->settings;
    size_t max_pairs = (size_t)settings->limit_matchers + OTHER_PARAMETERS_MAX;
    struct mrc_form *query = NULL, *body = NULL;
    int status = DECLINED;

    if (has_body)
        status = mrc_body_read_form(r, (size_t)settings->limit_body_bytes, max_pairs,
                                    HTTP_BAD_REQUEST, &body);
    if (status == DECLINED)
        status = read_query(r, max_pairs, &query);
    if (status == DECLINED)
        status = subscribe_with_forms(r, claim, token, query, body);
    else
        mrc_token_unref(token);
    mrc_form_free(query);
    mrc_form_free(body);
    return status;
}

int mrc_subscribe(request_rec *r, const struct mrc_claim *claim)
{
    const struct mrc_settings *settings = ap_get_module_config(r->per_dir_config, &mercure_module);
    bool has_body = r->method_number != M_GET; /* QUERY */
    struct mrc_token *token;
    int status = has_body ? DECLINED : mrc_body_discard(r);

    if (status != DECLINED)
        return status;
    status = mrc_authorize(r, claim, MRC_ROLE_SUBSCRIBER, &token);
    if (status == DECLINED && !token && !settings->anonymous && !settings->playground)
        status = mrc_authorize_missing(r, "subscribing to this hub");
    if (status == DECLINED)
        return subscribe_with(r, claim, has_body, token);
    if (has_body)
        r->connection->keepalive = AP_CONN_CLOSE; /* the body is not read */
    return status;
}
