/*
 * The filter of responses for MercurePublishHeader and MercureDiscovery. It acts before the first
 * byte of a response is sent, after mod_headers and before mod_cache stores the response: a cached
 * response publishes nothing.
 *
 * A response may be made by several requests, one after the other, which httpd links by internal
 * redirects. Each one's fields follow the configuration of that request:
 *
 *     a script answers with a local redirect, or with a status that has an ErrorDocument
 *                                      |  its fields are taken when the next request begins
 *     the page that is sent instead    v
 *                                         its fields are taken when it sends its first byte
 */
#ifndef MRC_HTTPD_INSIDE_SITE_RESPONSE_H
#define MRC_HTTPD_INSIDE_SITE_RESPONSE_H

#include "httpd.h"

/* The hooks of these names. */
void mrc_site_response_insert_filter(request_rec *r);
void mrc_site_response_insert_error_filter(request_rec *r);

/* Registers the filters. When the module is loaded. */
void mrc_site_response_register(void);

#endif
