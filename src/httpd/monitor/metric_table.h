/*
 * The table of metrics: each row describes one metric of a hub. The page for Prometheus (metrics.c)
 * and the section of mod_status (server_status.c) both come from this table.
 *
 * A metric has parts: a single one, or one for each value of its label. The values of labels are
 * fixed by this program, never by clients. A histogram has a part for each bucket, and its sum in
 * microseconds as the last part.
 */
#ifndef MRC_HTTPD_MONITOR_METRIC_TABLE_H
#define MRC_HTTPD_MONITOR_METRIC_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mrc_hub;
struct mrc_child;

enum mrc_metric_source {
    MRC_METRIC_COUNTER, /* counter `index` */
    MRC_METRIC_GAUGE,   /* gauge `index` */
    MRC_METRIC_ENDED,   /* counters from `index` on, one for each enum mrc_end */
    MRC_METRIC_STREAMS, /* gauges from `index` on, one for each enum mrc_carrier_kind */
    MRC_METRIC_REFUSED, /* counters from `index` on, one for each enum mrc_refusal */
    MRC_METRIC_HISTORY_UPDATES,
    MRC_METRIC_HISTORY_BYTES,
    MRC_METRIC_MEMORY,   /* a part for each kind of memory */
    MRC_METRIC_DISPATCH, /* the histogram */
    MRC_METRIC_LAG,      /* a part for each slot of a child process */
    MRC_METRIC_TRANSPORT,
    /* From here on, only hubs with a transport have the metric. */
    MRC_METRIC_LINK_LAG,
    MRC_METRIC_LINK_STATE, /* how long the link has had its state */
    MRC_METRIC_LINK_MACHINES,
    MRC_METRIC_LINK_STAGED,
    MRC_METRIC_LINK_COUNTER,    /* counter `index` of the link */
    MRC_METRIC_LINK_RECONNECTS, /* the same, one for each enum mrc_engine_reason */
    MRC_METRIC_LINK_REFUSED,    /* the same, one for each enum mrc_link_refusal */
    MRC_METRIC_LINK_COMMIT      /* a histogram */
};

/* How mod_status combines hubs and parts to one number. */
enum mrc_metric_fold { MRC_METRIC_SUM, MRC_METRIC_MAX, MRC_METRIC_MIN };

struct mrc_metric {
    const char *name;  /* in Prometheus' format */
    const char *type;  /* in Prometheus' format */
    const char *label; /* the parts are its values; NULL: there is one part */
    const char *help;  /* in Prometheus' format */
    const char *title; /* on the page of mod_status; NULL: the page does not show it */
    const char *key;   /* in ?auto of mod_status, before the name of the part; NULL: the same */
    enum mrc_metric_source source;
    unsigned index;
    enum mrc_metric_fold fold;
};

extern const struct mrc_metric mrc_metrics[];
extern const size_t mrc_metrics_count;

/* Whether HUB has METRIC. */
bool mrc_metric_is_of(const struct mrc_metric *metric, const struct mrc_hub *hub);

/* Whether METRIC is a histogram. */
bool mrc_metric_is_histogram(const struct mrc_metric *metric);

/* The number of parts, including those that do not exist now. */
unsigned mrc_metric_parts(const struct mrc_metric *metric, const struct mrc_child *child);

/* The label's value for PART, a constant or in BUF. NULL: the part does not exist now. */
#define MRC_METRIC_PART_BYTES 24
const char *mrc_metric_part(const struct mrc_metric *metric, const struct mrc_child *child,
                            unsigned part, char buf[MRC_METRIC_PART_BYTES]);

/* The current value of PART, over all child processes. */
uint64_t mrc_metric_value(const struct mrc_metric *metric, const struct mrc_hub *hub,
                          unsigned part);

#endif
