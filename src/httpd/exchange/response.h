/*
 * Makes the head of a response, in place of httpd's own filter for HTTP/1.1 (HTTP_HEADER): the
 * status and the fields go to the exchange, without a text in between.
 */
#ifndef MRC_HTTPD_EXCHANGE_RESPONSE_H
#define MRC_HTTPD_EXCHANGE_RESPONSE_H

#include "httpd.h"

struct mrc_network;

/* Registers the filter. When the module is loaded. */
void mrc_response_register(void);

/* Replaces httpd's filter in R, which may have been replaced before. */
void mrc_response_replace(request_rec *r, struct mrc_network *network);

/* Puts a head without fields, for a request that has produced none. */
void mrc_response_put_status(struct mrc_network *network, int status);

#endif
