/*
 * The patterns of VirtualDocumentRoot (mod_vhost_alias): the document root that a pattern gives to
 * a host name. Needs nothing of httpd.
 */
#ifndef MRC_HTTPD_SITES_VIRTUAL_ROOT_H
#define MRC_HTTPD_SITES_VIRTUAL_ROOT_H

#include "apr_errno.h"
#include "apr_pools.h"

/* The document root that PATTERN has for HOST, in lower case, and PORT, without a slash at its end;
 * in POOL. APR_EINVAL: PATTERN is wrong, or the root too long. APR_ENOMEM. */
apr_status_t mrc_virtual_root_expand(apr_pool_t *pool, const char *pattern, const char *host,
                                     unsigned port, const char **ret_root);

#endif
