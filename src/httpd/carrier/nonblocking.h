/*
 * Writes to a client of HTTP/1.1 through httpd's output filters without blocking.
 *
 * A FLUSH bucket would block until the client has accepted everything; without one, mod_ssl's
 * filter gathers small writes and keeps them. So over TLS each write ends with a metadata bucket
 * without bytes, at which mod_ssl's filter passes on the bytes that it has. Then the network filter
 * is called without a brigade, as the MPM does to complete a write: it sends the bytes that the
 * socket accepts, and keeps the rest.
 *
 * Only the thread that owns the connection calls these functions.
 */
#ifndef MRC_HTTPD_CARRIER_NONBLOCKING_H
#define MRC_HTTPD_CARRIER_NONBLOCKING_H

#include "httpd.h"

#include "apr_buckets.h"

#include "hub/stream/carrier.h"

/*
 * Sends BRIGADE, at most MRC_CARRIER_WRITE_BYTES, through all filters of R, and empties it. PENDING
 * if the network filter keeps some of it. Not while PENDING: the network filter blocks when it
 * holds too much.
 */
enum mrc_carrier_state mrc_nonblocking_write(request_rec *r, apr_bucket_brigade *brigade);

/* The same for bytes that are framed already: they skip the filters of requests. */
enum mrc_carrier_state mrc_nonblocking_write_framed(conn_rec *c, apr_bucket_brigade *brigade);

/* Sends more of what the network filter keeps for C. */
enum mrc_carrier_state mrc_nonblocking_flush(conn_rec *c);

#endif
