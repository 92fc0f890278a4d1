/*
 * `SetHandler mercure-health`: whether this server serves its hubs, for load balancers and
 * supervisors.
 *
 *     P/live    200 as long as a child answers at all: restart the server if it does not
 *     P/ready   200 if every hub can be published and subscribed to here: send clients elsewhere
 *               if not
 *     P         as /ready
 *
 * P is the path of the `<Location>`; any other below it is 404.
 */
#ifndef MRC_HTTPD_MONITOR_HEALTH_H
#define MRC_HTTPD_MONITOR_HEALTH_H

#include "httpd.h"

/* The handler. JSON: {"status":"ok"}, or {"status":"unavailable","reason":"…"} with 503. */
int mrc_health_handler(request_rec *r);

#endif
