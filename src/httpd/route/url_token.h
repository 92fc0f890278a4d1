/*
 * The access token that clients of protocol 0.x may put into the URL: where it is found, and how it
 * stays out of the logs.
 */
#ifndef MRC_HTTPD_ROUTE_URL_TOKEN_H
#define MRC_HTTPD_ROUTE_URL_TOKEN_H

#include <stdbool.h>

#include "httpd.h"

/* What the query parameter `authorization` says. In the request's pool. */
struct mrc_url_token {
    const char *text; /* decoded; NULL: there is none */
    bool is_repeated; /* there are several, and none counts */
};

/* Whether the URL of R has that parameter. */
bool mrc_url_token_is_in(const request_rec *r);

/*
 * Takes the token out of R, whose URL is a hub's: overwrites it, whether the hub wants it or not,
 * in all that httpd logs and shows of the request (the request line, the URL and its query), so
 * that nobody reads it there. To be called once, before anything is logged.
 */
struct mrc_url_token mrc_url_token_take(request_rec *r);

#endif
