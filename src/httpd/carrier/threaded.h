/*
 * The threaded carrier: a stream that is held by the thread that got the request.
 *
 * For MPMs and connections that cannot give a connection away: worker, prefork, HTTP/2.
 */
#ifndef MRC_HTTPD_CARRIER_THREADED_H
#define MRC_HTTPD_CARRIER_THREADED_H

#include "httpd.h"

struct mrc_child;
struct mrc_subscriber;

/*
 * Sends R's headers and then SUBSCRIBER's events, until the client goes, the stream's time is over,
 * the subscriber falls behind or the child is to end; then closes SUBSCRIBER. What the handler
 * returns.
 */
int mrc_carrier_threaded_run(request_rec *r, struct mrc_child *process,
                             struct mrc_subscriber *subscriber);

#endif
