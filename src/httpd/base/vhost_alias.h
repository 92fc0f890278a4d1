/*
 * Finds the directives of mod_vhost_alias, which exports nothing, in the configuration.
 */
#ifndef MRC_HTTPD_BASE_VHOST_ALIAS_H
#define MRC_HTTPD_BASE_VHOST_ALIAS_H

#include <stdbool.h>

#include "httpd.h"

#include "http_config.h"

/* Whether TREE, the whole configuration, has VirtualDocumentRoot anywhere. */
bool mrc_vhost_alias_is_used(const ap_directive_t *tree);

/* The pattern of VirtualDocumentRoot in SERVER, as TREE, the whole configuration, has it; NULL:
 * none. In POOL. */
const char *mrc_vhost_alias_find(apr_pool_t *pool, const ap_directive_t *tree,
                                 const server_rec *server);

#endif
