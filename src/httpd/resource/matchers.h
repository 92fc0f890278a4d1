/*
 * Compiles the topic matchers of a subscription, from the parameters of a request to matchers that
 * the subscribers of a hub share (hub/hub/patterns.h).
 */
#ifndef MRC_HTTPD_RESOURCE_MATCHERS_H
#define MRC_HTTPD_RESOURCE_MATCHERS_H

#include <stdbool.h>

#include "core/base/err.h"

struct mrc_form;
struct mrc_hub;
struct mrc_hub_settings;
struct mrc_subscription;

/* A subscription request, and the hub that it is for. */
struct mrc_matchers_request {
    const struct mrc_form *query, *body; /* NULL: there is none */
    bool is_legacy;                      /* protocol 0.x is accepted, too */
    const char *base;                    /* relative URL Patterns are resolved against it */
    struct mrc_hub *hub;
    const struct mrc_hub_settings *settings; /* of the hub: its MercureLimit */
};

/*
 * Fills in the matchers and the cursor of SUBSCRIPTION. Its views point into the forms. In the
 * thread that handles the request. MRC_EINVAL or MRC_ELIMIT, with the fix in ERROR; MRC_EFULL: the
 * hub holds as many patterns as it may; MRC_ENOMEM. On failure SUBSCRIPTION may hold some matchers,
 * which the caller clears.
 */
enum mrc_err mrc_matchers_compile(const struct mrc_matchers_request *request,
                                  struct mrc_error *error, struct mrc_subscription *subscription);

#endif
