#include "httpd/status.h"

#include "apr_optional_hooks.h"
#include "http_main.h"
#include "http_protocol.h"
#include "mod_status.h"

#include "httpd/lifecycle.h"
#include "httpd/registry.h"
#include "hub/hub.h"
#include "hub/process.h"

/* What is told of a hub. */
struct numbers {
    uint64_t subscribers;
    uint64_t threads;
    uint64_t updates;
    uint64_t deliveries;
    uint64_t patterns;
    uint64_t pattern_bytes;
};

static void add_numbers(const struct mrc_hub *hub, struct numbers *numbers)
{
    numbers->subscribers += mrc_hub_gauge(hub, MRC_GAUGE_SUBSCRIBERS);
    numbers->threads += mrc_hub_gauge(hub, MRC_GAUGE_THREADS);
    numbers->updates += mrc_hub_counter(hub, MRC_COUNTER_UPDATES);
    numbers->deliveries += mrc_hub_counter(hub, MRC_COUNTER_DELIVERIES);
    numbers->patterns += mrc_hub_gauge(hub, MRC_GAUGE_PATTERNS);
    numbers->pattern_bytes += mrc_hub_gauge(hub, MRC_GAUGE_PATTERN_BYTES);
}

static void print_lines(request_rec *r, const struct numbers *sum)
{
    ap_rprintf(r,
               "MercureSubscribers: %" APR_UINT64_T_FMT "\n"
               "MercureThreads: %" APR_UINT64_T_FMT "\n"
               "MercureUpdates: %" APR_UINT64_T_FMT "\n"
               "MercureDeliveries: %" APR_UINT64_T_FMT "\n"
               "MercurePatterns: %" APR_UINT64_T_FMT "\n"
               "MercurePatternBytes: %" APR_UINT64_T_FMT "\n",
               sum->subscribers, sum->threads, sum->updates, sum->deliveries, sum->patterns,
               sum->pattern_bytes);
}

static void print_row(request_rec *r, const char *label, const struct numbers *numbers)
{
    ap_rprintf(r,
               "<tr><td>%s</td><td>%" APR_UINT64_T_FMT "</td><td>%" APR_UINT64_T_FMT
               "</td><td>%" APR_UINT64_T_FMT "</td></tr>\n",
               ap_escape_html(r->pool, label), numbers->subscribers, numbers->updates,
               numbers->deliveries);
}

int mrc_status_hook(request_rec *r, int flags)
{
    const struct mrc_process *process = mrc_lifecycle_process();
    const apr_array_header_t *hubs = mrc_registry_hubs(ap_server_conf);
    struct numbers sum = {0};

    if (!process)
        return DECLINED;
    if (!(flags & AP_STATUS_SHORT))
        ap_rputs("<hr />\n<h2>Mercure</h2>\n<table border=\"0\">\n<tr><th>Hub</th>"
                 "<th>Subscribers</th><th>Updates</th><th>Deliveries</th></tr>\n",
                 r);
    for (int i = 0; i < hubs->nelts; i++) {
        const struct mrc_hub *hub = mrc_process_hub(process, (size_t)i);
        struct numbers numbers = {0};

        if (!hub)
            continue;
        add_numbers(hub, &numbers);
        add_numbers(hub, &sum);
        if (!(flags & AP_STATUS_SHORT))
            print_row(r, APR_ARRAY_IDX(hubs, i, struct mrc_hub_conf *)->label, &numbers);
    }
    if (flags & AP_STATUS_SHORT)
        print_lines(r, &sum);
    else
        ap_rprintf(r, "</table>\n<p>%" APR_UINT64_T_FMT " of the streams hold a thread.</p>\n",
                   sum.threads);
    return OK;
}

void mrc_status_register(void)
{
    APR_OPTIONAL_HOOK(ap, status_hook, mrc_status_hook, NULL, NULL, APR_HOOK_MIDDLE);
}
