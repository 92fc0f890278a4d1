/*
 * Subscribing: GET and QUERY of the hub's URL, and HEAD, which opens nothing (draft,
 * "Subscription").
 */
#ifndef MRC_HTTPD_RESOURCE_SUBSCRIBE_H
#define MRC_HTTPD_RESOURCE_SUBSCRIBE_H

#include "httpd.h"

struct mrc_claim;

/* Answers R, at its end for HEAD and errors, else with a stream; what the handler returns. */
int mrc_subscribe(request_rec *r, const struct mrc_claim *claim);

#endif
