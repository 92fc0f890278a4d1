/*
 * Replaces transport.c and the links in a build without hiredis, in which no hub has a transport.
 */
#include "hub/transport/query.h"
#include "hub/transport/transport.h"
#include "store/base/status.h"

apr_status_t mrc_transport_start(apr_pool_t *pool, struct mrc_hub *const *hubs, size_t count,
                                 const struct mrc_notify *notify, mrc_link_report_fn *report,
                                 void *report_ctx, const struct mrc_responder *responder,
                                 struct mrc_transport **ret_transport)
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

apr_status_t mrc_query_machines(struct mrc_query *query, apr_pool_t *pool,
                                apr_array_header_t *names)
{
    return MRC_STATUS_UNREACHABLE;
}

apr_status_t mrc_query_subscriptions(struct mrc_query *query, const char *machine,
                                     struct mrc_bytes prefix, struct mrc_bytes after,
                                     mrc_query_fn *each, void *ctx, size_t *ret_count)
{
    return MRC_STATUS_UNREACHABLE;
}

bool mrc_query_take_dead(struct mrc_query *query, struct mrc_query_dead *ret_dead)
{
    return false;
}

apr_status_t mrc_query_reap(struct mrc_query *query, const struct mrc_query_dead *dead,
                            const struct mrc_bytes *members, const struct mrc_record *ends,
                            size_t count, uint64_t *ret_left)
{
    return MRC_STATUS_UNREACHABLE;
}

const char *mrc_query_own_name(const struct mrc_query *query)
{
    return "";
}

apr_status_t mrc_query_ask(struct mrc_query *query, const char *to, const char *nonce,
                           struct mrc_bytes question)
{
    return MRC_STATUS_UNREACHABLE;
}

apr_status_t mrc_query_get_answer(struct mrc_query *query, const char *machine, const char *nonce,
                                  struct mrc_buf *ret_answer)
{
    return MRC_STATUS_UNREACHABLE;
}
