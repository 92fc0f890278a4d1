/*
 * Frames pieces of events as one chunk of an HTTP/1.1 message (RFC 9112, 7.1), for carriers whose
 * bytes skip httpd's own CHUNK filter.
 */
#ifndef MRC_HTTPD_CARRIER_CHUNK_H
#define MRC_HTTPD_CARRIER_CHUNK_H

#include <stdbool.h>
#include <stddef.h>

struct mrc_piece;

/* The most bytes of a chunk's head: 16 hexadecimal digits and a line end, with a terminator. */
#define MRC_CHUNK_HEAD_BYTES 19

/* The most bytes around a body: the head and a line end. */
#define MRC_CHUNK_FRAME_BYTES (MRC_CHUNK_HEAD_BYTES + 2)

/* The chunk that ends a message. */
#define MRC_CHUNK_LAST "0\r\n\r\n"

/* The bytes before and after the pieces. Both are empty for a response without chunks. */
struct mrc_chunk_frame {
    char head[MRC_CHUNK_HEAD_BYTES];
    size_t head_len;
    size_t body_len; /* of all pieces */
    const char *tail;
    size_t tail_len;
};

/*
 * The frame of COUNT pieces. Pieces without bytes get none, because an empty chunk would end the
 * message.
 */
void mrc_chunk_frame(const struct mrc_piece *pieces, size_t count, bool is_chunked,
                     struct mrc_chunk_frame *ret_frame);

/*
 * Whether the pieces are one whole event, as in most writes. Such an event is framed already
 * (mrc_event_chunk()).
 */
bool mrc_chunk_is_whole_event(const struct mrc_piece *pieces, size_t count);

#endif
