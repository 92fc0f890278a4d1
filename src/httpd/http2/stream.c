#include "httpd/http2/stream.h"

#include <stdlib.h>
#include <string.h>

#include "httpd/exchange/exchange.h"
#include "hub/base/event.h"

_Static_assert(sizeof(struct mrc_http2_stream) <= 88, "a stream of HTTP/2 is small");

/* A piece that waits. */
struct waiting {
    struct mrc_list_link link;
    struct mrc_piece piece;
};

struct mrc_http2_stream *mrc_http2_stream_create(struct mrc_http2_session *session,
                                                 struct mrc_exchange *exchange)
{
    struct mrc_http2_stream *stream = calloc(1, sizeof(*stream));

    if (!stream)
        return NULL;
    stream->session = session;
    stream->exchange = exchange;
    stream->id = exchange->id;
    stream->refs = 1;
    exchange->stream = stream;
    return stream;
}

struct mrc_http2_stream *mrc_http2_stream_ref(struct mrc_http2_stream *stream)
{
    stream->refs++;
    return stream;
}

/* Removes the first piece, and returns whether there was one. */
static bool drop_piece(struct mrc_http2_stream *stream)
{
    struct waiting *waiting = (struct waiting *)mrc_list_take(&stream->pieces);

    if (!waiting)
        return false;
    stream->pieces_bytes -= (uint32_t)waiting->piece.len;
    mrc_event_unref(waiting->piece.event);
    free(waiting);
    return true;
}

void mrc_http2_stream_unref(struct mrc_http2_stream *stream)
{
    if (--stream->refs > 0)
        return;
    while (drop_piece(stream))
        ;
    if (stream->exchange)
        mrc_exchange_unref(stream->exchange);
    free(stream);
}

void mrc_http2_stream_close(struct mrc_http2_stream *stream)
{
    stream->is_gone = true;
    while (drop_piece(stream))
        ;
    if (!stream->exchange)
        return;
    stream->exchange->stream = NULL;
    mrc_exchange_close(stream->exchange);
}

/* The bytes that the worker has written and the session has not taken. */
static size_t exchange_held(const struct mrc_http2_stream *stream)
{
    struct mrc_exchange *exchange = stream->exchange;
    size_t bytes = 0;

    if (exchange) {
        pthread_mutex_lock(&exchange->lock);
        bytes = exchange->out.bytes;
        pthread_mutex_unlock(&exchange->lock);
    }
    return bytes;
}

size_t mrc_http2_stream_held(const struct mrc_http2_stream *stream)
{
    return exchange_held(stream) + stream->pieces_bytes;
}

bool mrc_http2_stream_add(struct mrc_http2_stream *stream, const struct mrc_piece *piece)
{
    struct waiting *waiting = malloc(sizeof(*waiting));

    if (!waiting)
        return false;
    waiting->piece = *piece;
    mrc_event_ref(piece->event);
    mrc_list_append(&stream->pieces, &waiting->link);
    stream->pieces_bytes += (uint32_t)piece->len;
    return true;
}

size_t mrc_http2_stream_take(struct mrc_http2_stream *stream, char *ret_bytes, size_t max)
{
    struct waiting *waiting;
    size_t total = 0;

    while (total < max && (waiting = (struct waiting *)stream->pieces.first)) {
        struct mrc_piece *piece = &waiting->piece;
        size_t len = piece->len < max - total ? piece->len : max - total;

        memcpy(ret_bytes + total, mrc_event_bytes(piece->event).ptr + piece->offset, len);
        total += len;
        piece->offset += len;
        piece->len -= len;
        stream->pieces_bytes -= (uint32_t)len;
        if (piece->len == 0)
            drop_piece(stream);
    }
    return total;
}

bool mrc_http2_stream_may_leave(const struct mrc_http2_stream *stream)
{
    return stream->exchange->in_ended && exchange_held(stream) == 0;
}

void mrc_http2_stream_leave(struct mrc_http2_stream *stream)
{
    struct mrc_exchange *exchange = stream->exchange;

    stream->exchange = NULL;
    exchange->stream = NULL;
    mrc_exchange_unref(exchange);
}
