/*
 * The handler: routes what belongs to a hub.
 */
#ifndef MRC_HTTPD_RESOURCE_REQUEST_H
#define MRC_HTTPD_RESOURCE_REQUEST_H

#include "httpd.h"

/* The method of RFC 10008, which httpd does not know by itself. */
#define MRC_METHOD_QUERY "QUERY"

/* When the module is loaded: makes QUERY a method, so that <Limit> and the like know it. */
void mrc_request_register(apr_pool_t *pconf);

int mrc_request_handler(request_rec *r);

#endif
