/*
 * The threads of mod_http2 send a stream over HTTP/2. This unit applies the hub's dispatch timeout
 * to such a stream, and gives it time to end cleanly when the child ends.
 */
#ifndef MRC_HTTPD_CARRIER_MOD_HTTP2_H
#define MRC_HTTPD_CARRIER_MOD_HTTP2_H

#include "httpd.h"

/*
 * The hook post_read_request, before mod_http2's own: sets H2StreamTimeout of a subscription to the
 * hub's MercureDispatchTimeout, so that mod_http2 disconnects a client that accepts no data for
 * that long. mod_http2 reads that setting in its own hook, before httpd knows the Location of the
 * request.
 */
int mrc_mod_http2_post_read_request(request_rec *r);

/*
 * The HTTP/2 connections of this child that have streams. When a child ends ungracefully, the MPM
 * closes the sockets of busy threads before it calls the modules. Without this list, mod_http2
 * would give up all connections at once, and no stream over HTTP/2 would end cleanly.
 */
struct mrc_mod_http2;

/* An empty list; lives in POOL. */
struct mrc_mod_http2 *mrc_mod_http2_create(apr_pool_t *pool);

/*
 * Adds the connection of C, a secondary connection, until mod_http2 has sent the last frame of C.
 * Any thread. Fails if no descriptor or no memory is left.
 */
apr_status_t mrc_mod_http2_hold(struct mrc_mod_http2 *http2, conn_rec *c);

/*
 * The hook child_stopping, before mod_http2's own. The first function gives each connection in the
 * list an open socket again; the second waits until all streams have ended, some seconds at most.
 */
void mrc_mod_http2_open_again(struct mrc_mod_http2 *http2);
void mrc_mod_http2_wait(struct mrc_mod_http2 *http2);

#endif
