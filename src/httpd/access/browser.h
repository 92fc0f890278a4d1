/* How browsers differ from the standards. */
#ifndef MRC_HTTPD_ACCESS_BROWSER_H
#define MRC_HTTPD_ACCESS_BROWSER_H

#include <stdbool.h>

/*
 * Whether the EventSource of the browser that sends USER_AGENT, which may be NULL, does not keep
 * the id of a block without data, although the HTML standard says so: Firefox, and everything that
 * is WebKit, such as Safari and every browser of iOS. Chromium and its derivatives follow the
 * standard.
 */
bool mrc_browser_drops_ids(const char *user_agent);

#endif
