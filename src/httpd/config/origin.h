/*
 * Origins, as in the Origin field and in the directives that list them (RFC 6454).
 */
#ifndef MRC_HTTPD_CONFIG_ORIGIN_H
#define MRC_HTTPD_CONFIG_ORIGIN_H

#include <stdbool.h>

#include "httpd.h"

/* A list of origins as a directive gives it; in the configuration's pool. */
struct mrc_origins {
    bool any;                  /* `*` alone */
    apr_array_header_t *exact; /* of const char *: "https://example.com" */
    apr_array_header_t *below; /* of const char *: "https://.example.com": all below it */
};

/*
 * Adds ARG to ORIGINS (zeroed at first): an origin, one whose host begins with `*.` for every
 * subdomain, or `*`. Returns NULL, or what is wrong with it and the mend.
 */
const char *mrc_origin_add(apr_pool_t *pool, struct mrc_origins *origins, const char *arg);

/* Whether ORIGIN, as a client sends it, is in the list; `*` counts for nothing here. */
bool mrc_origin_is_listed(const struct mrc_origins *origins, const char *origin);

/*
 * The origin of the URL, normalized: scheme and host in small letters, no default port. NULL: it
 * has none.
 */
const char *mrc_origin_of_url(apr_pool_t *pool, const char *url);

#endif
