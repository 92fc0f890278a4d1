/*
 * The table of metrics: one row says everything about one number of a hub. The page for Prometheus
 * (metrics.c) and the section of mod_status (status.c) both come from it.
 *
 * A metric has parts: one, or one for each value of a label whose values this program chooses. A
 * histogram has its buckets, and their sum in microseconds as the last part.
 */
#ifndef MRC_HTTPD_MONITOR_METRIC_TABLE_H
#define MRC_HTTPD_MONITOR_METRIC_TABLE_H

#include <stddef.h>
#include <stdint.h>

struct mrc_hub;
struct mrc_child;

enum mrc_metric_source {
    MRC_METRIC_COUNTER, /* counter `index` */
    MRC_METRIC_GAUGE,   /* gauge `index` */
    MRC_METRIC_ENDED,   /* counters from `index` on: one for each end of a stream */
    MRC_METRIC_REFUSED, /* counters from `index` on: one for each refusal */
    MRC_METRIC_HISTORY_UPDATES,
    MRC_METRIC_HISTORY_BYTES,
    MRC_METRIC_DISPATCH, /* the histogram */
    MRC_METRIC_LAG,      /* one for each slot of a child */
    MRC_METRIC_TRANSPORT
};

/* What the sum over hubs and parts is in mod_status. */
enum mrc_metric_fold { MRC_METRIC_SUM, MRC_METRIC_MAX, MRC_METRIC_MIN };

struct mrc_metric {
    const char *name;  /* of Prometheus */
    const char *type;  /* of Prometheus */
    const char *label; /* whose values the parts are; NULL: there is one part */
    const char *help;
    const char *title; /* of mod_status, for people; NULL: not in the table of the page */
    const char *key;   /* of mod_status' ?auto; the part follows it */
    enum mrc_metric_source source;
    unsigned index;
    enum mrc_metric_fold fold;
};

extern const struct mrc_metric mrc_metrics[];
extern const size_t mrc_metrics_count;

/* How many parts there may be. */
unsigned mrc_metric_parts(const struct mrc_metric *metric, const struct mrc_child *process);

/* The label's value for PART, a constant or in BUF; NULL: there is no such part now. */
#define MRC_METRIC_PART_BYTES 24
const char *mrc_metric_part(const struct mrc_metric *metric, const struct mrc_child *process,
                            unsigned part, char buf[MRC_METRIC_PART_BYTES]);

/* The number of PART now, over all children. */
uint64_t mrc_metric_value(const struct mrc_metric *metric, const struct mrc_hub *hub,
                          unsigned part);

#endif
