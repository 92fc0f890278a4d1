/*
 * Frames to the client: heads and bodies of responses, in as few writes as possible. For the thread
 * of the session's loop.
 */
#ifndef MRC_HTTPD_HTTP2_OUTPUT_H
#define MRC_HTTPD_HTTP2_OUTPUT_H

#include <stdbool.h>

struct mrc_exchange;
struct mrc_http2_session;
struct mrc_http2_stream;
struct mrc_list;
struct nghttp2_session_callbacks;

/* Sets the callbacks for what goes out. */
void mrc_http2_output_set_callbacks(struct nghttp2_session_callbacks *callbacks);

/* Sends HEADS of EXCHANGE, of struct mrc_exchange_head, which this function frees. */
void mrc_http2_output_heads(struct mrc_exchange *exchange, struct mrc_list *heads);

/* There is more of the body of STREAM, or its end. */
void mrc_http2_output_resume(struct mrc_http2_stream *stream);

/*
 * Writes what is due, as far as the socket accepts it. If it does not accept everything, the
 * session watches for it to become writable. False: the client is gone.
 */
bool mrc_http2_output_write(struct mrc_http2_session *session);

#endif
