/*
 * Finds the directives of mod_vhost_alias, which exports nothing, in the configuration.
 */
#ifndef MRC_HTTPD_BASE_VHOST_ALIAS_H
#define MRC_HTTPD_BASE_VHOST_ALIAS_H

#include <stdbool.h>

#include "httpd.h"

#include "http_config.h"

/* What mod_vhost_alias does for a server. */
struct mrc_vhost_alias {
    bool is_on; /* the server stands for several sites, by their names or addresses */
    const char *document_root; /* the pattern of VirtualDocumentRoot; NULL: none */
};

/* Whether TREE, the whole configuration, has a directive of mod_vhost_alias anywhere. */
bool mrc_vhost_alias_is_used(const ap_directive_t *tree);

/* What TREE, the whole configuration, says for SERVER. In POOL. */
struct mrc_vhost_alias mrc_vhost_alias_find(apr_pool_t *pool, const ap_directive_t *tree,
                                            const server_rec *server);

#endif
