#include "httpd/cors.h"

#include "httpd/origin.h"
#include "httpd/settings.h"

/* What scripts may send beside what they may always, and what they may read of an answer. */
#define REQUEST_FIELDS "Authorization, Cache-Control, Content-Type, Last-Event-ID"
#define ANSWER_FIELDS  "ETag, Link, Mercure-Last-Event-ID, Retry-After, WWW-Authenticate"

/* How long a browser may remember a preflight's answer, in seconds. */
#define MAX_AGE "600"

/* Whether R comes from an origin that may read the answer. */
static bool is_allowed(const request_rec *r, const struct mrc_settings *settings)
{
    const char *origin = apr_table_get(r->headers_in, "Origin");

    return origin && settings->cors_origins &&
           (settings->cors_origins->any || mrc_origin_is_listed(settings->cors_origins, origin));
}

void mrc_cors_add_headers(request_rec *r, const struct mrc_settings *settings)
{
    if (!settings->cors_origins)
        return;
    if (!settings->cors_origins->any)
        apr_table_mergen(r->headers_out, "Vary", "Origin");
    if (!is_allowed(r, settings))
        return;
    if (settings->cors_origins->any) {
        apr_table_setn(r->headers_out, "Access-Control-Allow-Origin", "*");
    } else {
        apr_table_setn(r->headers_out, "Access-Control-Allow-Origin",
                       apr_table_get(r->headers_in, "Origin"));
        apr_table_setn(r->headers_out, "Access-Control-Allow-Credentials", "true");
    }
    apr_table_setn(r->headers_out, "Access-Control-Expose-Headers", ANSWER_FIELDS);
}

bool mrc_cors_is_preflight(request_rec *r, const struct mrc_settings *settings, const char *methods)
{
    if (!settings->cors_origins || !apr_table_get(r->headers_in, "Origin") ||
        !apr_table_get(r->headers_in, "Access-Control-Request-Method"))
        return false;
    if (is_allowed(r, settings)) {
        apr_table_setn(r->headers_out, "Access-Control-Allow-Methods", methods);
        apr_table_setn(r->headers_out, "Access-Control-Allow-Headers", REQUEST_FIELDS);
        apr_table_setn(r->headers_out, "Access-Control-Max-Age", MAX_AGE);
    }
    return true;
}
