/*
 * The subscription API: active subscriptions as JSON documents (draft, "Subscription API").
 */
#ifndef MRC_HTTPD_RESOURCE_SUBSCRIPTIONS_H
#define MRC_HTTPD_RESOURCE_SUBSCRIPTIONS_H

#include "httpd.h"

struct mrc_claim;

/*
 * Answers R, a GET or HEAD for a URL of the API, on a hub with MercureSubscriptions On. Returns the
 * value for the handler to return.
 */
int mrc_subscriptions_serve(request_rec *r, const struct mrc_claim *claim);

#endif
