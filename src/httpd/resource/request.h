/*
 * The handler: passes each request for a hub's URL to the code of its resource.
 */
#ifndef MRC_HTTPD_RESOURCE_REQUEST_H
#define MRC_HTTPD_RESOURCE_REQUEST_H

#include "httpd.h"

/* The method of RFC 10008, which httpd does not know. */
#define MRC_METHOD_QUERY "QUERY"

/* Registers the method QUERY, so that <Limit> accepts it. When httpd loads the module. */
void mrc_request_register(apr_pool_t *pconf);

/* The handler. DECLINED: R is not for a hub. */
int mrc_request_handler(request_rec *r);

#endif
