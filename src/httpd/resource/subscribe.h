/*
 * Subscribing: GET and QUERY of the hub's URL, and HEAD, which opens no stream (draft,
 * "Subscription").
 */
#ifndef MRC_HTTPD_RESOURCE_SUBSCRIBE_H
#define MRC_HTTPD_RESOURCE_SUBSCRIBE_H

#include "httpd.h"

struct mrc_claim;

/* Answers R with a stream, which may outlive this call; HEAD and errors have no stream. Returns the
 * value for the handler to return. */
int mrc_subscribe(request_rec *r, const struct mrc_claim *claim);

#endif
