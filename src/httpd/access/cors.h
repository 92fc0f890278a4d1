/*
 * The CORS protocol (Fetch, 3.2): decides which scripts of other origins may read the hub's
 * answers.
 */
#ifndef MRC_HTTPD_ACCESS_CORS_H
#define MRC_HTTPD_ACCESS_CORS_H

#include <stdbool.h>

#include "httpd.h"

struct mrc_location_settings;

/* Adds the fields that every answer to R has, including errors. Call it before anything is sent. */
void mrc_cors_add_headers(request_rec *r, const struct mrc_location_settings *settings);

/*
 * Whether R is a preflight request. Then this has also added the fields of the answer, which the
 * caller sends as 204 without a body. METHODS are the methods of the resource.
 */
bool mrc_cors_is_preflight(request_rec *r, const struct mrc_location_settings *settings,
                           const char *methods);

#endif
