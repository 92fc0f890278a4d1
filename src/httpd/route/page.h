/*
 * Pages: the places that `SetHandler mercure-health` and `SetHandler mercure-metrics` give to pages
 * of the module. A section is plain if it is a `<Location>` without wildcards.
 */
#ifndef MRC_HTTPD_ROUTE_PAGE_H
#define MRC_HTTPD_ROUTE_PAGE_H

#include <stdbool.h>

#include "httpd.h"

/* The handlers. */
#define MRC_PAGE_HEALTH  "mercure-health"
#define MRC_PAGE_METRICS "mercure-metrics"

/*
 * Finds the page at or above the decoded PATH in R's server. Returns its handler. NULL: PATH is not
 * a page's, because the innermost plain section that covers it and sets a handler sets another one.
 * Among sections of the same path, the last one counts.
 */
const char *mrc_page_find(request_rec *r, const char *path);

/*
 * The part of R's path below the innermost plain section that sets HANDLER: "" for the page itself,
 * otherwise a path that begins with a slash. NULL: no plain section sets HANDLER. Then all paths
 * for which it is set are meant.
 */
const char *mrc_page_below(request_rec *r, const char *handler);

/*
 * Whether a SetHandler of the server's configuration, in whatever section, gives R the page
 * HANDLER. An .htaccess file must not: its owner would read about the hubs of other sites.
 */
bool mrc_page_is_of_server(request_rec *r, const char *handler);

#endif
