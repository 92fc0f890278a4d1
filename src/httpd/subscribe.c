#include "httpd/subscribe.h"

#include "apr_strings.h"
#include "http_config.h"
#include "http_log.h"
#include "http_protocol.h"

#include "core/form.h"
#include "core/matcher.h"
#include "core/token.h"
#include "core/update.h"
#include "core/utf8.h"
#include "httpd/answer.h"
#include "httpd/authorize.h"
#include "httpd/carrier_suspended.h"
#include "httpd/carrier_threaded.h"
#include "httpd/claim.h"
#include "httpd/connection.h"
#include "httpd/identity.h"
#include "httpd/lifecycle.h"
#include "httpd/module.h"
#include "httpd/push.h"
#include "httpd/registry.h"
#include "httpd/sizing.h"
#include "hub/dispatcher.h"
#include "hub/hub.h"
#include "hub/process.h"
#include "hub/subscriber.h"

APLOG_USE_MODULE(mercure);

/* Parameters of a query beside its matchers; httpd bounds the length of the whole. */
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

static enum mrc_err add_matcher(struct mrc_subscription *subscription, enum mrc_matcher_type type,
                                struct mrc_bytes value, const char *base,
                                const struct mrc_settings *settings, struct mrc_error *error)
{
    enum mrc_err err;

    if (subscription->matchers_count == (size_t)settings->limit_matchers)
        return mrc_error_set(error, MRC_ELIMIT,
                             "a subscription has at most %" APR_INT64_T_FMT " topic matchers here",
                             settings->limit_matchers);
    if (value.len > (size_t)settings->limit_pattern_bytes)
        return mrc_error_set(error, MRC_ELIMIT,
                             "a topic matcher has at most %" APR_INT64_T_FMT " bytes here",
                             settings->limit_pattern_bytes);
    err = mrc_utf8_check_text(value, error);
    if (err)
        return err;
    err = mrc_matcher_create(type, value, base, error,
                             &subscription->matchers[subscription->matchers_count]);
    if (!err)
        subscription->matchers_count++;
    return err;
}

static enum mrc_err take_parameter(struct mrc_subscription *subscription, struct mrc_form_pair pair,
                                   const char *base, const struct mrc_settings *settings,
                                   struct mrc_error *error)
{
    enum mrc_matcher_type type;
    bool known;

    if (is_matcher_name(pair.name, &type, &known)) {
        if (!known)
            return mrc_error_set(error, MRC_EINVAL,
                                 "a parameter whose name begins with match names no matcher type "
                                 "of this hub: use match, match_exact or match_urlpattern");
        return add_matcher(subscription, type, pair.value, base, settings, error);
    }
    if (mrc_bytes_eq_str(pair.name, "last_event_id") && !subscription->has_cursor) {
        subscription->has_cursor = true;
        subscription->cursor = pair.value;
    }
    return MRC_OK;
}

static void clear_subscription(struct mrc_subscription *subscription)
{
    for (size_t i = 0; i < subscription->matchers_count; i++)
        mrc_matcher_free(subscription->matchers[i]);
    free(subscription->matchers);
    subscription->matchers = NULL;
    subscription->matchers_count = 0;
}

/* Reads matchers and cursor from FORM; views of the cursor point into it. */
static enum mrc_err read_form(const struct mrc_form *form, const char *base,
                              const struct mrc_settings *settings,
                              struct mrc_subscription *subscription, struct mrc_error *error)
{
    enum mrc_err err = MRC_OK;

    subscription->matchers =
        calloc((size_t)settings->limit_matchers, sizeof(*subscription->matchers));
    if (!subscription->matchers)
        return MRC_ENOMEM;
    for (size_t i = 0; i < mrc_form_count(form) && !err; i++)
        err = take_parameter(subscription, mrc_form_get(form, i), base, settings, error);
    if (!err && subscription->matchers_count == 0)
        err = mrc_error_set(error, MRC_EINVAL,
                            "the subscription names no topic: add a parameter such as "
                            "match=https://example.com/books/1");
    if (err)
        clear_subscription(subscription);
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

static int serve_threaded(request_rec *r, struct mrc_process *process,
                          const struct mrc_sizing *sizing, struct mrc_subscriber *subscriber)
{
    conn_rec *c = r->connection;
    int status;

    if (!mrc_connection_hold_thread(c)) {
        mrc_subscriber_close(subscriber, MRC_END_REFUSED);
        return mrc_answer_later(r, "this connection holds as many streams as it may: use one "
                                   "stream with several topic matchers, or HTTP/1.1");
    }
    if (!mrc_process_hold_thread(process, sizing->threaded_per_child, sizing->threaded_total)) {
        mrc_connection_release_thread(c);
        mrc_subscriber_close(subscriber, MRC_END_REFUSED);
        return mrc_answer_later(r, "the server holds as many streams as its workers allow: try "
                                   "again");
    }
    mrc_answer_add_stream_headers(r);
    status = mrc_carrier_threaded_run(r, process, subscriber);
    mrc_process_release_thread(process);
    mrc_connection_release_thread(c);
    return status;
}

/* Gives the subscriber a name of its own, for the access log. */
static void note_subscriber(request_rec *r)
{
    unsigned char random[16];
    char *id = apr_palloc(r->pool, MRC_UPDATE_ID_BYTES);

    if (apr_generate_random_bytes(random, sizeof(random)) != APR_SUCCESS)
        return;
    mrc_update_id_make(random, id);
    apr_table_setn(r->notes, "mercure-subscriber", id);
}

static int serve_stream(request_rec *r, struct mrc_process *process,
                        struct mrc_subscriber *subscriber)
{
    const struct mrc_sizing *sizing = mrc_lifecycle_sizing();
    struct mrc_bytes id = mrc_subscriber_last_event_id(subscriber);

    if (id.ptr)
        apr_table_setn(r->headers_out, "Mercure-Last-Event-ID",
                       apr_pstrmemdup(r->pool, id.ptr, id.len));
    if (r->header_only) {
        mrc_subscriber_close(subscriber, MRC_END_REFUSED);
        mrc_answer_add_stream_headers(r);
        return OK;
    }
    note_subscriber(r);
    mrc_push_prepare(r);
    if (!mrc_carrier_suspended_is_possible(r))
        return serve_threaded(r, process, sizing, subscriber);
    if (mrc_dispatcher_post_count(mrc_process_dispatcher(process)) >= sizing->suspended_per_child) {
        mrc_subscriber_close(subscriber, MRC_END_REFUSED);
        return mrc_answer_later(r, "the server holds as many streams as it can: try again");
    }
    mrc_answer_add_stream_headers(r);
    return mrc_carrier_suspended_start(r, process, subscriber);
}

static int open_stream(request_rec *r, const struct mrc_claim *claim,
                       struct mrc_subscription *subscription)
{
    struct mrc_process *process = mrc_lifecycle_process();
    struct mrc_hub *hub =
        process ? mrc_process_hub(process, (size_t)claim->location->hub->index) : NULL;
    struct mrc_subscriber *subscriber;
    apr_status_t status;

    if (!hub || !mrc_lifecycle_is_serving()) {
        clear_subscription(subscription);
        mrc_token_unref(subscription->token);
        return mrc_answer_later(r, "this server process ends: try again");
    }
    status = mrc_subscriber_open(hub, subscription, apr_time_now(), &subscriber);
    if (status == APR_SUCCESS)
        return serve_stream(r, process, subscriber);
    if (status == MRC_STATUS_FULL)
        return mrc_answer_problem(r, HTTP_TOO_MANY_REQUESTS,
                                  "the hub has as many subscribers as it may have");
    ap_log_rerror(APLOG_MARK, APLOG_ERR, status, r, "hub %s: a subscription failed",
                  claim->location->hub->label);
    return mrc_answer_problem(r, HTTP_INTERNAL_SERVER_ERROR,
                              "the hub could not open the subscription");
}

/* ---- the request ------------------------------------------------------------------------------*/

/* TOKEN is taken over. */
static int subscribe_with_form(request_rec *r, const struct mrc_claim *claim,
                               struct mrc_token *token, const struct mrc_form *form)
{
    const struct mrc_settings *settings = ap_get_module_config(r->per_dir_config, &mercure_module);
    const apr_array_header_t *audiences = mrc_identity_audiences(r, claim->location, settings);
    struct mrc_subscription subscription = {.token = token};
    struct mrc_error error = {""};

    switch (read_form(form, APR_ARRAY_IDX(audiences, 0, const char *),
                      claim->location->hub->settings, &subscription, &error)) {
    case MRC_OK:
        read_cursor_field(r, &subscription);
        return open_stream(r, claim, &subscription);
    case MRC_ENOMEM:
        mrc_token_unref(token);
        return mrc_answer_problem(r, HTTP_INTERNAL_SERVER_ERROR, "the server is out of memory");
    default:
        mrc_token_unref(token);
        return mrc_answer_problem(r, HTTP_BAD_REQUEST, error.text);
    }
}

/* TOKEN is taken over. */
static int subscribe_with(request_rec *r, const struct mrc_claim *claim, struct mrc_token *token)
{
    const struct mrc_settings *settings = claim->location->hub->settings;
    size_t max_pairs = (size_t)settings->limit_matchers + OTHER_PARAMETERS_MAX;
    struct mrc_error error = {""};
    struct mrc_form *form;
    enum mrc_err err;
    int status;

    err = mrc_form_parse(mrc_bytes_of(r->args ? r->args : ""), max_pairs, &error, &form);
    if (err) {
        mrc_token_unref(token);
        return err == MRC_ENOMEM ? mrc_answer_problem(r, HTTP_INTERNAL_SERVER_ERROR,
                                                      "the server is out of memory")
                                 : mrc_answer_problem(r, HTTP_BAD_REQUEST, error.text);
    }
    status = subscribe_with_form(r, claim, token, form);
    mrc_form_free(form);
    return status;
}

int mrc_subscribe(request_rec *r, const struct mrc_claim *claim)
{
    const struct mrc_settings *settings = ap_get_module_config(r->per_dir_config, &mercure_module);
    struct mrc_token *token;
    int status;

    if (ap_discard_request_body(r) != OK)
        return HTTP_BAD_REQUEST;
    status = mrc_authorize(r, claim, MRC_ROLE_SUBSCRIBER, &token);
    if (status != DECLINED)
        return status;
    if (!token && !settings->anonymous)
        return mrc_answer_challenge(r, HTTP_UNAUTHORIZED, NULL,
                                    "subscribing to this hub needs an access token: send it in an "
                                    "Authorization field, after Bearer");
    return subscribe_with(r, claim, token);
}
