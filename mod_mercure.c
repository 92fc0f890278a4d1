/*
 * mod_mercure: a Mercure hub inside httpd.
 *
 * This file holds the module record and its hooks, in the order in which they run; nothing else.
 */
#include "httpd.h"

#include "http_config.h"

static void register_hooks(apr_pool_t *pconf)
{
}

/* The only symbol that leaves the module; everything else is compiled with hidden visibility. */
#pragma GCC visibility push(default)
AP_DECLARE_MODULE(mercure) = {
    STANDARD20_MODULE_STUFF,
    NULL, /* create per-directory configuration */
    NULL, /* merge it */
    NULL, /* create per-server configuration */
    NULL, /* merge it */
    NULL, /* directives */
    register_hooks,
    0,
};
#pragma GCC visibility pop
