#include "httpd/monitor/server_status.h"

#include "apr_lib.h"
#include "apr_optional_hooks.h"
#include "apr_strings.h"
#include "http_main.h"
#include "http_protocol.h"
#include "mod_status.h"

#include "httpd/child/this_child.h"
#include "httpd/config/hubs.h"
#include "httpd/monitor/metric_table.h"
#include "hub/child/child.h"
#include "hub/hub/hub.h"
#include "hub/hub/numbers.h"

static uint64_t fold(const struct mrc_metric *metric, uint64_t a, uint64_t b)
{
    switch (metric->fold) {
    case MRC_METRIC_MAX:
        return a > b ? a : b;
    case MRC_METRIC_MIN:
        return a < b ? a : b;
    default:
        return a + b;
    }
}

/* The value with which combining begins. */
static uint64_t nothing(const struct mrc_metric *metric)
{
    return metric->fold == MRC_METRIC_MIN ? UINT64_MAX : 0;
}

/* The hubs as they can be read for one request; NULL: one is down. */
struct views {
    struct mrc_hub **hubs;
    size_t count;
};

static struct views view_hubs(request_rec *r, struct mrc_child *child,
                              const apr_array_header_t *hubs)
{
    struct views views = {.count = (size_t)hubs->nelts};

    views.hubs = apr_pcalloc(r->pool, sizeof(*views.hubs) * (views.count + 1));
    for (size_t i = 0; i < views.count; i++)
        views.hubs[i] = mrc_child_view_hub(child, r->pool, i);
    return views;
}

/* Whether METRIC is shown: it is one of all hubs, or of one that there is. */
static bool is_shown(const struct mrc_metric *metric, const struct views *views)
{
    for (size_t i = 0; i < views->count; i++) {
        if (views->hubs[i] && mrc_metric_is_of(metric, views->hubs[i]))
            return true;
    }
    return metric->source < MRC_METRIC_LINK_LAG;
}

/* Combines the values of PART of all hubs. */
static uint64_t fold_hubs(const struct mrc_metric *metric, const struct views *views, unsigned part)
{
    uint64_t value = nothing(metric);

    for (size_t i = 0; i < views->count; i++) {
        if (views->hubs[i] && mrc_metric_is_of(metric, views->hubs[i]))
            value = fold(metric, value, mrc_metric_value(metric, views->hubs[i], part));
    }
    return value;
}

/* Combines the values of all parts of HUB. */
static uint64_t fold_parts(const struct mrc_metric *metric, const struct mrc_child *child,
                           const struct mrc_hub *hub)
{
    unsigned parts = mrc_metric_parts(metric, child);
    char buf[MRC_METRIC_PART_BYTES];
    uint64_t value = nothing(metric);

    for (unsigned part = 0; part < parts; part++) {
        if (mrc_metric_part(metric, child, part, buf))
            value = fold(metric, value, mrc_metric_value(metric, hub, part));
    }
    return value;
}

/* ---- ?auto ------------------------------------------------------------------------------------*/

/* too_large -> TooLarge */
static const char *camel_case(apr_pool_t *pool, const char *text)
{
    char *name = apr_pstrdup(pool, text);
    char *out = name;
    int is_first = 1;

    for (; *text; text++) {
        if (*text != '_')
            *out++ = is_first ? (char)apr_toupper(*text) : *text;
        is_first = *text == '_';
    }
    *out = '\0';
    return name;
}

static void print_line(request_rec *r, const char *key, const char *part, uint64_t value)
{
    ap_rprintf(r, "%s%s: %" APR_UINT64_T_FMT "\n", key, part, value);
}

static void print_lines(request_rec *r, const struct mrc_metric *metric,
                        const struct mrc_child *child, const struct views *views)
{
    unsigned parts = mrc_metric_parts(metric, child);
    char buf[MRC_METRIC_PART_BYTES];
    uint64_t value = nothing(metric);

    for (unsigned part = 0; part < parts; part++) {
        const char *name = mrc_metric_part(metric, child, part, buf);
        uint64_t one = name ? fold_hubs(metric, views, part) : nothing(metric);

        value = fold(metric, value, one);
        if (name && metric->label && metric->fold == MRC_METRIC_SUM)
            print_line(r, metric->key, camel_case(r->pool, name), one);
    }
    print_line(r, metric->key, "", value);
}

static void print_dispatch(request_rec *r, const struct mrc_metric *metric,
                           const struct mrc_child *child, const struct views *views)
{
    unsigned sum = mrc_metric_parts(metric, child) - 1;
    uint64_t count = 0;

    for (unsigned part = 0; part < sum; part++)
        count += fold_hubs(metric, views, part);
    ap_rprintf(r, "MercureDispatchCount: %" APR_UINT64_T_FMT "\nMercureDispatchSeconds: %.6f\n",
               count, (double)fold_hubs(metric, views, sum) / 1e6);
}

static void print_auto(request_rec *r, const struct mrc_child *child, const struct views *views)
{
    for (size_t i = 0; i < mrc_metrics_count; i++) {
        if (mrc_metrics[i].source == MRC_METRIC_DISPATCH)
            print_dispatch(r, &mrc_metrics[i], child, views);
        else if (mrc_metrics[i].key && is_shown(&mrc_metrics[i], views))
            print_lines(r, &mrc_metrics[i], child, views);
    }
}

/* ---- the page ---------------------------------------------------------------------------------*/

static void print_head(request_rec *r, const struct views *views)
{
    ap_rputs("<hr />\n<h2>Mercure</h2>\n<table border=\"0\">\n<tr><th>Hub</th>", r);
    for (size_t i = 0; i < mrc_metrics_count; i++) {
        if (mrc_metrics[i].title && is_shown(&mrc_metrics[i], views))
            ap_rprintf(r, "<th>%s</th>", mrc_metrics[i].title);
    }
    ap_rputs("<th>Dispatch (mean ms)</th></tr>\n", r);
}

/* The parts that are not 0, for the cell of METRIC. */
static const char *list_parts(request_rec *r, const struct mrc_metric *metric,
                              const struct mrc_child *child, const struct mrc_hub *hub)
{
    unsigned parts = mrc_metric_parts(metric, child);
    char buf[MRC_METRIC_PART_BYTES];
    const char *list = "";

    for (unsigned part = 0; metric->label && part < parts; part++) {
        const char *name = mrc_metric_part(metric, child, part, buf);
        uint64_t value = name ? mrc_metric_value(metric, hub, part) : 0;

        if (value)
            list = apr_psprintf(r->pool, "%s%s%s %" APR_UINT64_T_FMT, list, *list ? ", " : "", name,
                                value);
    }
    return *list ? apr_psprintf(r->pool, " (%s)", list) : "";
}

static void print_row(request_rec *r, const struct mrc_child *child, const struct views *views,
                      const struct mrc_hub *hub, const char *label)
{
    uint64_t count = 0;
    uint64_t us = mrc_numbers_counter(mrc_hub_numbers(hub), MRC_COUNTER_DISPATCH_US);

    ap_rprintf(r, "<tr><td>%s</td>", ap_escape_html(r->pool, label));
    for (size_t i = 0; i < mrc_metrics_count; i++) {
        const struct mrc_metric *metric = &mrc_metrics[i];

        if (!metric->title || !is_shown(metric, views))
            continue;
        if (!mrc_metric_is_of(metric, hub))
            ap_rputs("<td>-</td>", r);
        else
            ap_rprintf(r, "<td>%" APR_UINT64_T_FMT "%s</td>", fold_parts(metric, child, hub),
                       list_parts(r, metric, child, hub));
    }
    for (unsigned i = 0; i <= MRC_NUMBERS_BOUNDS; i++)
        count +=
            mrc_numbers_counter(mrc_hub_numbers(hub), (enum mrc_counter)(MRC_COUNTER_DISPATCH + i));
    ap_rprintf(r, "<td>%.3f</td></tr>\n", count ? (double)us / (double)count / 1e3 : 0.0);
}

int mrc_server_status_hook(request_rec *r, int flags)
{
    struct mrc_child *child = mrc_this_child_get();
    const apr_array_header_t *hubs = mrc_hubs_hubs(ap_server_conf);
    struct views views;

    if (!child)
        return DECLINED;
    views = view_hubs(r, child, hubs);
    if (flags & AP_STATUS_SHORT) {
        print_auto(r, child, &views);
        return OK;
    }
    print_head(r, &views);
    for (int i = 0; i < hubs->nelts; i++) {
        if (views.hubs[i])
            print_row(r, child, &views, views.hubs[i],
                      APR_ARRAY_IDX(hubs, i, struct mrc_hub_conf *)->label);
    }
    ap_rputs("</table>\n", r);
    return OK;
}

void mrc_server_status_register(void)
{
    APR_OPTIONAL_HOOK(ap, status_hook, mrc_server_status_hook, NULL, NULL, APR_HOOK_MIDDLE);
}
