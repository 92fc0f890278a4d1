/* clang-format off */
/*
 * The threaded carrier: the thread that handles the request holds the stream.
 *
 * For connections that can neither leave httpd nor be suspended: with filters under worker and
 * prefork, with filters that may block, and over HTTP/2 of mod_http2. There is no hand-over: the
 * connection belongs to the worker from the beginning to the end, and the dispatcher only wakes it.
 *
 *     worker                                               dispatcher
 *       |
 *       | open a waiter; duplicate the socket
 *       | send the head, with FLUSH
 *       |
 *    +->| take the events that are due, write them,
 *    |  |   and wait while the filters keep some
 *    |  | check the clock, and whether the child ends
 *    |  | poll(): the waiter, the socket, a signal  <----- an update: wake all waiters
 *    +--+
 *       | the stream ends: write a reconnection time
 *       | return OK: httpd ends the response, writes
 *       |   the access log line, closes the connection
 *       v
 *
 * The number of such streams is limited (choose.h), because each takes a thread from other
 * requests.
 */
/* clang-format on */
#ifndef MRC_HTTPD_CARRIER_THREADED_H
#define MRC_HTTPD_CARRIER_THREADED_H

#include "httpd.h"

struct mrc_subscriber;

/*
 * Sends R's head and then the events of SUBSCRIBER until the stream ends, closes SUBSCRIBER, and
 * returns the value for the handler to return. In the thread that handles R, in a child that serves
 * hubs.
 */
int mrc_carrier_threaded_run(request_rec *r, struct mrc_subscriber *subscriber);

#endif
