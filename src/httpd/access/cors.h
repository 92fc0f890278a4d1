/*
 * The CORS protocol (Fetch, 3.2): which scripts of other origins may read what the hub answers.
 */
#ifndef MRC_HTTPD_ACCESS_CORS_H
#define MRC_HTTPD_ACCESS_CORS_H

#include <stdbool.h>

#include "httpd.h"

struct mrc_settings;

/* Adds the fields that belong on every answer to R, errors too; before anything is sent. */
void mrc_cors_add_headers(request_rec *r, const struct mrc_settings *settings);

/*
 * Whether R is a preflight request. Then the fields that answer it have been added too, and 204
 * with no body is the answer. METHODS is what the resource takes.
 */
bool mrc_cors_is_preflight(request_rec *r, const struct mrc_settings *settings,
                           const char *methods);

#endif
