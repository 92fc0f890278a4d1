/*
 * The name of a hub in the engine that it shares with other machines.
 */
#ifndef MRC_HTTPD_CONFIG_ENGINE_NAME_H
#define MRC_HTTPD_CONFIG_ENGINE_NAME_H

#include "apr_pools.h"

#include "hub/hub/spec.h"

struct mrc_hub_conf;

/* The name of HUB: its name=, or else its ServerName and path, percent-encoded. NULL: it has
 * neither. */
const char *mrc_engine_name_of(apr_pool_t *pool, const struct mrc_hub_conf *hub);

/* The transport of HUB's settings, with the name (empty: it has none) and the identity of HUB. */
const struct mrc_transport_spec *mrc_engine_name_add(apr_pool_t *pool,
                                                     const struct mrc_hub_conf *hub);

#endif
