/* clang-format off */
/*
 * The carrier of a subscription over HTTP/2: its stream leaves the worker that handles the request,
 * and becomes a part of its session. No thread waits for the client.
 *
 *     worker                                   the loop's thread                      jobs thread
 *       | head of the response
 *       | keep the log record
 *       +--- mrc_exchange_attach() ------> + mrc_loop_adopt()
 *       | the request ends                     | write(): events into the stream
 *       v                                      | the end of the turn: the session sends
 *                                              |   them; those that it cannot send block
 *                                              |   the stream until the client's window
 *                                              |   and socket take them
 *                                              | close(): the last frame
 *                                              +--------------------------------> + access log line
 *                                                                                 v
 */
/* clang-format on */
#ifndef MRC_HTTPD_HTTP2_ATTACH_H
#define MRC_HTTPD_HTTP2_ATTACH_H

#include <stdbool.h>
#include <stddef.h>

#include "httpd.h"

struct mrc_exchange;
struct mrc_http2_attached;
struct mrc_http2_session;
struct mrc_http2_stream;
struct mrc_subscriber;

/*
 * Takes a place for the connection of R among those that may have streams, of which there are
 * PER_CHILD, unless it has one. It keeps the place until it is closed. False: none is left. In the
 * worker that handles R.
 */
bool mrc_http2_attach_hold(request_rec *r, unsigned per_child);

/*
 * Sends R's head and hands the stream of SUBSCRIBER, which is always taken over, to the session of
 * R. In the worker that handles R. Returns the value for the handler to return.
 */
int mrc_http2_attach_start(request_rec *r, struct mrc_subscriber *subscriber);

/* The functions below are for the loop's thread. */

/* Adopts the subscription that the worker of EXCHANGE has handed over. */
void mrc_http2_attach_adopt(struct mrc_exchange *exchange, struct mrc_http2_attached *attached);

/* STREAM is closed, by either side. */
void mrc_http2_attach_gone(struct mrc_http2_stream *stream);

/* Counts BYTES of frames that were sent for a subscription without an exchange. */
void mrc_http2_attach_count_out(struct mrc_http2_attached *attached, size_t bytes);

/* SESSION has written: blocks subscriptions whose bytes it could not send, and unblocks those whose
 * bytes are sent. */
void mrc_http2_attach_settle(struct mrc_http2_session *session);

#endif
