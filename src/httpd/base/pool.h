/*
 * Pools without a parent. Those of httpd end the process with a line in the log when memory runs
 * out, and a pool inherits that from its parent. Without a parent, the next use of the missing
 * memory would be a silent crash.
 */
#ifndef MRC_HTTPD_BASE_POOL_H
#define MRC_HTTPD_BASE_POOL_H

#include "apr_pools.h"

/*
 * Makes a pool without a parent. ALLOCATOR may be NULL: the one of all pools without an allocator.
 */
apr_status_t mrc_pool_create(apr_pool_t **ret_pool, apr_allocator_t *allocator);

/* Makes one that APR does not know as a child of its global pool, so that any thread may make and
 * destroy it. */
apr_status_t mrc_pool_create_unmanaged(apr_pool_t **ret_pool);

#endif
