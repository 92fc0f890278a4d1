#include "httpd/http2/http2.h"

#include "hub/subscriber/subscriber.h"

bool mrc_http2_is_built(void)
{
    return false;
}

void mrc_http2_register(void)
{
}

apr_status_t mrc_http2_start(apr_pool_t *pool, server_rec *main_server, struct mrc_child *child,
                             struct mrc_http2_child **ret_http2)
{
    *ret_http2 = NULL;
    return APR_SUCCESS;
}

bool mrc_http2_stop(struct mrc_http2_child *http2)
{
    return true;
}

void mrc_http2_forget_child(int slot)
{
}

bool mrc_http2_carries(const request_rec *r)
{
    return false;
}

bool mrc_http2_hold(request_rec *r, unsigned per_child)
{
    return false;
}

int mrc_http2_start_stream(request_rec *r, struct mrc_subscriber *subscriber)
{
    mrc_subscriber_close(subscriber, MRC_END_ERROR);
    return HTTP_INTERNAL_SERVER_ERROR;
}
