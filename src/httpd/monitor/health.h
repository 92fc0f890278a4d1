/*
 * `SetHandler mercure-health`: whether this server serves its hubs, for load balancers and
 * supervisors.
 *
 *     P/live    200 while a child process answers. Without an answer: restart the server
 *     P/ready   200 if every hub can be published and subscribed to in the child process that
 *               answers. 503: send clients elsewhere
 *     P         the same as P/ready
 *
 * P is the path of the `<Location>`. Other paths below it are 404.
 */
#ifndef MRC_HTTPD_MONITOR_HEALTH_H
#define MRC_HTTPD_MONITOR_HEALTH_H

#include "httpd.h"

/*
 * The handler. Answers in JSON: {"status":"ok"} with 200, or {"status":"unavailable","reason":"…"}
 * with 503. If a hub has a transport, the member `transport` has the state of the worst connection.
 */
int mrc_health_handler(request_rec *r);

#endif
