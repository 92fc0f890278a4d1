/*
 * A worker thread stays with a quick publisher: when it has answered a publication, it waits up to
 * a millisecond for the next one (pace.h).
 *
 * The event MPM otherwise passes each connection between two requests from the worker to the
 * listener, which polls the sockets of all clients, and back to a worker. Two changes of threads
 * and several system calls are a good part of the cost of a publication. httpd does the same for
 * requests that have arrived already (ap_check_pipeline()), so nothing else changes: the wait is
 * between the end of the request, which is logged and freed by then, and httpd's own look for the
 * next one.
 *
 *     output filters of the connection, at the end of a request:
 *
 *         end of request --> this filter --> mod_ssl --> network: sends the answer
 *                            then waits                           logs the request
 *
 * No thread waits
 *
 *   - unless half of the child's threads are idle;
 *   - if the connection is about to close, or the child ends;
 *   - if the next request has come already;
 *   - over HTTP/2, whose requests do not own their connection;
 *   - under worker and prefork, where a thread keeps its connection for KeepAliveTimeout anyway.
 */
#ifndef MRC_HTTPD_PUBLISH_STAY_H
#define MRC_HTTPD_PUBLISH_STAY_H

#include "httpd.h"

/* The name of the filter. It passes everything on as it comes. */
#define MRC_STAY_FILTER "MERCURE_STAY"

/* Registers the filter. */
void mrc_stay_register(void);

/* R, a publication, is answered with success. In the thread that handles it. */
void mrc_stay_note(request_rec *r);

#endif
