/*
 * The order in which the responses of a session are sent (RFC 9218). A client may give each request
 * an urgency, and bytes of urgent responses go first. On top of that,
 *
 * - a stream of events never waits for another response: only streams of events have the highest
 *   urgency;
 * - no response waits forever: from time to time, the one that has waited longest sends a frame.
 *
 * For the thread of the session's loop.
 */
#ifndef MRC_HTTPD_HTTP2_PRIORITY_H
#define MRC_HTTPD_HTTP2_PRIORITY_H

#include <stddef.h>
#include <stdint.h>

struct mrc_http2_session;
struct mrc_http2_stream;

/* The request of STREAM has begun: takes the priority that its client has given. */
void mrc_http2_priority_begin(struct mrc_http2_session *session, struct mrc_http2_stream *stream);

/* A frame PRIORITY_UPDATE for the stream ID, with a field of LEN bytes. */
void mrc_http2_priority_update(struct mrc_http2_session *session, int32_t id, const char *field,
                               size_t len);

/* STREAM becomes a stream of events. */
void mrc_http2_priority_of_events(struct mrc_http2_session *session,
                                  struct mrc_http2_stream *stream);

/* STREAM sends a frame of its body. */
void mrc_http2_priority_note_frame(struct mrc_http2_session *session,
                                   struct mrc_http2_stream *stream);

/* Between two frames: gives a turn to a response that has waited too long. Not in a callback of
 * nghttp2. */
void mrc_http2_priority_balance(struct mrc_http2_session *session);

/* STREAM is removed from SESSION. */
void mrc_http2_priority_forget(struct mrc_http2_session *session, struct mrc_http2_stream *stream);

#endif
