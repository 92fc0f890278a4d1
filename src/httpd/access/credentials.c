#include "httpd/access/credentials.h"

#include <string.h>

#include "apr_lib.h"
#include "http_log.h"

#include "httpd/access/challenge.h"
#include "httpd/access/identity.h"
#include "httpd/answer/answer.h"
#include "httpd/base/module.h"
#include "httpd/config/hubs.h"
#include "httpd/config/origin.h"
#include "httpd/route/claim.h"

APLOG_USE_MODULE(mercure);

/* The characters of a Bearer token: b64token of RFC 6750, 2.1. */
#define TOKEN_CHARS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/="

/* Whether C may be part of a scheme's name: tchar of RFC 9110, 5.6.2. */
static bool is_scheme_char(char c)
{
    return c && (apr_isalnum(c) || strchr("!#$%&'*+-.^_`|~", c));
}

static int malformed(request_rec *r, const char *detail)
{
    ap_log_rerror(APLOG_MARK, APLOG_INFO, 0, r, "MRC0602: hub %s refuses a request: %s",
                  mrc_claim_get(r)->location->hub->label, detail);
    return mrc_challenge(r, MRC_CHALLENGE_REQUEST, detail);
}

/*
 * Finds the token of an Authorization field of the scheme Bearer. There is no token if the field is
 * missing or has another scheme, which httpd handles. httpd joins repeated fields with a comma.
 */
static int find_token(request_rec *r, struct mrc_bytes *ret_token)
{
    const char *field = apr_table_get(r->headers_in, "Authorization");
    const char *end;
    size_t spaces;

    *ret_token = (struct mrc_bytes){NULL, 0};
    if (!field)
        return DECLINED;
    if (ap_cstr_casecmpn(field, "Bearer", 6) || is_scheme_char(field[6])) {
        if (ap_strcasestr(field, ", Bearer "))
            return malformed(r, "the request has several Authorization fields: send only one");
        return DECLINED;
    }
    spaces = strspn(field + 6, " ");
    field += 6 + spaces;
    end = spaces ? field + strspn(field, TOKEN_CHARS) : field;
    if (strchr(end, ','))
        return malformed(r, "the request has several Authorization fields: send only one");
    if (end == field || *end)
        return malformed(r, "the Authorization field has no well-formed token after Bearer");
    *ret_token = (struct mrc_bytes){field, (size_t)(end - field)};
    return DECLINED;
}

/* VALUE without a value that httpd has joined to it. No token contains a comma. */
static struct mrc_bytes cut_joined(struct mrc_bytes value)
{
    const char *joined = memmem(value.ptr, value.len, ", ", 2);

    return joined ? (struct mrc_bytes){value.ptr, (size_t)(joined - value.ptr)} : value;
}

/*
 * Finds the value of the cookie NAME, with or without quotes. { NULL, 0 }: there is no such cookie,
 * or it is empty.
 *
 * Only semicolons separate cookies (RFC 6265, 4.2.1). A value may contain commas and single
 * quotation marks, so text after those may belong to a cookie that another site of the domain has
 * set. HTTP/1.1 does not allow a browser to send several fields (5.4). httpd joins them with a
 * comma, and then the start of a field cannot be distinguished from the end of the field before.
 */
static struct mrc_bytes find_cookie(const request_rec *r, const char *name)
{
    const char *field = apr_table_get(r->headers_in, "Cookie");
    size_t name_len = strlen(name);

    while (field && *field) {
        size_t len;

        field += strspn(field, " \t;");
        len = strcspn(field, ";");
        if (len > name_len && field[name_len] == '=' && !strncmp(field, name, name_len)) {
            struct mrc_bytes value =
                cut_joined((struct mrc_bytes){field + name_len + 1, len - name_len - 1});

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

static struct mrc_bytes find_any_cookie(const request_rec *r,
                                        const struct mrc_location_settings *settings)
{
    struct mrc_bytes token = find_cookie(r, settings->cookie_name);

    return token.ptr || !settings->legacy ? token : find_cookie(r, MRC_CREDENTIALS_LEGACY_COOKIE);
}

bool mrc_credentials_has_cookie(const request_rec *r, const struct mrc_location_settings *settings)
{
    return find_any_cookie(r, settings).ptr != NULL;
}

const char *mrc_credentials_ignored_place(const request_rec *r, const struct mrc_claim *claim,
                                          const struct mrc_location_settings *settings)
{
    if (settings->legacy)
        return NULL;
    if (claim->url_token.text)
        return "the parameter authorization of the URL";
    return find_cookie(r, MRC_CREDENTIALS_LEGACY_COOKIE).ptr
               ? "the cookie " MRC_CREDENTIALS_LEGACY_COOKIE
               : NULL;
}

/*
 * The origin of the page that sent R. NULL: R names none. A page without an origin of its own, such
 * as a sandboxed one, sends `null`. Referer counts only without an Origin field. A browser sends a
 * URL without spaces in it; one with a space is several fields, which httpd has joined.
 */
static const char *find_origin(request_rec *r)
{
    const char *origin = apr_table_get(r->headers_in, "Origin");
    const char *referer = apr_table_get(r->headers_in, "Referer");

    if (origin)
        return mrc_origin_of_field(r->pool, origin);
    return referer && !strchr(referer, ' ') ? mrc_origin_of_url(r->pool, referer) : NULL;
}

/*
 * Whether R comes from a site that may publish with the cookie. A browser sends the cookie
 * whichever site caused the request, so the request must name an allowed origin.
 */
static bool is_from_own_site(request_rec *r, const struct mrc_location *location,
                             const struct mrc_location_settings *settings)
{
    const char *origin = find_origin(r);

    return origin && (mrc_identity_is_own_origin(r, location, settings, origin) ||
                      mrc_origin_is_listed(settings->publish_origins, origin));
}

/*
 * Finds the token in the URL, for a hub that speaks protocol 0.x. Anybody who sees the URL has the
 * token, so only tokens of that protocol count there.
 */
static int find_url_token(request_rec *r, const struct mrc_claim *claim,
                          const struct mrc_location_settings *settings, struct mrc_bytes *ret_token)
{
    if (!settings->legacy || !claim->url_token.text)
        return DECLINED;
    if (claim->url_token.is_repeated)
        return malformed(r, "the URL has several authorization parameters: send only one");
    *ret_token = mrc_bytes_of(claim->url_token.text);
    return DECLINED;
}

int mrc_credentials_find(request_rec *r, const struct mrc_claim *claim,
                         const struct mrc_location_settings *settings, enum mrc_role role,
                         struct mrc_credentials *ret_credentials)
{
    struct mrc_bytes *token = &ret_credentials->token;
    int status = find_token(r, token);

    ret_credentials->is_from_url = false;
    if (status != DECLINED || token->ptr || role == MRC_ROLE_OPERATOR)
        return status;
    status = find_url_token(r, claim, settings, token);
    ret_credentials->is_from_url = token->ptr != NULL;
    if (status != DECLINED || token->ptr)
        return status;
    *token = find_any_cookie(r, settings);
    if (!token->ptr || role != MRC_ROLE_PUBLISHER || is_from_own_site(r, claim->location, settings))
        return DECLINED;
    ap_log_rerror(
        APLOG_MARK, APLOG_INFO, 0, r,
        "MRC0603: hub %s refuses a publication with the cookie: neither Origin nor Referer names "
        "an origin that may publish here",
        claim->location->hub->label);
    return mrc_answer_problem(r, HTTP_FORBIDDEN,
                              "a publication that is authorized by the cookie must come from the "
                              "hub's own origin or from one of MercurePublishOrigins, and must "
                              "name this origin in its Origin or Referer field");
}
