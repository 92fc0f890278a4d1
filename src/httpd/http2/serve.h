/*
 * Serves a session in a loop of the dispatcher: its descriptor, its times, and its end.
 */
#ifndef MRC_HTTPD_HTTP2_SERVE_H
#define MRC_HTTPD_HTTP2_SERVE_H

struct mrc_http2_session;

/* Hands SESSION over to a loop; in the hook suspend_connection, in the worker that has the
 * connection. Its transport is open. */
void mrc_http2_serve(struct mrc_http2_session *session);

#endif
