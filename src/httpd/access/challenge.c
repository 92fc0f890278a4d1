#include "httpd/access/challenge.h"

#include "apr_strings.h"

#include "httpd/access/identity.h"
#include "httpd/answer/answer.h"
#include "httpd/config/settings.h"
#include "httpd/route/claim.h"

int mrc_challenge(request_rec *r, int status, const char *error, const char *detail)
{
    const struct mrc_claim *claim = mrc_claim_get(r);
    const char *metadata =
        mrc_identity_metadata_url(r, claim->location, mrc_claim_settings(r, claim));
    const char *attribute = error ? apr_psprintf(r->pool, "error=\"%s\", ", error) : "";

    apr_table_setn(r->headers_out, "WWW-Authenticate",
                   apr_psprintf(r->pool, "Bearer %sresource_metadata=\"%s\"", attribute, metadata));
    return mrc_answer_problem(r, status, detail);
}

int mrc_challenge_missing(request_rec *r, const char *what)
{
    const struct mrc_location_settings *settings = mrc_claim_settings(r, mrc_claim_get(r));

    return mrc_challenge(r, HTTP_UNAUTHORIZED, NULL,
                         apr_psprintf(r->pool,
                                      "%s needs an access token: send it in an "
                                      "Authorization field, after Bearer, or in the cookie "
                                      "%s",
                                      what, settings->cookie_name));
}
