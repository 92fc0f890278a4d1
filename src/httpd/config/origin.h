/*
 * Origins: of URLs, in the Origin field, and in the directives that list them.
 *
 * The parser of the URL Standard reads all of them. They have the form in which browsers send them:
 * SCHEME://HOST or SCHEME://HOST:PORT, in lower case and ASCII, without the default port of the
 * scheme. So two origins are the same if their texts are.
 *
 * A host that is not ASCII needs a build with ICU; without ICU, it is not a host.
 */
#ifndef MRC_HTTPD_CONFIG_ORIGIN_H
#define MRC_HTTPD_CONFIG_ORIGIN_H

#include <stdbool.h>

#include "apr_pools.h"
#include "apr_tables.h"

/* The origins that a directive lists. In the configuration's pool. */
struct mrc_origins {
    bool any;                  /* `*` alone */
    apr_array_header_t *exact; /* of const char *: "https://example.com" */
    apr_array_header_t *below; /* of const char *: "https://.example.com" for all subdomains */
};

/*
 * Adds ARG to ORIGINS, which is zeroed at first. ARG is an origin, an origin whose host begins with
 * `*.` for all subdomains, or `*`. Returns NULL, or an error message with the fix.
 */
const char *mrc_origin_add(apr_pool_t *pool, struct mrc_origins *origins, const char *arg);

/* The number of origins in the list, without `*`. */
int mrc_origin_count(const struct mrc_origins *origins);

/*
 * Whether ORIGIN, a result of the functions below, is in the list. Ignores `*`. ORIGINS may be
 * NULL.
 */
bool mrc_origin_is_listed(const struct mrc_origins *origins, const char *origin);

/*
 * The origin of URL, or of the page that the field Referer names. NULL: URL is not an absolute URL,
 * or its origin is opaque because it has no host.
 */
const char *mrc_origin_of_url(apr_pool_t *pool, const char *url);

/*
 * The origin that FIELD, the value of a field Origin, names. NULL: it names none (`null`, several
 * values), or it has more than an origin, such as a path or a user name.
 */
const char *mrc_origin_of_field(apr_pool_t *pool, const char *field);

#endif
