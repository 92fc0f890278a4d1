#include "httpd/operator/operator.h"

#include "apr_strings.h"
#include "http_log.h"

#include "core/base/quote.h"
#include "core/protocol/form.h"
#include "core/token/token.h"
#include "httpd/access/authorize.h"
#include "httpd/answer/answer.h"
#include "httpd/answer/failure.h"
#include "httpd/base/module.h"
#include "httpd/child/this_child.h"
#include "httpd/config/check.h"
#include "httpd/config/hubs.h"
#include "httpd/operator/call.h"
#include "httpd/operator/disconnect.h"
#include "httpd/operator/revocations.h"
#include "httpd/operator/revoke.h"
#include "httpd/operator/stats.h"
#include "httpd/operator/streams.h"
#include "httpd/route/claim.h"
#include "httpd/route/paths.h"
#include "hub/hub/hub.h"
#include "hub/hub/rate.h"
#include "store/base/clock.h"

APLOG_USE_MODULE(mercure);

#define CONTENT_TYPE "application/json"

struct resource {
    const char *name;
    enum mrc_operator_kind kind;
    int (*serve)(struct mrc_operator_call *call);
};

static const struct resource resources[] = {
    {"disconnect", MRC_OPERATOR_ACTION, mrc_operator_disconnect},
    {"revoke", MRC_OPERATOR_ACTION, mrc_operator_revoke},
    {"revocations", MRC_OPERATOR_LIST, mrc_operator_list_revocations},
    {"revocations/", MRC_OPERATOR_ITEM, mrc_operator_lift},
    {"stats", MRC_OPERATOR_LIST, mrc_operator_stats},
    {"streams", MRC_OPERATOR_LIST, mrc_operator_streams},
};

/* Whether PATH names RESOURCE. The path of an item has its name after the slash. */
static bool is_named(const struct resource *resource, const char *path)
{
    size_t len = strlen(resource->name);

    if (resource->kind == MRC_OPERATOR_ITEM)
        return !strncmp(path, resource->name, len) && path[len] && !strchr(path + len, '/');
    return !strcmp(path, resource->name);
}

static const struct resource *find(const char *rest)
{
    const char *path = mrc_paths_skip_control(rest);

    for (size_t i = 0; path && i < sizeof(resources) / sizeof(resources[0]); i++) {
        if (is_named(&resources[i], path))
            return &resources[i];
    }
    return NULL;
}

/*
 * A section inside the Location may add keys, but memory is prepared only for the Location's own.
 */
enum mrc_operator_kind mrc_operator_find(const struct mrc_claim *claim,
                                         const struct mrc_location_settings *settings)
{
    const struct resource *resource = find(claim->rest);

    if (!resource || claim->claimed != MRC_CLAIMED_HUB || !settings->control_keys ||
        !claim->location->settings->location.control_keys)
        return MRC_OPERATOR_NONE;
    return resource->kind;
}

/* ---- answers ----------------------------------------------------------------------------------*/

/* Quotes what comes from outside. */
void mrc_operator_log(struct mrc_operator_call *call, int status)
{
    const char *subject = mrc_token_get_subject(call->token);
    struct mrc_quote subject_quote, issuer_quote;

    if (call->is_logged)
        return;
    call->is_logged = true;
    ap_log_rerror(APLOG_MARK, APLOG_NOTICE, 0, call->r,
                  "MRC1101: hub %s: the operator %s of %s called %s %s%s: %d",
                  call->claim->location->hub->label,
                  subject ? mrc_quote(&subject_quote, mrc_bytes_of(subject)) : "without a sub",
                  mrc_quote(&issuer_quote, mrc_bytes_of(mrc_token_get_issuer(call->token))),
                  call->r->method, call->name, call->fields ? call->fields : "", status);
}

int mrc_operator_answer(struct mrc_operator_call *call, int status, struct mrc_bytes body)
{
    mrc_operator_log(call, status);
    apr_table_setn(call->r->headers_out, "Cache-Control", "no-store");
    return mrc_answer_send(call->r, status, body.len ? CONTENT_TYPE : NULL, body);
}

int mrc_operator_refuse(struct mrc_operator_call *call, int status, const char *detail)
{
    mrc_operator_log(call, status);
    return mrc_answer_problem(call->r, status, detail);
}

int mrc_operator_fail(struct mrc_operator_call *call, apr_status_t status)
{
    const struct mrc_failure *failure = mrc_failure_of_publication(status, 1);

    mrc_operator_log(call, failure->http_status);
    if (failure->is_ours)
        ap_log_rerror(APLOG_MARK, APLOG_ERR, status, call->r,
                      "MRC1102: hub %s: an order of an operator was not stored",
                      call->claim->location->hub->label);
    return mrc_failure_answer(call->r, failure);
}

/* ---- the steps --------------------------------------------------------------------------------*/

/* A section inside the Location can undo what configtest has checked. */
static int check_keys(const struct mrc_operator_call *call)
{
    const struct mrc_location_settings *settings = mrc_claim_settings(call->r, call->claim);
    const struct mrc_key_row *row = mrc_check_control_keys(settings);

    if (!row)
        return DECLINED;
    ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, call->r,
                  "MRC1103: hub %s: for %s, MercureControlKey has the issuer and the key of a "
                  "MercurePublisherKey, MercureSubscriberKey or MercureKey, so nobody may use it: "
                  "give it another issuer, or a key of its own",
                  call->claim->location->hub->label, call->name);
    return mrc_answer_problem(call->r, HTTP_INTERNAL_SERVER_ERROR,
                              "the hub's control keys are not set up safely; the server's error "
                              "log says more");
}

static int authorize(struct mrc_operator_call *call)
{
    int status = check_keys(call);

    if (status == DECLINED)
        status = mrc_authorize(call->r, call->claim, MRC_ROLE_OPERATOR, &call->token);
    if (status == DECLINED && call->token)
        return DECLINED;
    call->r->connection->keepalive = AP_CONN_CLOSE; /* a body is not read */
    return status == DECLINED ? mrc_authorize_missing(call->r, call->claim, MRC_ROLE_OPERATOR)
                              : status;
}

static int find_hub(struct mrc_operator_call *call)
{
    call->hub = mrc_this_child_hub(call->claim->location->hub->index);
    if (call->hub)
        return DECLINED;
    call->r->connection->keepalive = AP_CONN_CLOSE;
    return mrc_answer_retry(call->r, "this server process does not serve the hub now: try again");
}

/* Every call costs a line of the log, and an order a look at the streams of each child. */
static int check_rate(struct mrc_operator_call *call)
{
    const char *subject = mrc_token_get_subject(call->token);
    const char *name = apr_pstrcat(call->r->pool, "operator ", mrc_token_get_issuer(call->token),
                                   " ", subject ? subject : "", NULL);
    int64_t wait_s;

    if (mrc_rate_take_operator(mrc_hub_rate(call->hub), mrc_bytes_of(name), mrc_clock_us(),
                               &wait_s))
        return DECLINED;
    call->r->connection->keepalive = AP_CONN_CLOSE;
    mrc_operator_log(call, HTTP_TOO_MANY_REQUESTS);
    return mrc_answer_too_many(
        call->r, "this operator calls too often: make at most 100 calls a second", wait_s);
}

int mrc_operator_serve(request_rec *r, const struct mrc_claim *claim)
{
    const struct resource *resource = find(claim->rest);
    const char *path = mrc_paths_skip_control(claim->rest);
    struct mrc_operator_call call = {
        .r = r, .claim = claim, .name = resource->name, .item = path + strlen(resource->name)};
    int status = authorize(&call);

    if (status == DECLINED)
        status = find_hub(&call);
    if (status == DECLINED)
        status = check_rate(&call);
    if (status == DECLINED)
        status = resource->serve(&call);
    if (call.token) /* whatever has answered */
        mrc_operator_log(&call, ap_is_HTTP_VALID_RESPONSE(status) ? status : r->status);
    mrc_form_free(call.form);
    mrc_token_unref(call.token);
    return status;
}
