/* clang-format off */
/*
 * The detached carrier: the client's socket leaves httpd.
 *
 * For a client of HTTP/1.1, if only httpd's own framing, and perhaps the TLS of mod_ssl, is between
 * its stream and its socket; under every MPM. The stream gets a duplicate of the socket's descriptor,
 * and over TLS the SSL object (httpd/tls/takeover.h). httpd closes its own descriptor, and frees the
 * request and the connection as if the client had gone. An idle plain stream then costs a descriptor
 * and some hundred bytes, most of them for the record of its access log line (httpd/log/record.h).
 *
 *     worker                          dispatcher              job thread      the socket belongs to
 *       |
 *       | duplicate the descriptor                                            httpd
 *       | send the head, with FLUSH                                             :
 *       | keep the log record                                                   :
 *       | mark the connection aborted:                                          :
 *       |   httpd sends nothing more                                            :
 *       |                                                                       :
 *       +--- mrc_dispatcher_post() ----->+                                    the dispatcher,
 *       |                                | write(), flush():                    by its duplicate
 *       | httpd closes its descriptor,   |   never block                         :
 *       |   frees request, connection    |                                       :
 *       v                                | close(): last chunk,                  :
 *                                        |   shutdown, close()                nobody: closed
 *                                        +-- mrc_jobs_post() --->+
 *                                                                | write the access log line
 *                                                                v
 *
 * After mrc_dispatcher_post() the worker touches neither the stream nor the duplicate: the stream
 * may have ended by then. If the stream cannot begin, the worker closes the duplicate, and httpd
 * the connection.
 */
/* clang-format on */
#ifndef MRC_HTTPD_CARRIER_DETACHED_H
#define MRC_HTTPD_CARRIER_DETACHED_H

#include <stdbool.h>

#include "httpd.h"

struct mrc_subscriber;

/*
 * Whether R's connection can leave httpd: no filter needs to see what is sent, and a log record has
 * room for R's request line.
 */
bool mrc_carrier_detached_is_possible(const request_rec *r);

/*
 * Sends R's head and posts the stream of SUBSCRIBER, which is taken over in all cases, to the
 * dispatcher. In the thread that handles R, in a child that serves hubs. Returns the value for the
 * handler to return.
 */
int mrc_carrier_detached_start(request_rec *r, struct mrc_subscriber *subscriber);

#endif
