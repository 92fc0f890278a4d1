#include "hub/transport/transport.h"

#include <string.h>

#include "apr_strings.h"

#include "hub/hub/hub.h"
#include "hub/transport/link.h"
#include "store/base/clock.h"

/* A link may be connecting, which takes up to the time-out of MercureTransport. */
#define JOIN_US ((int64_t)3000 * 1000)

struct mrc_transport {
    struct mrc_link_thread **links;
    size_t count;
};

static const char *group_of(const struct mrc_hub *hub)
{
    const struct mrc_transport_spec *spec = hub ? mrc_hub_get_spec(hub)->transport : NULL;

    return spec ? spec->group : NULL;
}

/* Moves the hubs of one engine from LEFT to TAKEN, at most as many as a link serves. */
static size_t take_group(struct mrc_hub **left, size_t count, struct mrc_hub **taken)
{
    const char *group = NULL;
    size_t n = 0, max = MRC_LINK_HUBS_MAX;

    for (size_t i = 0; i < count && n < max; i++) {
        if (!group_of(left[i]) || (group && strcmp(group, group_of(left[i])) != 0))
            continue;
        group = group_of(left[i]);
        /* One command cannot read logs of different slots. */
        if (mrc_hub_get_spec(left[i])->transport->engine.is_cluster)
            max = 1;
        taken[n++] = left[i];
        left[i] = NULL;
    }
    return n;
}

static apr_status_t start_links(apr_pool_t *pool, struct mrc_transport *transport,
                                struct mrc_hub **left, size_t count,
                                const struct mrc_notify *notify, mrc_link_report_fn *report,
                                void *report_ctx, const struct mrc_responder *responder)
{
    for (;;) {
        struct mrc_hub *taken[MRC_LINK_HUBS_MAX];
        size_t n = take_group(left, count, taken);
        apr_status_t status;

        if (n == 0)
            return APR_SUCCESS;
        status = mrc_link_thread_start(pool, taken, n, notify, report, report_ctx, responder,
                                       &transport->links[transport->count]);
        if (status != APR_SUCCESS)
            return status;
        transport->count++;
    }
}

apr_status_t mrc_transport_start(apr_pool_t *pool, struct mrc_hub *const *hubs, size_t count,
                                 const struct mrc_notify *notify, mrc_link_report_fn *report,
                                 void *report_ctx, const struct mrc_responder *responder,
                                 struct mrc_transport **ret_transport)
{
    struct mrc_transport *transport = apr_pcalloc(pool, sizeof(*transport));
    struct mrc_hub **left = apr_pmemdup(pool, hubs, (count + 1) * sizeof(*left));
    apr_status_t status;

    transport->links = apr_pcalloc(pool, (count + 1) * sizeof(struct mrc_link_thread *));
    status = start_links(pool, transport, left, count, notify, report, report_ctx, responder);
    if (status != APR_SUCCESS)
        return mrc_transport_stop(transport) ? status : APR_INCOMPLETE;
    *ret_transport = transport->count ? transport : NULL;
    return APR_SUCCESS;
}

void mrc_transport_post_drain(struct mrc_transport *transport)
{
    for (size_t i = 0; transport && i < transport->count; i++)
        mrc_link_thread_post_drain(transport->links[i]);
}

bool mrc_transport_stop(struct mrc_transport *transport)
{
    int64_t until_us = mrc_clock_us() + JOIN_US;
    bool has_ended = true;

    if (!transport)
        return true;
    for (size_t i = 0; i < transport->count; i++)
        mrc_link_thread_post_stop(transport->links[i]);
    for (size_t i = 0; i < transport->count; i++) {
        if (!mrc_link_thread_join(transport->links[i], until_us))
            has_ended = false;
    }
    return has_ended;
}
