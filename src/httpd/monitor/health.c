#include "httpd/monitor/health.h"

#include <stdbool.h>

#include "apr_strings.h"
#include "http_config.h"
#include "http_main.h"
#include "http_protocol.h"

#include "httpd/answer/answer.h"
#include "httpd/child/start.h"
#include "httpd/child/this_child.h"
#include "httpd/config/hubs.h"
#include "httpd/route/claim.h"
#include "httpd/route/page.h"
#include "hub/child/child.h"
#include "hub/hub/hub.h"
#include "store/regions/link.h"
#include "store/ring/ring.h"

/* The reason why HUB cannot be used in this child. NULL: it can. */
static const char *hub_trouble(const struct mrc_hub *hub)
{
    if (!hub)
        return "a hub could not be opened in this process: see the error log";
    if (mrc_ring_is_superseded(mrc_hub_ring(hub)))
        return "a hub has been reconfigured: this process ends, and a new one replaces it";
    if (!mrc_hub_is_ready(hub, apr_time_now()))
        return "the connection to the other machines of a hub is down";
    return NULL;
}

/* The reason why some hub cannot be used in this child. NULL: all can. */
static const char *find_trouble(apr_pool_t *pool)
{
    struct mrc_child *child = mrc_this_child_get();
    const apr_array_header_t *hubs = mrc_hubs_hubs(ap_server_conf);
    const char *trouble = NULL;

    if (hubs->nelts == 0)
        return "no hub is configured";
    if (!child)
        return "this process serves no hub: see the error log";
    if (!mrc_this_child_is_serving())
        return "this process is ending";
    for (int i = 0; i < hubs->nelts && !trouble; i++)
        trouble = hub_trouble(mrc_child_view_hub(child, pool, (size_t)i));
    return trouble;
}

/* Whether A is worse than B. */
static bool is_worse(const struct mrc_link_status *a, const struct mrc_link_status *b)
{
    bool is_a_up = a->state == MRC_LINK_UP, is_b_up = b->state == MRC_LINK_UP;

    return is_a_up == is_b_up ? a->lag > b->lag : is_b_up;
}

/* The state of the worst link of a hub. False: no hub has a transport. */
static bool find_link(struct mrc_link_status *ret_status)
{
    const apr_array_header_t *hubs = mrc_hubs_hubs(ap_server_conf);
    struct mrc_child *child = mrc_this_child_get();
    bool has_one = false;

    for (int i = 0; child && i < hubs->nelts; i++) {
        const struct mrc_hub_conf *conf = APR_ARRAY_IDX(hubs, i, const struct mrc_hub_conf *);
        const struct mrc_hub *hub =
            conf->settings->transport ? mrc_child_hub(child, (size_t)i) : NULL;
        struct mrc_link_status status;

        if (!hub || !mrc_hub_link(hub))
            continue;
        mrc_link_get_status(mrc_hub_link(hub), &status);
        if (!has_one || is_worse(&status, ret_status))
            *ret_status = status;
        has_one = true;
    }
    return has_one;
}

/* The member about it, with the comma before; empty if there is none. */
static const char *transport_text(apr_pool_t *pool)
{
    struct mrc_link_status status;

    if (!find_link(&status))
        return "";
    return apr_psprintf(pool,
                        ",\"transport\":{\"up\":%s,\"since\":%" APR_INT64_T_FMT
                        ",\"lag\":%" APR_UINT64_T_FMT ",\"machines\":%" APR_UINT64_T_FMT "}",
                        status.state == MRC_LINK_UP ? "true" : "false", status.since_us / 1000000,
                        status.lag, status.machines);
}

static bool ends_with(const char *path, const char *end)
{
    size_t path_len = strlen(path);
    size_t end_len = strlen(end);

    return path_len >= end_len && !strcmp(path + path_len - end_len, end);
}

/* Whether R is for one of the pages. RET_LIVE gets whether that is /live. */
static bool is_page(request_rec *r, bool *ret_live)
{
    const char *below = mrc_page_below(r, MRC_PAGE_HEALTH);

    *ret_live = ends_with(below ? below : r->uri, "/live");
    return !below || !*below || !strcmp(below, "/live") || !strcmp(below, "/ready");
}

int mrc_health_handler(request_rec *r)
{
    const char *trouble = NULL;
    const char *text;
    bool is_live;

    if (!mrc_claim_is_for_page(r, MRC_PAGE_HEALTH))
        return DECLINED;
    if (!is_page(r, &is_live))
        return mrc_answer_problem(r, HTTP_NOT_FOUND,
                                  "below the health page there are only /ready and /live");
    if (r->method_number != M_GET) {
        apr_table_setn(r->headers_out, "Allow", "GET, HEAD");
        return mrc_answer_problem(r, HTTP_METHOD_NOT_ALLOWED,
                                  "this page accepts only GET and HEAD");
    }
    if (!is_live) {
        mrc_start_again();
        trouble = find_trouble(r->pool);
    }
    if (trouble)
        text = apr_psprintf(r->pool, "{\"status\":\"unavailable\",\"reason\":\"%s\"%s}\n", trouble,
                            transport_text(r->pool));
    else
        text = apr_pstrcat(r->pool, "{\"status\":\"ok\"", is_live ? "" : transport_text(r->pool),
                           "}\n", NULL);
    apr_table_setn(r->headers_out, "Cache-Control", "no-store");
    r->no_cache = 1; /* even with CacheStoreNoStore On */
    return mrc_answer_send(r, trouble ? HTTP_SERVICE_UNAVAILABLE : HTTP_OK, "application/json",
                           mrc_bytes_of(text));
}
