/*
 * The access token that clients of protocol 0.x may put into the URL: finds it, and keeps it out of
 * the logs.
 */
#ifndef MRC_HTTPD_ROUTE_URL_TOKEN_H
#define MRC_HTTPD_ROUTE_URL_TOKEN_H

#include <stdbool.h>

#include "httpd.h"

/* The value of the query parameter `authorization`. In the request's pool. */
struct mrc_url_token {
    const char *text; /* decoded; NULL: there is none */
    bool is_repeated; /* there are several, so none counts */
};

/* Whether the URL of R has this parameter. */
bool mrc_url_token_is_in(const request_rec *r);

/*
 * Takes the token out of R, whose URL belongs to a hub. Overwrites it, even if the hub does not
 * accept tokens in URLs, everywhere httpd logs or shows the request: in the request line, in the
 * URL and in its query. Call it once, before anything is logged.
 */
struct mrc_url_token mrc_url_token_take(request_rec *r);

#endif
