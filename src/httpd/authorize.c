#include "httpd/authorize.h"

#include "apr_lib.h"
#include "apr_strings.h"
#include "http_config.h"
#include "http_log.h"

#include "core/token_cache.h"
#include "httpd/answer.h"
#include "httpd/claim.h"
#include "httpd/identity.h"
#include "httpd/lifecycle.h"
#include "httpd/module.h"
#include "httpd/origin.h"
#include "httpd/playground.h"
#include "httpd/registry.h"

APLOG_USE_MODULE(mercure);

/* The characters of a Bearer token: b64token of RFC 6750, 2.1. */
static int is_token_char(char c)
{
    return apr_isalnum(c) || strchr("-._~+/=", c) != NULL;
}

static int malformed(request_rec *r, const char *detail)
{
    ap_log_rerror(APLOG_MARK, APLOG_INFO, 0, r, "hub %s refuses a request: %s",
                  mrc_claim_get(r)->location->hub->label, detail);
    return mrc_answer_challenge(r, HTTP_BAD_REQUEST, "invalid_request", detail);
}

/*
 * The token of an Authorization field of the scheme Bearer; no token if the field is missing or of
 * another scheme, which is httpd's affair. httpd joins repeated fields with a comma.
 */
static int find_token(request_rec *r, struct mrc_bytes *ret_token)
{
    const char *field = apr_table_get(r->headers_in, "Authorization");
    const char *end;

    *ret_token = (struct mrc_bytes){NULL, 0};
    if (!field)
        return DECLINED;
    if (ap_cstr_casecmpn(field, "Bearer", 6) || (field[6] && field[6] != ' ' && field[6] != ',')) {
        if (ap_strcasestr(field, ", Bearer "))
            return malformed(r, "the request has several Authorization fields: send one");
        return DECLINED;
    }
    field += 6;
    while (*field == ' ')
        field++;
    for (end = field; *end && is_token_char(*end); end++)
        ;
    if (strchr(end, ','))
        return malformed(r, "the request has several Authorization fields: send one");
    if (end == field || *end)
        return malformed(r, "the Authorization field has no well-formed token after Bearer");
    *ret_token = (struct mrc_bytes){field, (size_t)(end - field)};
    return DECLINED;
}

/* The cookie of protocol 0.x. */
#define LEGACY_COOKIE "mercureAuthorization"

/* The value of the cookie NAME, with or without quotes; no token if there is none, or it is empty.
 */
static struct mrc_bytes find_cookie(const request_rec *r, const char *name)
{
    const char *field = apr_table_get(r->headers_in, "Cookie");
    size_t name_len = strlen(name);

    while (field && *field) {
        size_t len;

        field += strspn(field, " \t;,");
        len = strcspn(field, ";");
        if (len > name_len && field[name_len] == '=' && !strncmp(field, name, name_len)) {
            struct mrc_bytes value = {field + name_len + 1, len - name_len - 1};

            while (value.len && apr_isspace(value.ptr[value.len - 1]))
                value.len--;
            if (value.len >= 2 && value.ptr[0] == '"' && value.ptr[value.len - 1] == '"')
                value = (struct mrc_bytes){value.ptr + 1, value.len - 2};
            return value.len ? value : (struct mrc_bytes){NULL, 0};
        }
        field += len;
    }
    return (struct mrc_bytes){NULL, 0};
}

/*
 * A browser sends the cookie whichever site made it send the request. So a publication with it must
 * name the site, which must be one that may.
 */
static bool is_from_own_site(request_rec *r, const struct mrc_location *location,
                             const struct mrc_settings *settings)
{
    const char *origin = apr_table_get(r->headers_in, "Origin");
    const char *referer = apr_table_get(r->headers_in, "Referer");

    if (!origin && referer)
        origin = mrc_origin_of_url(r->pool, referer);
    return origin && (mrc_identity_is_own_origin(r, location, settings, origin) ||
                      mrc_origin_is_listed(settings->publish_origins, origin));
}

/*
 * The token in the URL, of a hub that speaks protocol 0.x. Whoever sees the URL has it: so it is
 * for tokens of that protocol only, however it is named.
 */
static int find_url_token(request_rec *r, const struct mrc_claim *claim,
                          const struct mrc_settings *settings, struct mrc_bytes *ret_token)
{
    if (!settings->legacy || !claim->url_token.text)
        return DECLINED;
    if (claim->url_token.is_repeated)
        return malformed(r, "the URL has several parameters authorization: send one");
    *ret_token = mrc_bytes_of(claim->url_token.text);
    return DECLINED;
}

/*
 * The token that R presents, in whatever way: the Authorization field comes before the URL, which
 * comes before the cookies.
 */
static int find_any_token(request_rec *r, const struct mrc_claim *claim,
                          const struct mrc_settings *settings, enum mrc_role role,
                          struct mrc_bytes *ret_token, bool *ret_from_url)
{
    int status = find_token(r, ret_token);

    *ret_from_url = false;
    if (status != DECLINED || ret_token->ptr)
        return status;
    status = find_url_token(r, claim, settings, ret_token);
    *ret_from_url = ret_token->ptr != NULL;
    if (status != DECLINED || ret_token->ptr)
        return status;
    *ret_token = find_cookie(r, settings->cookie_name);
    if (!ret_token->ptr && settings->legacy)
        *ret_token = find_cookie(r, LEGACY_COOKIE);
    if (!ret_token->ptr || role != MRC_ROLE_PUBLISHER ||
        is_from_own_site(r, claim->location, settings))
        return DECLINED;
    ap_log_rerror(APLOG_MARK, APLOG_INFO, 0, r,
                  "hub %s refuses a publication with the cookie: neither Origin nor Referer names "
                  "an origin that may publish here",
                  claim->location->hub->label);
    return mrc_answer_problem(r, HTTP_FORBIDDEN,
                              "a publication that is authorized by the cookie must come from the "
                              "hub's own origin, or from one of MercurePublishOrigins, and say so "
                              "in its Origin or Referer field");
}

/* Everything that the verdict on a token depends on besides its text. */
static struct mrc_bytes cache_scope(request_rec *r, const struct mrc_token_policy *policy,
                                    const struct mrc_hub_conf *hub, enum mrc_role role)
{
    const char *scope =
        apr_psprintf(r->pool, "%d %d %pp %pp %pp %d", hub->index, role, (void *)policy->trust,
                     (void *)policy->others, (void *)policy->legacy, policy->only_legacy);

    for (size_t i = 0; i < policy->audience_count; i++)
        scope = apr_pstrcat(r->pool, scope, " ", policy->audiences[i], NULL);
    return mrc_bytes_of(scope);
}

/* The rows of LIST, which may be NULL. */
static const struct mrc_token_trust *rows_of(const apr_array_header_t *list, size_t *ret_count)
{
    *ret_count = list ? (size_t)list->nelts : 0;
    return list ? (const struct mrc_token_trust *)list->elts : NULL;
}

static struct mrc_token_policy make_policy(const struct mrc_settings *settings,
                                           const struct mrc_settings *limits,
                                           const apr_array_header_t *audiences, enum mrc_role role)
{
    bool publishes = role == MRC_ROLE_PUBLISHER;
    struct mrc_token_policy policy = {
        .audiences = (const char *const *)audiences->elts,
        .audience_count = (size_t)audiences->nelts,
        .base = APR_ARRAY_IDX(audiences, 0, const char *),
        .limits =
            {
                .details = (size_t)limits->limit_details,
                .topics = (size_t)limits->limit_topics,
                .pattern_bytes = (size_t)limits->limit_pattern_bytes,
            },
    };

    policy.trust = rows_of(publishes ? settings->publisher_keys : settings->subscriber_keys,
                           &policy.trust_count);
    policy.others = rows_of(publishes ? settings->subscriber_keys : settings->publisher_keys,
                            &policy.others_count);
    if (settings->legacy)
        policy.legacy =
            rows_of(publishes ? settings->legacy_publisher_keys : settings->legacy_subscriber_keys,
                    &policy.legacy_count);
    return policy;
}

static int refuse(request_rec *r, enum mrc_err err, const struct mrc_error *reason,
                  const struct mrc_claim *claim, const struct mrc_token_policy *policy)
{
    const char *legacy = policy->legacy_count
                             ? ". A token of protocol 0.x needs the signature of a key for those, "
                               "and an exp, if it has one, that has not passed"
                             : "";

    if (err == MRC_ENOMEM)
        return mrc_answer_problem(r, HTTP_INTERNAL_SERVER_ERROR, "the server is out of memory");
    ap_log_rerror(APLOG_MARK, APLOG_INFO, 0, r, "hub %s refuses a token: %s",
                  claim->location->hub->label, reason->text);
    return mrc_answer_challenge(
        r, HTTP_UNAUTHORIZED, "invalid_token",
        apr_psprintf(r->pool,
                     "the access token is not valid here: it needs the type at+jwt, an issuer that "
                     "this hub trusts and its signature, the audience %s, and an exp that has not "
                     "passed%s. The server's log says at level info which rule it broke",
                     policy->audiences[0], legacy));
}

int mrc_authorize(request_rec *r, const struct mrc_claim *claim, enum mrc_role role,
                  struct mrc_token **ret_token)
{
    const struct mrc_settings *settings = ap_get_module_config(r->per_dir_config, &mercure_module);
    const struct mrc_hub_conf *hub = claim->location->hub;
    const apr_array_header_t *audiences = mrc_identity_audiences(r, claim->location, settings);
    struct mrc_token_policy policy = make_policy(settings, hub->settings, audiences, role);
    const apr_array_header_t *playground;
    struct mrc_error reason = {""};
    struct mrc_bytes token;
    enum mrc_err err;
    int status = find_any_token(r, claim, settings, role, &token, &policy.only_legacy);

    *ret_token = NULL;
    if (status != DECLINED || !token.ptr)
        return status;
    playground = mrc_playground_keys(settings->playground, token);
    if (playground)
        policy.trust = rows_of(playground, &policy.trust_count);
    err = mrc_token_cache_verify(mrc_lifecycle_tokens(), cache_scope(r, &policy, hub, role), token,
                                 &policy, apr_time_now(), &reason, ret_token);
    if (err)
        return refuse(r, err, &reason, claim, &policy);
    mrc_claim_set_token(r, token);
    return DECLINED;
}
