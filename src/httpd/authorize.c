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

/* The token that R presents, in either way: the Authorization field comes before the cookie. */
static int find_any_token(request_rec *r, const struct mrc_claim *claim,
                          const struct mrc_settings *settings, enum mrc_role role,
                          struct mrc_bytes *ret_token)
{
    int status = find_token(r, ret_token);

    if (status != DECLINED || ret_token->ptr)
        return status;
    *ret_token = find_cookie(r, settings->cookie_name);
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
static struct mrc_bytes cache_scope(request_rec *r, const apr_array_header_t *trust,
                                    const apr_array_header_t *audiences,
                                    const struct mrc_hub_conf *hub, enum mrc_role role)
{
    const char *scope = apr_psprintf(r->pool, "%d %d %pp", hub->index, role, (void *)trust);

    for (int i = 0; i < audiences->nelts; i++)
        scope = apr_pstrcat(r->pool, scope, " ", APR_ARRAY_IDX(audiences, i, const char *), NULL);
    return mrc_bytes_of(scope);
}

static int refuse(request_rec *r, enum mrc_err err, const struct mrc_error *reason,
                  const struct mrc_claim *claim, const apr_array_header_t *audiences)
{
    if (err == MRC_ENOMEM)
        return mrc_answer_problem(r, HTTP_INTERNAL_SERVER_ERROR, "the server is out of memory");
    ap_log_rerror(APLOG_MARK, APLOG_INFO, 0, r, "hub %s refuses a token: %s",
                  claim->location->hub->label, reason->text);
    return mrc_answer_challenge(
        r, HTTP_UNAUTHORIZED, "invalid_token",
        apr_psprintf(r->pool,
                     "the access token is not valid here: it needs the type at+jwt, an issuer that "
                     "this hub trusts and its signature, the audience %s, and an exp that has not "
                     "passed. The server's log says at level info which rule it broke",
                     APR_ARRAY_IDX(audiences, 0, const char *)));
}

int mrc_authorize(request_rec *r, const struct mrc_claim *claim, enum mrc_role role,
                  struct mrc_token **ret_token)
{
    const struct mrc_settings *settings = ap_get_module_config(r->per_dir_config, &mercure_module);
    const struct mrc_settings *limits = claim->location->hub->settings;
    const apr_array_header_t *audiences = mrc_identity_audiences(r, claim->location, settings);
    const apr_array_header_t *trust =
        role == MRC_ROLE_PUBLISHER ? settings->publisher_keys : settings->subscriber_keys;
    struct mrc_error reason = {""};
    struct mrc_token_policy policy;
    struct mrc_bytes token;
    enum mrc_err err;
    int status = find_any_token(r, claim, settings, role, &token);

    *ret_token = NULL;
    if (status != DECLINED || !token.ptr)
        return status;
    policy = (struct mrc_token_policy){
        .trust = trust ? (const struct mrc_token_trust *)trust->elts : NULL,
        .trust_count = trust ? (size_t)trust->nelts : 0,
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
    err = mrc_token_cache_verify(mrc_lifecycle_tokens(),
                                 cache_scope(r, trust, audiences, claim->location->hub, role),
                                 token, &policy, apr_time_now(), &reason, ret_token);
    if (err)
        return refuse(r, err, &reason, claim, audiences);
    mrc_claim_set_token(r, token);
    return DECLINED;
}
