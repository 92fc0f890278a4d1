/*
 * `SetHandler mercure-metrics`: the numbers of all hubs in Prometheus' text format (0.0.4).
 */
#ifndef MRC_HTTPD_MONITOR_METRICS_H
#define MRC_HTTPD_MONITOR_METRICS_H

#include "httpd.h"

/*
 * The handler. Any child answers for all children. Labels are `hub`, whose values come from the
 * configuration, and those of metric_table.h. 503 from a child that serves no hub though there are
 * some.
 */
int mrc_metrics_handler(request_rec *r);

#endif
