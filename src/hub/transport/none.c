/*
 * Replaces transport.c and the links in a build without hiredis, in which no hub has a transport.
 */
#include "hub/transport/transport.h"

apr_status_t mrc_transport_start(apr_pool_t *pool, struct mrc_hub *const *hubs, size_t count,
                                 const struct mrc_notify *notify, mrc_link_report_fn *report,
                                 void *report_ctx, struct mrc_transport **ret_transport)
{
    *ret_transport = NULL;
    return APR_SUCCESS;
}

void mrc_transport_post_drain(struct mrc_transport *transport)
{
}

bool mrc_transport_stop(struct mrc_transport *transport)
{
    return true;
}
