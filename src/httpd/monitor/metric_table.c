#include "httpd/monitor/metric_table.h"

#include <stdio.h>

#include "apr_time.h"

#include "hub/child/child.h"
#include "hub/hub/hub.h"
#include "hub/hub/numbers.h"
#include "store/engine/engine.h"
#include "store/history/history.h"
#include "store/hub/segment.h"
#include "store/regions/link.h"
#include "store/regions/staging.h"

_Static_assert(MRC_LINK_BOUNDS == MRC_NUMBERS_BOUNDS, "histograms have the same buckets");

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
        .help = "Open streams by carrier: detached (they have left httpd), tls (the same "
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
        .name = "mercure_memory_bytes",
        .type = "gauge",
        .label = "kind",
        .help = "Memory of the hub: shared (by all processes of the server).",
        .title = "Memory",
        .key = "MercureMemoryBytes",
        .source = MRC_METRIC_MEMORY,
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
    {
        .name = "mercure_transport_lag_updates",
        .type = "gauge",
        .help = "Updates that other machines have published and this one has not read yet.",
        .title = "Behind",
        .key = "MercureTransportLag",
        .source = MRC_METRIC_LINK_LAG,
        .fold = MRC_METRIC_MAX,
    },
    {
        .name = "mercure_transport_state_seconds",
        .type = "gauge",
        .help = "Seconds since mercure_transport_up last changed.",
        .title = "Since (s)",
        .key = "MercureTransportStateSeconds",
        .source = MRC_METRIC_LINK_STATE,
        .fold = MRC_METRIC_MIN,
    },
    {
        .name = "mercure_transport_machines",
        .type = "gauge",
        .help = "Machines that form the hub, this one included.",
        .title = "Machines",
        .key = "MercureTransportMachines",
        .source = MRC_METRIC_LINK_MACHINES,
        .fold = MRC_METRIC_MIN,
    },
    {
        .name = "mercure_transport_staged",
        .type = "gauge",
        .help = "Publications that wait for the Redis server.",
        .title = "Waiting",
        .key = "MercureTransportStaged",
        .source = MRC_METRIC_LINK_STAGED,
    },
    {
        .name = "mercure_transport_commit_seconds",
        .type = "histogram",
        .help = "Time from sending a publication to the Redis server until it was read back and "
                "answered.",
        .source = MRC_METRIC_LINK_COMMIT,
        .index = MRC_LINK_COMMIT,
    },
    {
        .name = "mercure_transport_batches_total",
        .type = "counter",
        .help = "Batches of publications sent to the Redis server.",
        .source = MRC_METRIC_LINK_COUNTER,
        .index = MRC_LINK_BATCHES,
    },
    {
        .name = "mercure_transport_reconnects_total",
        .type = "counter",
        .label = "reason",
        .help = "Lost or failed connections with the Redis server.",
        .title = "Reconnects",
        .key = "MercureTransportReconnects",
        .source = MRC_METRIC_LINK_RECONNECTS,
        .index = MRC_LINK_RECONNECTS,
    },
    {
        .name = "mercure_transport_lost_total",
        .type = "counter",
        .help = "Updates that this machine has and the Redis server had lost, as in a failover.",
        .source = MRC_METRIC_LINK_COUNTER,
        .index = MRC_LINK_LOST,
    },
    {
        .name = "mercure_transport_restored_total",
        .type = "counter",
        .help = "Updates that this machine has put back to the Redis server.",
        .source = MRC_METRIC_LINK_COUNTER,
        .index = MRC_LINK_RESTORED,
    },
    {
        .name = "mercure_transport_skipped_total",
        .type = "counter",
        .help = "Entries in the Redis server that this machine passed over: of another program, or "
                "too large.",
        .source = MRC_METRIC_LINK_COUNTER,
        .index = MRC_LINK_SKIPPED,
    },
    {
        .name = "mercure_transport_missed_total",
        .type = "counter",
        .help = "Updates that this machine could not get any more, as its subscribers were told.",
        .source = MRC_METRIC_LINK_COUNTER,
        .index = MRC_LINK_MISSED,
    },
    {
        .name = "mercure_transport_publish_refused_total",
        .type = "counter",
        .label = "reason",
        .help = "Publications that were refused because of the Redis server.",
        .source = MRC_METRIC_LINK_REFUSED,
        .index = MRC_LINK_REFUSED,
    },
};
const size_t mrc_metrics_count = sizeof(mrc_metrics) / sizeof(mrc_metrics[0]);

bool mrc_metric_is_of(const struct mrc_metric *metric, const struct mrc_hub *hub)
{
    return metric->source < MRC_METRIC_LINK_LAG || mrc_hub_link(hub);
}

bool mrc_metric_is_histogram(const struct mrc_metric *metric)
{
    return metric->source == MRC_METRIC_DISPATCH || metric->source == MRC_METRIC_LINK_COMMIT;
}

unsigned mrc_metric_parts(const struct mrc_metric *metric, const struct mrc_child *child)
{
    switch (metric->source) {
    case MRC_METRIC_ENDED:
        return MRC_END_COUNT;
    case MRC_METRIC_STREAMS:
        return MRC_CARRIER_KINDS;
    case MRC_METRIC_REFUSED:
        return MRC_REFUSAL_COUNT;
    case MRC_METRIC_DISPATCH:
    case MRC_METRIC_LINK_COMMIT:
        return MRC_NUMBERS_BOUNDS + 2;
    case MRC_METRIC_LINK_RECONNECTS:
        return MRC_ENGINE_REASONS;
    case MRC_METRIC_LINK_REFUSED:
        return MRC_LINK_REFUSALS;
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
    case MRC_METRIC_MEMORY:
        return "shared";
    case MRC_METRIC_LINK_RECONNECTS:
        return mrc_engine_reason_text((enum mrc_engine_reason)part);
    case MRC_METRIC_LINK_REFUSED:
        return mrc_link_refusal_text((enum mrc_link_refusal)part);
    case MRC_METRIC_DISPATCH:
    case MRC_METRIC_LINK_COMMIT:
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

/* How long the link has had its state. */
static uint64_t state_seconds(const struct mrc_link_status *status)
{
    int64_t now_us = apr_time_now();

    return status->since_us > 0 && status->since_us < now_us
               ? (uint64_t)(now_us - status->since_us) / 1000000
               : 0;
}

/* A value of the link of HUB, which has one. */
static uint64_t link_value(const struct mrc_metric *metric, const struct mrc_hub *hub,
                           unsigned part)
{
    const struct mrc_link *link = mrc_hub_link(hub);
    struct mrc_link_status status;

    switch (metric->source) {
    case MRC_METRIC_LINK_LAG:
        mrc_link_get_status(link, &status);
        return status.lag;
    case MRC_METRIC_LINK_STATE:
        mrc_link_get_status(link, &status);
        return state_seconds(&status);
    case MRC_METRIC_LINK_MACHINES:
        mrc_link_get_status(link, &status);
        return status.machines;
    case MRC_METRIC_LINK_STAGED:
        return mrc_staging_count(mrc_hub_segment_staging(mrc_hub_segment(hub)));
    default:
        return mrc_link_get_count(link, metric->index + part);
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
    case MRC_METRIC_MEMORY:
        return mrc_hub_memory_bytes(hub);
    case MRC_METRIC_LINK_LAG:
    case MRC_METRIC_LINK_STATE:
    case MRC_METRIC_LINK_MACHINES:
    case MRC_METRIC_LINK_STAGED:
    case MRC_METRIC_LINK_COUNTER:
    case MRC_METRIC_LINK_RECONNECTS:
    case MRC_METRIC_LINK_REFUSED:
    case MRC_METRIC_LINK_COMMIT:
        return link_value(metric, hub, part);
    default:
        return mrc_numbers_counter(mrc_hub_numbers(hub), (enum mrc_counter)(metric->index + part));
    }
}
