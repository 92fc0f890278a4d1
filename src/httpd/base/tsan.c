#include "httpd/base/tsan.h"

#ifdef __SANITIZE_THREAD__

#include "httpd.h"

#include "http_connection.h"
#include "http_protocol.h"
#include "http_request.h"

void __tsan_acquire(void *addr);
void __tsan_release(void *addr);

/* A pool takes its memory from its allocator and returns it there, so the allocator's address
 * stands for all of that memory. */
static apr_status_t give_back(void *allocator)
{
    __tsan_release(allocator);
    return APR_SUCCESS;
}

static void take(apr_pool_t *pool)
{
    apr_allocator_t *allocator = apr_pool_allocator_get(pool);

    __tsan_acquire(allocator);
    /* Cleanups run in reverse order, so this one runs last. */
    apr_pool_cleanup_register(pool, allocator, give_back, apr_pool_cleanup_null);
}

static int take_connection(conn_rec *c, void *socket)
{
    take(c->pool);
    return DECLINED;
}

static int take_request(request_rec *r)
{
    take(r->pool);
    return DECLINED;
}

void mrc_tsan_register(void)
{
    ap_hook_pre_connection(take_connection, NULL, NULL, APR_HOOK_REALLY_FIRST);
    ap_hook_create_request(take_request, NULL, NULL, APR_HOOK_REALLY_FIRST);
}

#else

void mrc_tsan_register(void)
{
}

#endif
