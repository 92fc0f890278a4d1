#include "httpd/resource/request.h"

#include "apr_strings.h"
#include "http_config.h"
#include "http_log.h"
#include "http_protocol.h"

#include "httpd/access/cors.h"
#include "httpd/access/identity.h"
#include "httpd/answer/answer.h"
#include "httpd/answer/body.h"
#include "httpd/base/module.h"
#include "httpd/carrier/filters.h"
#include "httpd/child/start.h"
#include "httpd/child/this_child.h"
#include "httpd/config/hubs.h"
#include "httpd/htaccess/lookup.h"
#include "httpd/monitor/refusals.h"
#include "httpd/operator/operator.h"
#include "httpd/resource/debugger.h"
#include "httpd/resource/metadata.h"
#include "httpd/resource/playground.h"
#include "httpd/resource/publish.h"
#include "httpd/resource/subscribe.h"
#include "httpd/resource/subscriptions.h"
#include "httpd/route/claim.h"
#include "httpd/route/paths.h"
#include "httpd/sites/sites.h"

APLOG_USE_MODULE(mercure);

/* A resource of a hub. */
struct resource {
    const char *methods; /* for the field Allow */
    const char *fix;     /* detail for a client that uses another method */

    /*
     * Answers R. Returns the value for the handler to return. DECLINED: another method is needed.
     */
    int (*serve)(request_rec *r, const struct mrc_claim *claim);
};

static int serve_hub(request_rec *r, const struct mrc_claim *claim)
{
    if (r->method_number == M_GET /* and HEAD */ || !strcmp(r->method, MRC_METHOD_QUERY))
        return mrc_refusals_count(r, claim, MRC_COUNTER_REFUSED, mrc_subscribe(r, claim));
    if (r->method_number == M_POST)
        return mrc_refusals_count(r, claim, MRC_COUNTER_PUBLISH_REJECTED, mrc_publish(r, claim));
    return DECLINED;
}

static const struct resource hub_resource = {
    .methods = "GET, HEAD, QUERY, POST, OPTIONS",
    .fix = "use GET or QUERY to subscribe to the hub, and POST to publish",
    .serve = serve_hub,
};

/* The hub's path with a slash after it. */
#define NO_SLASH "the hub's URL has no slash at its end: remove the slash"

/*
 * Redirects to the hub. A token in the URL is masked by now, and must not appear in the field
 * Location either, so such a request is refused.
 */
static int serve_slash(request_rec *r, const struct mrc_claim *claim)
{
    const char *path = claim->location->escaped_path;
    int answered;

    if (r->method_number != M_GET)
        return DECLINED;
    answered = mrc_body_discard(r);
    if (answered != DECLINED)
        return answered;
    if (claim->url_token.text)
        return mrc_answer_problem(r, HTTP_NOT_FOUND, NO_SLASH);
    apr_table_setn(r->headers_out, "Location",
                   r->args ? apr_pstrcat(r->pool, path, "?", r->args, NULL) : path);
    return mrc_answer_problem(r, HTTP_MOVED_PERMANENTLY, NO_SLASH);
}

static const struct resource slash_resource = {
    .methods = "GET, HEAD, OPTIONS",
    .fix = NO_SLASH,
    .serve = serve_slash,
};

static int serve_subscriptions(request_rec *r, const struct mrc_claim *claim)
{
    return r->method_number == M_GET ? mrc_subscriptions_serve(r, claim) : DECLINED;
}

static const struct resource subscriptions_resource = {
    .methods = "GET, HEAD, OPTIONS",
    .fix = "the hub's subscriptions can only be read: use GET or HEAD",
    .serve = serve_subscriptions,
};

static int serve_action(request_rec *r, const struct mrc_claim *claim)
{
    return r->method_number == M_POST ? mrc_operator_serve(r, claim) : DECLINED;
}

static const struct resource action_resource = {
    .methods = "POST, OPTIONS",
    .fix = "use POST for this call",
    .serve = serve_action,
};

static int serve_list(request_rec *r, const struct mrc_claim *claim)
{
    return r->method_number == M_GET ? mrc_operator_serve(r, claim) : DECLINED;
}

static const struct resource list_resource = {
    .methods = "GET, HEAD, OPTIONS",
    .fix = "this can only be read: use GET or HEAD",
    .serve = serve_list,
};

static int serve_item(request_rec *r, const struct mrc_claim *claim)
{
    return r->method_number == M_DELETE ? mrc_operator_serve(r, claim) : DECLINED;
}

static const struct resource item_resource = {
    .methods = "DELETE, OPTIONS",
    .fix = "use DELETE to lift a revocation, and GET on the list to read it",
    .serve = serve_item,
};

/* The resource of the operators that CLAIM names. NULL: there is no such resource. */
static const struct resource *find_operator(const struct mrc_claim *claim,
                                            const struct mrc_location_settings *settings)
{
    static const struct resource *const resources[] = {
        [MRC_OPERATOR_NONE] = NULL,
        [MRC_OPERATOR_ACTION] = &action_resource,
        [MRC_OPERATOR_LIST] = &list_resource,
        [MRC_OPERATOR_ITEM] = &item_resource,
    };

    return resources[mrc_operator_find(claim, settings)];
}

static int serve_metadata(request_rec *r, const struct mrc_claim *claim)
{
    return r->method_number == M_GET ? mrc_metadata_serve(r, claim) : DECLINED;
}

static const struct resource metadata_resource = {
    .methods = "GET, HEAD, OPTIONS",
    .fix = "the hub's metadata can only be read: use GET or HEAD",
    .serve = serve_metadata,
};

static int serve_debugger(request_rec *r, const struct mrc_claim *claim)
{
    return r->method_number == M_GET ? mrc_debugger_serve(r, claim) : DECLINED;
}

static const struct resource debugger_resource = {
    .methods = "GET, HEAD, OPTIONS",
    .fix = "the debugger can only be read: use GET or HEAD",
    .serve = serve_debugger,
};

static int serve_echo(request_rec *r, const struct mrc_claim *claim)
{
    return r->method_number == M_GET ? mrc_playground_serve_echo(r, claim) : DECLINED;
}

static const struct resource echo_resource = {
    .methods = "GET, HEAD, OPTIONS",
    .fix = "resources of the playground can only be read: use GET or HEAD",
    .serve = serve_echo,
};

/* The resource that CLAIM names. NULL: there is no such resource. */
static const struct resource *find_resource(const struct mrc_claim *claim,
                                            const struct mrc_location_settings *settings)
{
    bool has_debugger = settings->debugger || settings->playground;
    bool has_subscriptions = mrc_claim_hub_settings(claim)->subscriptions;

    if (claim->claimed == MRC_CLAIMED_PLAYGROUND)
        return &echo_resource;
    if (claim->claimed == MRC_CLAIMED_METADATA)
        return &metadata_resource;
    if (has_debugger && mrc_paths_skip_debugger(claim->rest))
        return &debugger_resource;
    if (*claim->rest == '\0')
        return &hub_resource;
    if (!strcmp(claim->rest, "/"))
        return &slash_resource;
    if (has_subscriptions && mrc_paths_is_subscriptions(claim->rest))
        return &subscriptions_resource;
    return find_operator(claim, settings);
}

static int serve_options(request_rec *r, const struct mrc_location_settings *settings,
                         const char *methods)
{
    int answered = mrc_body_discard(r);

    if (answered != DECLINED)
        return answered;
    if (!mrc_cors_is_preflight(r, settings, methods))
        apr_table_setn(r->headers_out, "Allow", methods);
    return mrc_answer_send(r, HTTP_NO_CONTENT, NULL, mrc_bytes_of(""));
}

/* Answers a request whose body has not been read. */
static int refuse(request_rec *r, int status, const char *detail)
{
    int answered = mrc_body_discard(r);

    return answered == DECLINED ? mrc_answer_problem(r, status, detail) : answered;
}

/* Refuses R, because it has no site, or because of the .htaccess file of its site, or because other
 * sites have all hubs (IS_FULL): until the administrator acts, so not for a passing reason. */
static int refuse_site(request_rec *r, int status, bool is_full, const char *detail)
{
    int answered = mrc_body_discard(r);

    if (answered != DECLINED)
        return answered;
    if (status != HTTP_SERVICE_UNAVAILABLE)
        return mrc_answer_problem(r, status, detail);
    return is_full ? mrc_answer_retry(r, detail) : mrc_answer_later(r, detail);
}

static int serve(request_rec *r, const struct mrc_claim *claim)
{
    const char *detail = NULL;
    const struct mrc_location_settings *settings;
    const struct resource *resource;
    bool is_full = false;
    int status;

    mrc_start_again();
    status = mrc_sites_find(r, claim, &detail);
    if (status == DECLINED)
        status = mrc_htaccess_lookup(r, claim, mrc_this_child_htaccess(), &detail);
    if (status == DECLINED)
        status = mrc_sites_enter(r, claim, &is_full, &detail);
    if (status != DECLINED)
        return refuse_site(r, status, is_full, detail);
    settings = mrc_claim_settings(r, claim);
    resource = find_resource(claim, settings);
    if (!mrc_identity_is_public(r, settings))
        return refuse(r, HTTP_MISDIRECTED_REQUEST,
                      "the hub is not served under this scheme, host and port: use its public URL");
    mrc_cors_add_headers(r, settings);
    if (claim->is_malformed)
        return refuse(r, HTTP_BAD_REQUEST,
                      "the path of the URL cannot be decoded: it contains %00, or a % without two "
                      "hexadecimal digits after it (write %25 for the character itself)");
    if (!resource)
        return refuse(r, HTTP_NOT_FOUND, "the hub has no such resource");
    /* A stream reports which filters it skips. */
    if (resource != &hub_resource || r->method_number == M_POST)
        mrc_filters_remove_changing(r);
    if (r->method_number == M_OPTIONS)
        return serve_options(r, settings, resource->methods);
    status = resource->serve(r, claim);
    if (status != DECLINED)
        return status;
    apr_table_setn(r->headers_out, "Allow", resource->methods);
    return refuse(r, HTTP_METHOD_NOT_ALLOWED, resource->fix);
}

int mrc_request_handler(request_rec *r)
{
    const struct mrc_claim *claim = mrc_claim_get(r);

    if (!claim)
        return DECLINED;
    if (r->main) {
        ap_log_rerror(APLOG_MARK, APLOG_DEBUG, 0, r,
                      "MRC0703: a subrequest was refused, because a hub answers only requests of "
                      "clients");
        return HTTP_NOT_FOUND;
    }
    return serve(r, claim);
}

void mrc_request_register(apr_pool_t *pconf)
{
    ap_method_register(pconf, MRC_METHOD_QUERY);
}
