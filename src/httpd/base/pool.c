#include "httpd/base/pool.h"

#include "httpd.h"

static int end_process(int status)
{
    ap_abort_on_oom();
}

apr_status_t mrc_pool_create(apr_pool_t **ret_pool, apr_allocator_t *allocator)
{
    return apr_pool_create_ex(ret_pool, NULL, end_process, allocator);
}

apr_status_t mrc_pool_create_unmanaged(apr_pool_t **ret_pool)
{
    return apr_pool_create_unmanaged_ex(ret_pool, end_process, NULL);
}
