/*
 * Origins (RFC 6454), as in the Origin field and in the directives that list them.
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

/* Whether ORIGIN, as a client sends it, is in the list. Ignores `*`. ORIGINS may be NULL. */
bool mrc_origin_is_listed(const struct mrc_origins *origins, const char *origin);

/*
 * The origin of URL, normalized: scheme and host in lower case, without a default port. NULL: URL
 * has none.
 */
const char *mrc_origin_of_url(apr_pool_t *pool, const char *url);

#endif
