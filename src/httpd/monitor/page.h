/*
 * Where a page is that `SetHandler` puts somewhere.
 */
#ifndef MRC_HTTPD_MONITOR_PAGE_H
#define MRC_HTTPD_MONITOR_PAGE_H

#include "httpd.h"

/*
 * What R's path has below that of the innermost `<Location>` with HANDLER: "" for the page itself,
 * else a path that begins with a slash. NULL: the handler was set in another way, which says itself
 * which paths it means.
 */
const char *mrc_page_below(request_rec *r, const char *handler);

#endif
