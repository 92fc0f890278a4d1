#include "httpd/monitor/metrics.h"

#include <stdbool.h>
#include <string.h>

#include "apr_strings.h"
#include "http_config.h"
#include "http_main.h"
#include "http_protocol.h"

#include "core/base/bytes.h"
#include "core/protocol/form.h"
#include "httpd/answer/answer.h"
#include "httpd/child/this_child.h"
#include "httpd/config/hubs.h"
#include "httpd/monitor/metric_table.h"
#include "httpd/route/claim.h"
#include "httpd/route/page.h"
#include "hub/child/child.h"
#include "hub/hub/numbers.h"

#define CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

/* Most parameters of the page's query component. */
#define PARAMETERS_MAX 16

/* TEXT as the value of a label, with \, " and line ends escaped. */
static const char *escape_label(apr_pool_t *pool, const char *text)
{
    char *escaped = apr_palloc(pool, 2 * strlen(text) + 1);
    char *out = escaped;

    for (; *text; text++) {
        if (*text == '\\' || *text == '"' || *text == '\n')
            *out++ = '\\';
        *out++ = *text == '\n' ? 'n' : *text;
    }
    *out = '\0';
    return escaped;
}

/* Prometheus' buckets are cumulative. The last part of METRIC is the sum. */
static void print_histogram(request_rec *r, const struct mrc_metric *metric,
                            const struct mrc_child *child, const struct mrc_hub *hub,
                            const char *label)
{
    char buf[MRC_METRIC_PART_BYTES];
    unsigned sum = mrc_metric_parts(metric, child) - 1;
    uint64_t count = 0;

    for (unsigned part = 0; part < sum; part++) {
        count += mrc_metric_value(metric, hub, part);
        ap_rprintf(r, "%s_bucket{hub=\"%s\",le=\"%s\"} %" APR_UINT64_T_FMT "\n", metric->name,
                   label, mrc_metric_part(metric, child, part, buf), count);
    }
    ap_rprintf(r, "%s_sum{hub=\"%s\"} %.6f\n%s_count{hub=\"%s\"} %" APR_UINT64_T_FMT "\n",
               metric->name, label, (double)mrc_metric_value(metric, hub, sum) / 1e6, metric->name,
               label, count);
}

static void print_parts(request_rec *r, const struct mrc_metric *metric,
                        const struct mrc_child *child, const struct mrc_hub *hub, const char *label)
{
    unsigned parts = mrc_metric_parts(metric, child);
    char buf[MRC_METRIC_PART_BYTES];

    for (unsigned part = 0; part < parts; part++) {
        const char *value = mrc_metric_part(metric, child, part, buf);

        if (!value)
            continue;
        ap_rprintf(r, "%s{hub=\"%s\"", metric->name, label);
        if (metric->label)
            ap_rprintf(r, ",%s=\"%s\"", metric->label, value);
        ap_rprintf(r, "} %" APR_UINT64_T_FMT "\n", mrc_metric_value(metric, hub, part));
    }
}

/* The key of HUB; NULL: it is for a site of VirtualDocumentRoot, and no site has it yet. */
static const char *key_of(request_rec *r, struct mrc_child *child, const struct mrc_hub_conf *hub)
{
    const struct mrc_location *first = APR_ARRAY_IDX(hub->locations, 0, struct mrc_location *);
    const char *name;

    if (!hub->is_of_site)
        return hub->label;
    name = mrc_child_site_name(child, (size_t)hub->index);
    return name ? apr_pstrcat(r->pool, name, first->path, NULL) : NULL;
}

/*
 * The keys of HUBS, by their index; NULL: the hub is not shown. WANTED is the key of the only hub
 * to show; NULL: all. False if no hub has the key WANTED.
 */
static bool find_keys(request_rec *r, struct mrc_child *child, const apr_array_header_t *hubs,
                      const struct mrc_bytes *wanted, const char ***ret_keys)
{
    const char **keys = apr_pcalloc(r->pool, sizeof(*keys) * ((size_t)hubs->nelts + 1));
    bool found = !wanted;

    for (int i = 0; i < hubs->nelts; i++) {
        const char *key = key_of(r, child, APR_ARRAY_IDX(hubs, i, struct mrc_hub_conf *));

        if (!key || (wanted && !mrc_bytes_eq_str(*wanted, key)))
            continue;
        keys[i] = key;
        found = true;
    }
    *ret_keys = keys;
    return found;
}

/* VIEWS: of each of HUBS; NULL: it is down, or not shown. */
static void print_metric(request_rec *r, const struct mrc_metric *metric,
                         const struct mrc_child *child, const apr_array_header_t *hubs,
                         struct mrc_hub *const *views, const char *const *labels)
{
    ap_rprintf(r, "# HELP %s %s\n# TYPE %s %s\n", metric->name, metric->help, metric->name,
               metric->type);
    for (int i = 0; i < hubs->nelts; i++) {
        const struct mrc_hub *hub = views[i];
        const char *label = labels[i];

        if (!hub || !mrc_metric_is_of(metric, hub))
            continue;
        if (mrc_metric_is_histogram(metric))
            print_histogram(r, metric, child, hub, label);
        else
            print_parts(r, metric, child, hub, label);
    }
}

/* KEYS: see find_keys(). */
static void print_metrics(request_rec *r, struct mrc_child *child, const apr_array_header_t *hubs,
                          const char *const *keys)
{
    struct mrc_hub **views = apr_pcalloc(r->pool, sizeof(*views) * ((size_t)hubs->nelts + 1));
    const char **labels = apr_pcalloc(r->pool, sizeof(*labels) * ((size_t)hubs->nelts + 1));

    for (int i = 0; i < hubs->nelts; i++) {
        if (!keys[i])
            continue;
        labels[i] = escape_label(r->pool, keys[i]);
        views[i] = mrc_child_view_hub(child, r->pool, (size_t)i);
    }
    for (size_t i = 0; i < mrc_metrics_count; i++)
        print_metric(r, &mrc_metrics[i], child, hubs, views, labels);
}

/* The parameter `hub` of R, in its pool. NULL: there is none. */
static const struct mrc_bytes *find_wanted(request_rec *r)
{
    struct mrc_bytes *wanted = NULL;
    struct mrc_form *form;

    if (!r->args || mrc_form_parse(mrc_bytes_of(r->args), PARAMETERS_MAX, NULL, &form) != MRC_OK)
        return NULL;
    for (size_t i = 0; i < mrc_form_count(form) && !wanted; i++) {
        struct mrc_form_pair pair = mrc_form_get(form, i);

        if (!mrc_bytes_eq_str(pair.name, "hub"))
            continue;
        wanted = apr_palloc(r->pool, sizeof(*wanted));
        wanted->ptr = apr_pmemdup(r->pool, pair.value.ptr, pair.value.len);
        wanted->len = pair.value.len;
    }
    mrc_form_free(form);
    return wanted;
}

/* Whether R is for the page. With `<Location "/">`, as on a port of its own, all paths are. */
static bool is_page(request_rec *r)
{
    const char *below = mrc_page_below(r, MRC_PAGE_METRICS);

    return !below || !*below || !strcmp(below, r->uri);
}

int mrc_metrics_handler(request_rec *r)
{
    struct mrc_child *child = mrc_this_child_get();
    const apr_array_header_t *hubs = mrc_hubs_hubs(ap_server_conf);
    const char **keys;

    if (!mrc_claim_is_for_page(r, MRC_PAGE_METRICS))
        return DECLINED;
    if (!is_page(r))
        return mrc_answer_problem(r, HTTP_NOT_FOUND, "there is no page below the metrics");
    if (r->method_number != M_GET) {
        apr_table_setn(r->headers_out, "Allow", "GET, HEAD");
        return mrc_answer_problem(r, HTTP_METHOD_NOT_ALLOWED,
                                  "this page accepts only GET and HEAD");
    }
    if (hubs->nelts > 0 && !child)
        return mrc_answer_problem(r, HTTP_SERVICE_UNAVAILABLE,
                                  "this server process serves no hub: try again");
    if (child && !find_keys(r, child, hubs, find_wanted(r), &keys))
        return mrc_answer_problem(r, HTTP_NOT_FOUND,
                                  "no hub of this server has this key: without the parameter hub, "
                                  "the page shows the keys of all hubs as label");
    mrc_answer_add_headers(r);
    apr_table_setn(r->headers_out, "Cache-Control", "no-store");
    r->no_cache = 1; /* even with CacheStoreNoStore On */
    ap_set_content_type(r, CONTENT_TYPE);
    if (r->header_only)
        return OK;
    ap_rputs("# HELP mercure_build_info The version of mod_mercure.\n"
             "# TYPE mercure_build_info gauge\n"
             "mercure_build_info{version=\"" MRC_VERSION "\"} 1\n",
             r);
    if (child)
        print_metrics(r, child, hubs, keys);
    return OK;
}
