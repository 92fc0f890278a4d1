/*
 * `SetHandler mercure-metrics`: the metrics of all hubs in Prometheus' text format (0.0.4).
 */
#ifndef MRC_HTTPD_MONITOR_METRICS_H
#define MRC_HTTPD_MONITOR_METRICS_H

#include "httpd.h"

/*
 * The handler. Any child process answers for all children. The labels are `hub`, with values from
 * the configuration, and those of metric_table.h. 503 if hubs are configured, but this child
 * process serves none.
 */
int mrc_metrics_handler(request_rec *r);

#endif
