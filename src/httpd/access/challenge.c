#include "httpd/access/challenge.h"

#include "apr_strings.h"

#include "httpd/access/identity.h"
#include "httpd/answer/answer.h"
#include "httpd/config/settings.h"
#include "httpd/route/claim.h"

int mrc_challenge(request_rec *r, enum mrc_challenge error, const char *detail)
{
    static const struct {
        int status;
        const char *attribute;
    } errors[] = {
        [MRC_CHALLENGE_MISSING] = {HTTP_UNAUTHORIZED, ""},
        [MRC_CHALLENGE_REQUEST] = {HTTP_BAD_REQUEST, "error=\"invalid_request\", "},
        [MRC_CHALLENGE_TOKEN] = {HTTP_UNAUTHORIZED, "error=\"invalid_token\", "},
        [MRC_CHALLENGE_SCOPE] = {HTTP_FORBIDDEN, "error=\"insufficient_scope\", "},
    };
    const struct mrc_claim *claim = mrc_claim_get(r);
    const char *metadata =
        mrc_identity_metadata_url(r, claim->location, mrc_claim_settings(r, claim));

    apr_table_setn(r->headers_out, "WWW-Authenticate",
                   apr_psprintf(r->pool, "Bearer %sresource_metadata=\"%s\"",
                                errors[error].attribute, metadata));
    return mrc_answer_problem(r, errors[error].status, detail);
}

int mrc_challenge_missing(request_rec *r, const char *what)
{
    const struct mrc_location_settings *settings = mrc_claim_settings(r, mrc_claim_get(r));

    return mrc_challenge(r, MRC_CHALLENGE_MISSING,
                         apr_psprintf(r->pool,
                                      "%s needs an access token: send it in an "
                                      "Authorization field, after Bearer, or in the cookie "
                                      "%s",
                                      what, settings->cookie_name));
}
