/*
 * The subscription API: who subscribes to what, as documents (draft, "Subscription API").
 */
#ifndef MRC_HTTPD_RESOURCE_SUBSCRIPTIONS_H
#define MRC_HTTPD_RESOURCE_SUBSCRIPTIONS_H

#include <stdbool.h>

#include "httpd.h"

struct mrc_claim;

/* Whether CLAIM names a URL of the API, of a hub that has one. */
bool mrc_subscriptions_is_url(const struct mrc_claim *claim);

/*
 * Whether REST, the path after a hub's, goes on behind that of all subscriptions: then an empty
 * segment is an empty variable of the URL.
 */
bool mrc_subscriptions_has_variables(const char *rest);

/* Answers GET and HEAD on such a URL; the value for the handler to return. */
int mrc_subscriptions_serve(request_rec *r, const struct mrc_claim *claim);

#endif
