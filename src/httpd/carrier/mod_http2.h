/*
 * What a stream over HTTP/2 needs of mod_http2, whose threads carry it, and of the MPM.
 */
#ifndef MRC_HTTPD_CARRIER_MOD_HTTP2_H
#define MRC_HTTPD_CARRIER_MOD_HTTP2_H

#include "httpd.h"

/*
 * post_read_request, before mod_http2's own: a subscription is written with the hub's
 * MercureDispatchTimeout, as if the request had an H2StreamTimeout of its own. mod_http2 looks for
 * that one here, long before a Location is known to others.
 */
int mrc_mod_http2_post_read_request(request_rec *r);

/*
 * The HTTP/2 connections of this child that have streams. At an ungraceful end the MPM closes the
 * sockets of busy threads and tells the modules then, mod_http2 among them, which gives up all
 * connections at once: here they get the time to end their streams in order.
 */
struct mrc_mod_http2;

/* Lives in POOL. */
struct mrc_mod_http2 *mrc_mod_http2_create(apr_pool_t *pool);

/*
 * The secondary connection C has a stream, until mod_http2 has sent the end of it. Any thread. An
 * error is that of the system, which has no descriptor left.
 */
apr_status_t mrc_mod_http2_hold(struct mrc_mod_http2 *http2, conn_rec *c);

/*
 * child_stopping, before mod_http2's own: opens again what the MPM has closed; and waits until all
 * streams, which are to end, have ended, but not for long.
 */
void mrc_mod_http2_open_again(struct mrc_mod_http2 *http2);
void mrc_mod_http2_wait(struct mrc_mod_http2 *http2);

#endif
