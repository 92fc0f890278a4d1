/*
 * The patterns of VirtualDocumentRoot (mod_vhost_alias): the document root that a pattern gives to
 * a host name. Needs nothing of httpd.
 */
#ifndef MRC_HTTPD_SITES_VIRTUAL_ROOT_H
#define MRC_HTTPD_SITES_VIRTUAL_ROOT_H

#include "apr_pools.h"

/* The document root that PATTERN has for HOST, in lower case, and PORT, without a slash at its end.
 * NULL: PATTERN is wrong, or the root too long. In POOL. */
const char *mrc_virtual_root_expand(apr_pool_t *pool, const char *pattern, const char *host,
                                    unsigned port);

#endif
