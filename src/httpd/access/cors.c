#include "httpd/access/cors.h"

#include "httpd/access/credentials.h"
#include "httpd/config/origin.h"
#include "httpd/config/settings.h"

/* The fields that scripts may send, and those that they may read, in addition to the basic ones. */
#define REQUEST_FIELDS "Authorization, Cache-Control, Content-Type, If-None-Match, Last-Event-ID"
#define ANSWER_FIELDS  "ETag, Link, Mercure-Last-Event-ID, Retry-After, WWW-Authenticate"
#define LEGACY_FIELDS  "Last-Event-ID"

/* How long a browser may remember a preflight's answer, in seconds. */
#define MAX_AGE "600"

/* The other origins whose scripts may use the hub; NULL: none. A playground is open to all. */
static const struct mrc_origins *origins_of(const struct mrc_location_settings *settings)
{
    static const struct mrc_origins all = {.any = true};

    return settings->playground && !settings->cors_origins ? &all : settings->cors_origins;
}

/*
 * Whether the origin of R may read the answer. A request with credentials needs a listed origin;
 * `*` does not allow it.
 */
static bool is_allowed(const request_rec *r, const struct mrc_location_settings *settings,
                       const struct mrc_origins *origins)
{
    const char *origin = apr_table_get(r->headers_in, "Origin");

    if (!origin)
        return false;
    if (origins->any)
        return !mrc_credentials_has_cookie(r, settings);
    return mrc_origin_is_listed(origins, origin);
}

void mrc_cors_add_headers(request_rec *r, const struct mrc_location_settings *settings)
{
    const struct mrc_origins *origins = origins_of(settings);

    if (!origins)
        return;
    apr_table_mergen(r->headers_out, "Vary", origins->any ? "Origin, Cookie" : "Origin");
    if (!is_allowed(r, settings, origins))
        return;
    if (origins->any) {
        apr_table_setn(r->headers_out, "Access-Control-Allow-Origin", "*");
    } else {
        apr_table_setn(r->headers_out, "Access-Control-Allow-Origin",
                       apr_table_get(r->headers_in, "Origin"));
        apr_table_setn(r->headers_out, "Access-Control-Allow-Credentials", "true");
    }
    apr_table_setn(r->headers_out, "Access-Control-Expose-Headers", ANSWER_FIELDS);
    if (settings->legacy)
        apr_table_mergen(r->headers_out, "Access-Control-Expose-Headers", LEGACY_FIELDS);
}

bool mrc_cors_is_preflight(request_rec *r, const struct mrc_location_settings *settings,
                           const char *methods)
{
    const struct mrc_origins *origins = origins_of(settings);

    if (!origins || !apr_table_get(r->headers_in, "Origin") ||
        !apr_table_get(r->headers_in, "Access-Control-Request-Method"))
        return false;
    if (is_allowed(r, settings, origins)) {
        apr_table_setn(r->headers_out, "Access-Control-Allow-Methods", methods);
        apr_table_setn(r->headers_out, "Access-Control-Allow-Headers", REQUEST_FIELDS);
        apr_table_setn(r->headers_out, "Access-Control-Max-Age", MAX_AGE);
    }
    return true;
}
