#include "httpd/resource/playground.h"

#include <jansson.h>

#include "apr_strings.h"
#include "http_core.h"
#include "http_protocol.h"

#include "core/base/json.h"
#include "core/jose/sign.h"
#include "core/protocol/form.h"
#include "core/protocol/update.h"
#include "core/token/grants.h"
#include "httpd/access/identity.h"
#include "httpd/answer/answer.h"
#include "httpd/answer/body.h"
#include "httpd/answer/failure.h"
#include "httpd/config/hubs.h"
#include "httpd/config/playground_key.h"
#include "httpd/config/settings.h"
#include "httpd/route/claim.h"
#include "httpd/route/paths.h"

#define TOKEN_SECONDS 86400

/* The most parameters of a query below /playground/. */
#define PARAMETERS_MAX 100

/* ---- the token --------------------------------------------------------------------------------*/

static json_t *make_claims(const char *audience, const char *id)
{
    json_int_t now = (json_int_t)apr_time_sec(apr_time_now());

    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:[{s:s, s:[s, s], s:[{s:s}]}]}", "iss",
                     MRC_PLAYGROUND_KEY_ISSUER, "aud", audience, "sub", MRC_PLAYGROUND_KEY_ISSUER,
                     "client_id", MRC_PLAYGROUND_KEY_ISSUER, "jti", id, "iat", now, "exp",
                     now + TOKEN_SECONDS, "authorization_details", "type", MRC_GRANTS_DETAIL_TYPE,
                     "actions", "publish", "subscribe", "topics", "match", "*");
}

/* A token as text, which the caller free()s. NULL: out of memory, or no randomness. */
static char *mint(request_rec *r, const struct mrc_claim *claim)
{
    const struct mrc_location_settings *settings = mrc_claim_settings(r, claim);
    const apr_array_header_t *names = mrc_identity_audiences(r, claim->location, settings);
    struct mrc_error error = {""};
    unsigned char random[16];
    char id[MRC_UPDATE_ID_BYTES];
    char *token = NULL;
    json_t *claims;
    char *payload;

    if (apr_generate_random_bytes(random, sizeof(random)) != APR_SUCCESS)
        return NULL;
    mrc_update_id_make(random, id);
    claims = make_claims(APR_ARRAY_IDX(names, 0, const char *), id);
    payload = claims ? json_dumps(claims, JSON_COMPACT) : NULL;
    if (payload)
        mrc_sign_jws(MRC_ALG_HS256, mrc_playground_key_secret(settings->playground),
                     mrc_bytes_of("{\"typ\":\"at+jwt\",\"alg\":\"HS256\"}"), mrc_bytes_of(payload),
                     &error, &token);
    free(payload);
    json_decref(claims);
    return token;
}

int mrc_playground_serve_token(request_rec *r, const struct mrc_claim *claim)
{
    char *token = mint(r, claim);
    const char *text;

    if (!token)
        return mrc_failure_answer_no_memory(r);
    text = apr_psprintf(r->pool, "{\"token\":\"%s\",\"example\":\"%sbooks/1\"}\n", token,
                        MRC_PATHS_PLAYGROUND);
    free(token);
    /* The token is for the debugger. Other sites that its user visits must not read it. */
    apr_table_unset(r->headers_out, "Access-Control-Allow-Origin");
    apr_table_setn(r->headers_out, "Cross-Origin-Resource-Policy", "same-origin");
    apr_table_setn(r->headers_out, "Cache-Control", "no-store");
    return mrc_answer_ok(r, "application/json", mrc_bytes_of(text));
}

/* ---- the echo ---------------------------------------------------------------------------------*/

/* The parameter `body` of R, in its pool. NULL: there is none. */
static const char *find_body(request_rec *r)
{
    struct mrc_error error = {""};
    const char *body = NULL;
    struct mrc_form *form;

    if (!r->args || mrc_form_parse(mrc_bytes_of(r->args), PARAMETERS_MAX, &error, &form) != MRC_OK)
        return NULL;
    for (size_t i = 0; i < mrc_form_count(form) && !body; i++) {
        struct mrc_form_pair pair = mrc_form_get(form, i);

        if (mrc_bytes_eq_str(pair.name, "body"))
            body = apr_pstrmemdup(r->pool, pair.value.ptr, pair.value.len);
    }
    mrc_form_free(form);
    return body;
}

static bool is_json(const char *text)
{
    json_t *value = NULL;

    if (mrc_json_parse(mrc_bytes_of(text), NULL, &value))
        return false;
    json_decref(value);
    return true;
}

static const char *describe(request_rec *r, const char *url)
{
    json_t *document = json_pack("{s:s}", "@id", url);
    char *dumped = document ? json_dumps(document, JSON_COMPACT) : NULL;
    const char *text = dumped ? apr_pstrcat(r->pool, dumped, "\n", NULL) : "{}\n";

    free(dumped);
    json_decref(document);
    return text;
}

int mrc_playground_serve_echo(request_rec *r, const struct mrc_claim *claim)
{
    const char *path = ap_os_escape_path(r->pool, r->uri, 1);
    const char *url = ap_construct_url(r->pool, path, r);
    const char *body = find_body(r);
    int status = mrc_body_discard(r);

    if (status != DECLINED)
        return status;
    if (!body)
        body = describe(r, url);
    apr_table_addn(r->headers_out, "Link",
                   apr_psprintf(r->pool, "<%s>; rel=\"mercure\", <%s>; rel=\"self\"",
                                ap_os_escape_path(r->pool, claim->location->path, 1), url));
    apr_table_setn(r->headers_out, "Cache-Control", "no-store");
    apr_table_setn(r->headers_out, "Content-Security-Policy", "default-src 'none'; sandbox");
    return mrc_answer_ok(r, is_json(body) ? "application/ld+json" : "text/plain; charset=utf-8",
                         mrc_bytes_of(body));
}
