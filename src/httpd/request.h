/*
 * The handler: routes what belongs to a hub.
 */
#ifndef MRC_HTTPD_REQUEST_H
#define MRC_HTTPD_REQUEST_H

#include "httpd.h"

int mrc_request_handler(request_rec *r);

#endif
