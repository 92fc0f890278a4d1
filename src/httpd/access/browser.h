/*
 * What browsers do that the standards do not say.
 */
#ifndef MRC_HTTPD_ACCESS_BROWSER_H
#define MRC_HTTPD_ACCESS_BROWSER_H

#include <stdbool.h>

/*
 * Whether the EventSource of the browser that sends USER_AGENT, which may be NULL, keeps no id of a
 * block without data, although the HTML standard says so: Firefox, and all that is WebKit, such as
 * Safari and every browser of iOS. Chromium, and what is made from it, follows the standard.
 */
bool mrc_browser_drops_ids(const char *user_agent);

#endif
