/*
 * Writing to a client of HTTP/1.1 through httpd's filters, without ever blocking.
 *
 * A FLUSH bucket would block; so what is written over TLS is followed by a bucket of no bytes,
 * which makes mod_ssl's filter let go of what it has gathered, and then the network filter is
 * called as the MPM does to complete a write. What the client does not take stays in that filter.
 */
#ifndef MRC_HTTPD_CARRIER_PUSH_H
#define MRC_HTTPD_CARRIER_PUSH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "httpd.h"

#include "apr_buckets.h"

#include "hub/stream/carrier.h"

/*
 * Takes out of R's filters those that would hold a stream back or slow it down on purpose
 * (compression, mod_buffer, mod_ratelimit), before anything is sent.
 */
void mrc_push_prepare(request_rec *r);

/*
 * Whether all of R's filters are known to let bytes through as they come. Others may need a FLUSH
 * bucket, and time: then a thread must wait.
 */
bool mrc_push_is_possible(const request_rec *r);

/*
 * Whether nothing in R's filters needs to see what is sent: bytes of a stream, framed as R's head
 * says, may go to the filters of its connection as they are.
 */
bool mrc_push_is_unwatched(const request_rec *r);

/* The same of the filters of its connection: they may go to the socket as they are. */
bool mrc_push_is_plain(const request_rec *r);

/* Whether C has no filter of its own, such as mod_ssl's, that gathers bytes or makes others of
 * them.
 */
bool mrc_push_is_direct(const conn_rec *c);

/*
 * Sends what can be sent of BRIGADE, at most MRC_CARRIER_WRITE_BYTES, and empties it. Not while
 * PENDING.
 */
enum mrc_carrier_state mrc_push_write(request_rec *r, apr_bucket_brigade *brigade);

/* The same of what is framed already, past the filters of requests. */
enum mrc_carrier_state mrc_push_write_framed(conn_rec *c, apr_bucket_brigade *brigade);

/* Sends more of what the network filter holds for C. */
enum mrc_carrier_state mrc_push_flush(conn_rec *c);

/*
 * Reads what the client behind FD has sent in vain: what is left unread when a socket is closed
 * makes the kernel reset the connection, and take back what was sent.
 */
void mrc_push_drop_surplus(int fd);

/* What the kernel holds that the client behind FD has not taken. */
size_t mrc_push_unsent_bytes(int fd);

/* Sets up FD for a stream whose client is cut when it takes nothing for DISPATCH_TIMEOUT_US. */
void mrc_push_set_socket_options(int fd, int64_t dispatch_timeout_us);

#endif
