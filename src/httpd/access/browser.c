#include "httpd/access/browser.h"

#include <string.h>

bool mrc_browser_drops_ids(const char *user_agent)
{
    if (!user_agent)
        return false;
    if (strstr(user_agent, "Firefox/"))
        return true;
    /* Chromium names WebKit, too. */
    return strstr(user_agent, "AppleWebKit/") && !strstr(user_agent, "Chrome/") &&
           !strstr(user_agent, "Chromium/");
}
