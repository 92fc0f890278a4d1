/*
 * What comes to a session: frames from the client, of which exchanges are made, within the limits;
 * and notes from the workers that handle the requests. For the thread of the session's loop.
 */
#ifndef MRC_HTTPD_HTTP2_INPUT_H
#define MRC_HTTPD_HTTP2_INPUT_H

#include <stdbool.h>
#include <stddef.h>

struct mrc_call;
struct mrc_http2_session;
struct mrc_http2_stream;
struct nghttp2_session_callbacks;

/* Sets the callbacks for what comes in. */
void mrc_http2_input_set_callbacks(struct nghttp2_session_callbacks *callbacks);

/* Takes LEN bytes from the client. False: the connection must end. */
bool mrc_http2_input_take(struct mrc_http2_session *session, const char *bytes, size_t len);

/* Wakes the worker whose request got the last bytes. Called after mrc_http2_input_take(), at the
 * end of a turn at the latest. */
void mrc_http2_input_wake(struct mrc_http2_session *session);

/* Allows the client to send more, if the window of the connection was kept closed because of the
 * bytes that the session holds, and it holds few now. After each write. */
void mrc_http2_input_open_window(struct mrc_http2_session *session);

/* The run function of an exchange's note: there are heads, bytes or an end to send, the client's
 * window gets bytes back, or a subscription begins. */
void mrc_http2_input_take_note(struct mrc_call *note);

/* Takes STREAM, which is closed, out of SESSION. */
void mrc_http2_input_forget(struct mrc_http2_session *session, struct mrc_http2_stream *stream);

#endif
