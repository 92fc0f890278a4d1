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
