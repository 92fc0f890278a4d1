/*
 * Pools without a parent. Those of httpd end the process with a line in the log when memory runs
 * out, and a pool inherits that from its parent. Without a parent, the next use of the memory that
 * is not there would be a crash without a word.
 */
#ifndef MRC_HTTPD_BASE_POOL_H
#define MRC_HTTPD_BASE_POOL_H

#include "apr_pools.h"

/* ALLOCATOR may be NULL: that of all pools without one. */
apr_status_t mrc_pool_create(apr_pool_t **ret_pool, apr_allocator_t *allocator);

/* One that APR does not know as a child of its global pool, so that any thread may make and destroy
 * it. */
apr_status_t mrc_pool_create_unmanaged(apr_pool_t **ret_pool);

#endif
