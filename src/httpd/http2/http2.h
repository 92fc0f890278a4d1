/*
 * HTTP/2 without a thread for each stream: the face of this room. A build without nghttp2, or for
 * an httpd before 2.4.52, has functions that do nothing (none.c); then mod_http2 speaks HTTP/2.
 */
#ifndef MRC_HTTPD_HTTP2_HTTP2_H
#define MRC_HTTPD_HTTP2_HTTP2_H

#include <stdbool.h>

#include "httpd.h"

struct mrc_child;
struct mrc_http2_child;
struct mrc_subscriber;

/* Whether this build speaks HTTP/2. */
bool mrc_http2_is_built(void);

/* Registers the hooks and filters. */
void mrc_http2_register(void);

/* Makes what the sessions of CHILD need, in POOL; NULL in RET_HTTP2 if no virtual host of
 * MAIN_SERVER speaks HTTP/2 here. */
apr_status_t mrc_http2_start(apr_pool_t *pool, server_rec *main_server, struct mrc_child *child,
                             struct mrc_http2_child **ret_http2);

/*
 * For the end of a child: waits for the requests that still run, some seconds at most. Called
 * before the dispatchers stop, which send what these requests answer, and again afterwards, when
 * those that are left have lost their clients. False: one of them still runs, and uses what the
 * child has. Accepts NULL.
 */
bool mrc_http2_stop(struct mrc_http2_child *http2);

/* Forgets what the scoreboard shows of the threads of a child that has ended, whose slot is SLOT.
 * In the parent. */
void mrc_http2_forget_child(int slot);

/* Whether R came over HTTP/2 of this module. */
bool mrc_http2_carries(const request_rec *r);

/* Takes a place for R, for which mrc_http2_carries(), among PER_CHILD connections that may have
 * streams. False: none is left. */
bool mrc_http2_hold(request_rec *r, unsigned per_child);

/* Starts the stream of SUBSCRIBER that answers R, for which mrc_http2_carries(). Takes over
 * SUBSCRIBER. Returns the value for the handler to return. */
int mrc_http2_start_stream(request_rec *r, struct mrc_subscriber *subscriber);

#endif
