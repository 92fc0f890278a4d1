/*
 * MercureTransport: reads its arguments.
 */
#ifndef MRC_HTTPD_CONFIG_TRANSPORT_H
#define MRC_HTTPD_CONFIG_TRANSPORT_H

#include <stdbool.h>

#include "apr_pools.h"

#include "hub/hub/spec.h"

/* The arguments of the directive. The name and the identity of the hub are not in SPEC yet. */
struct mrc_transport_settings {
    struct mrc_transport_spec spec;
    bool has_password_in_url; /* written in the configuration itself */
};

/*
 * Reads ARGV, of which the first is a URL, or `env:NAME` for a URL in a variable. NULL, or an error
 * message with the fix; it shows no password.
 */
const char *mrc_transport_read(apr_pool_t *pconf, int argc, char *const argv[],
                               const struct mrc_transport_settings **ret_transport);

#endif
