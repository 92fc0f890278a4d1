#include "httpd/resource/playground.h"

#include <jansson.h>

#include "apr_escape.h"
#include "apr_strings.h"
#include "http_core.h"
#include "http_protocol.h"

#include "core/base/json.h"
#include "core/jose/sign.h"
#include "core/protocol/form.h"
#include "core/protocol/update.h"
#include "core/token/token.h"
#include "httpd/access/identity.h"
#include "httpd/answer/answer.h"
#include "httpd/answer/body.h"
#include "httpd/config/hubs.h"
#include "httpd/config/key_sources.h"
#include "httpd/config/settings.h"
#include "httpd/route/claim.h"

#define ISSUER        "urn:mercure:playground"
#define TOKEN_SECONDS 86400
#define SECRET_BYTES  32

/* Parameters of an echo's query. */
#define PARAMETERS_MAX 100

struct mrc_playground {
    const char *secret;       /* in hexadecimal digits */
    apr_array_header_t *keys; /* of const struct mrc_key_row *: one */
};

const struct mrc_playground *mrc_playground_create(apr_pool_t *pconf)
{
    struct mrc_playground *playground = apr_pcalloc(pconf, sizeof(*playground));
    unsigned char random[SECRET_BYTES];
    const struct mrc_key_row *row;

    if (apr_generate_random_bytes(random, sizeof(random)) != APR_SUCCESS)
        return NULL;
    playground->secret = apr_pescape_hex(pconf, random, sizeof(random), 0);
    if (mrc_key_sources_load(pconf, ISSUER, "HS256", playground->secret, 0, &row))
        return NULL;
    playground->keys = apr_array_make(pconf, 1, sizeof(row));
    *(const struct mrc_key_row **)apr_array_push(playground->keys) = row;
    return playground;
}

const apr_array_header_t *mrc_playground_keys(const struct mrc_playground *playground,
                                              struct mrc_bytes token)
{
    struct mrc_error error = {""};
    char *issuer = NULL;
    char *audience = NULL;
    bool is_ours;

    if (!playground || mrc_token_peek(token, &error, &issuer, &audience) != MRC_OK)
        return NULL;
    is_ours = issuer && !strcmp(issuer, ISSUER);
    free(issuer);
    free(audience);
    return is_ours ? playground->keys : NULL;
}

/* ---- the token --------------------------------------------------------------------------------*/

static json_t *make_claims(const char *audience, const char *id)
{
    json_int_t now = (json_int_t)apr_time_sec(apr_time_now());

    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:[{s:s, s:[s, s], s:[{s:s}]}]}", "iss",
                     ISSUER, "aud", audience, "sub", ISSUER, "client_id", ISSUER, "jti", id, "iat",
                     now, "exp", now + TOKEN_SECONDS, "authorization_details", "type",
                     MRC_GRANTS_DETAIL_TYPE, "actions", "publish", "subscribe", "topics", "match",
                     "*");
}

/* A token as text, which the caller free()s; NULL: out of memory. */
static char *mint(request_rec *r, const struct mrc_claim *claim)
{
    const struct mrc_settings *settings = mrc_claim_settings(r, claim);
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
        mrc_sign_jws(MRC_ALG_HS256, mrc_bytes_of(settings->playground->secret),
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
        return mrc_answer_problem(r, HTTP_INTERNAL_SERVER_ERROR, "the server is out of memory");
    text = apr_psprintf(r->pool, "{\"token\":\"%s\",\"example\":\"%sbooks/1\"}\n", token,
                        MRC_PLAYGROUND_PREFIX);
    free(token);
    /* For the debugger, and not for every site that its user visits. */
    apr_table_unset(r->headers_out, "Access-Control-Allow-Origin");
    apr_table_setn(r->headers_out, "Cross-Origin-Resource-Policy", "same-origin");
    apr_table_setn(r->headers_out, "Cache-Control", "no-store");
    return mrc_answer_send(r, HTTP_OK, "application/json", mrc_bytes_of(text));
}

/* ---- the echo ---------------------------------------------------------------------------------*/

/* The parameter `body` of R, in its pool; NULL: there is none. */
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
    return mrc_answer_send(r, HTTP_OK,
                           is_json(body) ? "application/ld+json" : "text/plain; charset=utf-8",
                           mrc_bytes_of(body));
}
