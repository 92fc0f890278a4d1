/*
 * The subscription API: who subscribes to what, as documents (draft, "Subscription API").
 */
#ifndef MRC_HTTPD_RESOURCE_SUBSCRIPTIONS_H
#define MRC_HTTPD_RESOURCE_SUBSCRIPTIONS_H

#include "httpd.h"

struct mrc_claim;

/*
 * Answers R, a GET or HEAD on a URL of the API of a hub that has one. The value for the handler to
 * return.
 */
int mrc_subscriptions_serve(request_rec *r, const struct mrc_claim *claim);

#endif
