/*
 * Finds the path of a page that `SetHandler` places in a `<Location>`.
 */
#ifndef MRC_HTTPD_MONITOR_PAGE_H
#define MRC_HTTPD_MONITOR_PAGE_H

#include "httpd.h"

/*
 * The part of R's path below the innermost `<Location>` that sets HANDLER: "" for the page itself,
 * otherwise a path that begins with a slash. NULL: no plain `<Location>` sets HANDLER. Then all
 * paths for which it is set are meant.
 */
const char *mrc_page_below(request_rec *r, const char *handler);

#endif
