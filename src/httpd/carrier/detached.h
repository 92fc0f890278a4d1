/*
 * The detached carrier: a client of plain HTTP/1.1 that has left httpd.
 *
 * Where nothing but httpd's own framing stands between a stream and its socket, the socket is taken
 * out of httpd under every MPM: the stream has a descriptor of its own for it, httpd closes its own
 * one and frees the connection and the request, and the MPM knows nothing of it any more. What
 * remains is the line of the access log, in some hundred bytes (log_record.h).
 *
 *     worker       headers and first bytes through httpd; then the socket is posted
 *     dispatcher   writes chunks to the socket; closes it, and writes the log
 */
#ifndef MRC_HTTPD_CARRIER_DETACHED_H
#define MRC_HTTPD_CARRIER_DETACHED_H

#include <stdbool.h>

#include "httpd.h"

struct mrc_interned_table;
struct mrc_log_fields;
struct mrc_child;
struct mrc_subscriber;

/*
 * Whether R's connection can leave httpd: nothing in its filters needs to see what is sent, and
 * its request line is none of those extremely long ones that no log record holds.
 */
bool mrc_carrier_detached_is_possible(const request_rec *r);

/*
 * Sends R's headers and the first bytes, and posts the stream to the dispatcher of PROCESS. What
 * the handler returns. FIELDS and SHARED are log_record.h's; SUBSCRIBER is taken over.
 */
int mrc_carrier_detached_start(request_rec *r, struct mrc_child *process,
                               const struct mrc_log_fields *fields,
                               struct mrc_interned_table *shared,
                               struct mrc_subscriber *subscriber);

#endif
