#include "httpd/monitor/metric_table.h"

#include <stdio.h>

#include "apr_time.h"

#include "hub/child/child.h"
#include "hub/hub/hub.h"
#include "hub/hub/numbers.h"
#include "store/history/history.h"

const struct mrc_metric mrc_metrics[] = {
    {
        .name = "mercure_subscribers_connected",
        .type = "gauge",
        .help = "Open streams.",
        .title = "Subscribers",
        .key = "MercureSubscribers",
        .source = MRC_METRIC_GAUGE,
        .index = MRC_GAUGE_SUBSCRIBERS,
    },
    {
        .name = "mercure_streams",
        .type = "gauge",
        .label = "carrier",
        .help = "Open streams by the way they take: detached (they have left httpd), tls (the same "
                "with TLS), http2, suspended (in httpd's filters without a thread), threaded.",
        .title = "Carriers",
        .key = "MercureStreams",
        .source = MRC_METRIC_STREAMS,
        .index = MRC_GAUGE_STREAMS,
    },
    {
        .name = "mercure_streams_holding_threads",
        .type = "gauge",
        .help =
            "Streams that hold a thread of the server; the first hub shows the sum of all hubs.",
        .title = "Threads",
        .key = "MercureThreads",
        .source = MRC_METRIC_GAUGE,
        .index = MRC_GAUGE_THREADS,
    },
    {
        .name = "mercure_subscribers_total",
        .type = "counter",
        .help = "Streams opened so far.",
        .title = "Streams",
        .key = "MercureSubscribersTotal",
        .source = MRC_METRIC_COUNTER,
        .index = MRC_COUNTER_SUBSCRIBERS,
    },
    {
        .name = "mercure_updates_total",
        .type = "counter",
        .help = "Updates accepted so far.",
        .title = "Updates",
        .key = "MercureUpdates",
        .source = MRC_METRIC_COUNTER,
        .index = MRC_COUNTER_UPDATES,
    },
    {
        .name = "mercure_deliveries_total",
        .type = "counter",
        .help = "Updates given to a subscriber, including replay.",
        .title = "Deliveries",
        .key = "MercureDeliveries",
        .source = MRC_METRIC_COUNTER,
        .index = MRC_COUNTER_DELIVERIES,
    },
    {
        .name = "mercure_publish_rejected_total",
        .type = "counter",
        .label = "reason",
        .help = "Refused publications.",
        .title = "Rejected",
        .key = "MercurePublishRejected",
        .source = MRC_METRIC_REFUSED,
        .index = MRC_COUNTER_PUBLISH_REJECTED,
    },
    {
        .name = "mercure_subscribers_refused_total",
        .type = "counter",
        .label = "reason",
        .help = "Refused subscriptions.",
        .title = "Refused",
        .key = "MercureSubscribersRefused",
        .source = MRC_METRIC_REFUSED,
        .index = MRC_COUNTER_REFUSED,
    },
    {
        .name = "mercure_subscribers_ended_total",
        .type = "counter",
        .label = "reason",
        .help = "Ended streams.",
        .title = "Ended",
        .key = "MercureSubscribersEnded",
        .source = MRC_METRIC_ENDED,
        .index = MRC_COUNTER_ENDED,
    },
    {
        .name = "mercure_patterns",
        .type = "gauge",
        .help = "URL Patterns and URI templates of subscribers, counted in each child process "
                "(MercureLimit patterns=).",
        .title = "Patterns",
        .key = "MercurePatterns",
        .source = MRC_METRIC_GAUGE,
        .index = MRC_GAUGE_PATTERNS,
    },
    {
        .name = "mercure_pattern_bytes",
        .type = "gauge",
        .help = "Memory of these patterns (MercureLimit compiled=).",
        .key = "MercurePatternBytes",
        .source = MRC_METRIC_GAUGE,
        .index = MRC_GAUGE_PATTERN_BYTES,
    },
    {
        .name = "mercure_history_updates",
        .type = "gauge",
        .help = "Updates that a replay can reach.",
        .title = "History",
        .key = "MercureHistoryUpdates",
        .source = MRC_METRIC_HISTORY_UPDATES,
    },
    {
        .name = "mercure_history_bytes",
        .type = "gauge",
        .help = "Bytes of topics, ids, types and data of the updates that a replay can reach.",
        .title = "Bytes",
        .key = "MercureHistoryBytes",
        .source = MRC_METRIC_HISTORY_BYTES,
    },
    {
        .name = "mercure_dispatch_seconds",
        .type = "histogram",
        .help = "Time from the acceptance of an update until it was written to a subscriber, "
                "without replay.",
        .source = MRC_METRIC_DISPATCH,
        .index = MRC_COUNTER_DISPATCH,
    },
    {
        .name = "mercure_ring_lag_updates",
        .type = "gauge",
        .label = "child",
        .help = "Updates that a child process was woken for and has not read yet.",
        .title = "Lag",
        .key = "MercureRingLag",
        .source = MRC_METRIC_LAG,
        .fold = MRC_METRIC_MAX,
    },
    {
        .name = "mercure_transport_up",
        .type = "gauge",
        .help = "1 if updates reach the other machines of the hub, 0 if they do not.",
        .title = "Transport",
        .key = "MercureTransportUp",
        .source = MRC_METRIC_TRANSPORT,
        .fold = MRC_METRIC_MIN,
    },
};
const size_t mrc_metrics_count = sizeof(mrc_metrics) / sizeof(mrc_metrics[0]);

unsigned mrc_metric_parts(const struct mrc_metric *metric, const struct mrc_child *child)
{
    switch (metric->source) {
    case MRC_METRIC_ENDED:
        return MRC_END_ERROR + 1;
    case MRC_METRIC_STREAMS:
        return MRC_CARRIER_KINDS;
    case MRC_METRIC_REFUSED:
        return MRC_REFUSAL_COUNT;
    case MRC_METRIC_DISPATCH:
        return MRC_NUMBERS_BOUNDS + 2;
    case MRC_METRIC_LAG:
        return mrc_child_slots(child);
    default:
        return 1;
    }
}

const char *mrc_metric_part(const struct mrc_metric *metric, const struct mrc_child *child,
                            unsigned part, char buf[MRC_METRIC_PART_BYTES])
{
    switch (metric->source) {
    case MRC_METRIC_ENDED: /* a refused stream never began, so it has not ended */
        return part == MRC_END_REFUSED ? NULL : mrc_end_text((enum mrc_end)part);
    case MRC_METRIC_STREAMS:
        return mrc_carrier_kind_text((enum mrc_carrier_kind)part);
    case MRC_METRIC_REFUSED:
        return mrc_refusal_text((enum mrc_refusal)part);
    case MRC_METRIC_DISPATCH:
        if (part >= MRC_NUMBERS_BOUNDS)
            return "+Inf";
        snprintf(buf, MRC_METRIC_PART_BYTES, "%g", (double)mrc_numbers_bound_us(part) / 1e6);
        return buf;
    case MRC_METRIC_LAG:
        if (!mrc_child_is_live(child, part))
            return NULL;
        snprintf(buf, MRC_METRIC_PART_BYTES, "%u", part);
        return buf;
    default:
        return "";
    }
}

uint64_t mrc_metric_value(const struct mrc_metric *metric, const struct mrc_hub *hub, unsigned part)
{
    uint64_t records = 0;
    uint64_t bytes = 0;

    switch (metric->source) {
    case MRC_METRIC_GAUGE:
        return mrc_numbers_gauge(mrc_hub_numbers(hub), (enum mrc_gauge)metric->index);
    case MRC_METRIC_STREAMS:
        return mrc_numbers_gauge(mrc_hub_numbers(hub), (enum mrc_gauge)(metric->index + part));
    case MRC_METRIC_LAG:
        return mrc_numbers_lag(mrc_hub_numbers(hub), part);
    case MRC_METRIC_TRANSPORT:
        return mrc_hub_transport_is_up(hub);
    case MRC_METRIC_HISTORY_UPDATES:
        mrc_history_count(mrc_hub_history(hub), apr_time_now(), &records, &bytes);
        return records;
    case MRC_METRIC_HISTORY_BYTES:
        mrc_history_count(mrc_hub_history(hub), apr_time_now(), &records, &bytes);
        return bytes;
    default:
        return mrc_numbers_counter(mrc_hub_numbers(hub), (enum mrc_counter)(metric->index + part));
    }
}
