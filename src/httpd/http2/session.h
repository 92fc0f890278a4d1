/* clang-format off */
/*
 * A session of HTTP/2: one client's connection, which httpd has suspended. Only the event MPM does
 * that.
 *
 *     worker of the MPM               the loop's thread           jobs thread   conn_rec belongs to
 *       | TLS handshake, or the preface                                         the worker
 *       | mrc_http2_session_create()                                              :
 *       | suspend_connection hook:                                                :
 *       +--- mrc_http2_serve() ---------> + frames in and out                   the loop, but the
 *       | the MPM sets c->sbh to NULL,    |   (input.h, output.h)               MPM still writes
 *       |   and marks c->cs               | jobs read it; the session counts    to it
 *       v                                 |   them                                :
 *                                         | the client goes, or the session ends  :
 *                                         | no job is left, and the MPM is done:  :
 *                                         |   a second has passed                 :
 *                                         +----------------------> + free it    the jobs thread
 *                                                                  v
 *
 * Except where a comment says otherwise, the loop's thread calls the functions.
 */
/* clang-format on */
#ifndef MRC_HTTPD_HTTP2_SESSION_H
#define MRC_HTTPD_HTTP2_SESSION_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "httpd.h"

#include "httpd/exchange/exchange.h"
#include "httpd/exchange/workers.h"
#include "httpd/http2/limits.h"
#include "httpd/http2/transport.h"
#include "hub/child/jobs.h"
#include "hub/stream/session.h"

struct mrc_http2_child;
struct mrc_http2_stream;
struct mrc_loop;
struct nghttp2_session;

/* The most streams of one connection at a time. */
#define MRC_HTTP2_STREAMS_MAX 256

/* The fields of a request, and its trailers, have at most this many bytes, or those of one field of
 * LimitRequestFieldSize. */
#define MRC_HTTP2_FIELDS_BYTES_MAX 65536

/* How long a client may take to send the rest of a request that is answered already. */
#define MRC_HTTP2_REST_US ((int64_t)5 * 1000 * 1000)

/* How long a client gets to see that it must send no new requests. */
#define MRC_HTTP2_NOTICE_US ((int64_t)3 * 1000 * 1000)

struct mrc_http2_session {
    struct mrc_session session;
    struct mrc_exchange_origin origin;
    struct mrc_http2_child *child;
    struct mrc_loop *loop;
    conn_rec *c;
    struct mrc_call begin;
    struct mrc_job freeing;

    /* Of the loop's thread. */
    struct mrc_http2_transport transport;
    struct nghttp2_session *ng;
    struct mrc_http2_block *blocks; /* what nghttp2 has allocated */
    void *frames;       /* where nghttp2 makes frames; all sessions of the loop share it */
    bool shares_frames; /* nghttp2 has received it */
    bool is_broken;     /* nghttp2 ran out of memory, and must not be called any more */
    struct mrc_http2_limits limits;
    struct mrc_http2_frame_counter counter; /* of the frames from the client */
    unsigned reported;                      /* of these, those of this read that nghttp2 reports */
    bool is_out_of_credit;                  /* what the client still sends is dropped */
    struct mrc_http2_stream *streams;       /* that are not closed */
    unsigned streams_count;
    struct mrc_http2_stream *fed;      /* that got the last bytes, unknown to its worker; or NULL */
    struct mrc_http2_stream *settling; /* subscriptions to look at after a write */
    char *first;                       /* what came before the hand-over */
    size_t first_len;
    size_t head_bytes;    /* of the frame that begins a request, before its exchange exists */
    int64_t notice_us;    /* when the notice ends */
    uint64_t frames_sent; /* of bodies, so far */
    struct mrc_http2_stream *promoted; /* sends the next frame (priority.h); NULL: none */
    uint64_t promoted_frame;   /* the value of FRAMES_SENT when a response was last promoted */
    int32_t early_priority_id; /* a stream that has a priority, but no request yet; 0: none */
    struct mrc_priority early_priority;
    int64_t handed_us;
    int64_t idle_us;   /* since when there has been no stream */
    size_t unconsumed; /* bytes of DATA that the window of the connection does not have again */
    bool has_pending;  /* bytes have come that are not read */
    bool watches_out;  /* waits until the socket is writable */
    bool is_over;      /* the client is gone, or the session is to end at once */
    bool lingers;      /* all is sent, and the client may close the connection */
    bool has_refused;  /* a request for lack of memory, which was logged */
    bool has_notice;   /* the client was told to send no new requests, but those on the way count */
    bool is_draining;  /* takes no new requests */

    atomic_bool holds_place;       /* of those for suspended connections with streams; any thread */
    atomic_uint jobs_count;        /* jobs that run or wait; any thread */
    struct mrc_exchange_jobs jobs; /* that wait; for workers.h */
};

/*
 * A session for C, whose protocol is PROTOCOL; in the worker that has C. The loop opens it. NULL:
 * out of memory.
 */
struct mrc_http2_session *mrc_http2_session_create(struct mrc_http2_child *child, conn_rec *c,
                                                   const char *protocol);

/* Makes the session of nghttp2, and its first frames. The loop is known. False: out of memory. */
bool mrc_http2_session_open(struct mrc_http2_session *session);

/* Adds what the client has sent before the hand-over. False: out of memory. */
bool mrc_http2_session_add_first(struct mrc_http2_session *session, const char *bytes, size_t len);

/* Frees a session, but not its connection. */
void mrc_http2_session_free(struct mrc_http2_session *session);

/* Adds STREAM, and removes it when it is closed. */
void mrc_http2_session_add(struct mrc_http2_session *session, struct mrc_http2_stream *stream);
void mrc_http2_session_remove(struct mrc_http2_session *session, struct mrc_http2_stream *stream);

/* Notes whether to look at STREAM, a subscription, after the next write. */
void mrc_http2_session_settle(struct mrc_http2_session *session, struct mrc_http2_stream *stream);
void mrc_http2_session_unsettle(struct mrc_http2_session *session, struct mrc_http2_stream *stream);

/* The session of an exchange, in the worker of its request. */
struct mrc_http2_session *mrc_http2_session_of(const struct mrc_exchange *exchange);

/*
 * Takes no new requests: a GOAWAY, in two steps, because the client may have sent requests before
 * it sees the first one (RFC 9113, 6.8). The first one comes with a PING, and end_notice() sends
 * the second one when the client has answered that, or after MRC_HTTP2_NOTICE_US.
 */
void mrc_http2_session_give_notice(struct mrc_http2_session *session);
void mrc_http2_session_end_notice(struct mrc_http2_session *session);

/* The same in one step. */
void mrc_http2_session_refuse(struct mrc_http2_session *session);

/* The most bytes of the fields of a request of C. */
size_t mrc_http2_session_fields_max(const conn_rec *c);

/* Ends the session after a GOAWAY with an error code of HTTP/2. */
void mrc_http2_session_terminate(struct mrc_http2_session *session, uint32_t error);

#endif
