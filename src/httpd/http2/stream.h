/*
 * A stream of a session: what the loop's thread knows about it. The exchange has the request and
 * the response of its worker. A subscription continues without it (attach.h) as soon as the session
 * has taken what the worker has written: then the stream itself has the events to be sent. There
 * may be many such streams, so a stream is small.
 */
#ifndef MRC_HTTPD_HTTP2_STREAM_H
#define MRC_HTTPD_HTTP2_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hub/base/list.h"

struct mrc_exchange;
struct mrc_http2_attached;
struct mrc_http2_session;
struct mrc_piece;

struct mrc_http2_stream {
    struct mrc_http2_stream *prev, *next; /* of the session */
    struct mrc_http2_stream *settling;    /* the next one to settle (attach.h) */
    struct mrc_http2_session *session;    /* while the stream is not gone */
    struct mrc_exchange *exchange;        /* a reference; NULL: a subscription without it */
    struct mrc_http2_attached *attached;  /* the carrier of a subscription; NULL: none */
    struct mrc_list pieces;               /* of events; they follow the bytes of the exchange */
    uint32_t pieces_bytes;
    int32_t id;
    int64_t sent_us; /* when bytes were last sent, or none had to be */
    uint8_t refs;
    bool is_submitted : 1; /* nghttp2 has the response */
    bool is_deferred : 1;  /* nghttp2 waits for more of it */
    bool is_parted : 1;    /* while deferred: nghttp2 needs another item for it (output.c) */
    bool has_events : 1;   /* it is a subscription, or was one */
    bool has_ended : 1;    /* a subscription: the response ends after the pieces */
    bool is_blocked : 1;   /* a subscription: it was told so */
    bool is_settling : 1;  /* in that list */
    bool is_gone : 1;      /* closed, by either side */
};

/*
 * The stream of EXCHANGE, whose reference it takes over, with one reference. NULL: out of memory.
 */
struct mrc_http2_stream *mrc_http2_stream_create(struct mrc_http2_session *session,
                                                 struct mrc_exchange *exchange);

/* Adds a reference, and returns STREAM. */
struct mrc_http2_stream *mrc_http2_stream_ref(struct mrc_http2_stream *stream);

/* Frees the stream with the last reference. */
void mrc_http2_stream_unref(struct mrc_http2_stream *stream);

/* The stream is closed: nothing more is sent, and the worker of its request learns of it. */
void mrc_http2_stream_close(struct mrc_http2_stream *stream);

/* The bytes that are to be sent. */
size_t mrc_http2_stream_held(const struct mrc_http2_stream *stream);

/* Adds a piece, with a reference to its event. False: out of memory. */
bool mrc_http2_stream_add(struct mrc_http2_stream *stream, const struct mrc_piece *piece);

/* Moves up to MAX bytes of the pieces into RET_BYTES. Returns their number. */
size_t mrc_http2_stream_take(struct mrc_http2_stream *stream, char *ret_bytes, size_t max);

/* Whether nothing of the exchange of a subscription is left to read or to send. */
bool mrc_http2_stream_may_leave(const struct mrc_http2_stream *stream);

/* Gives up that exchange. */
void mrc_http2_stream_leave(struct mrc_http2_stream *stream);

#endif
