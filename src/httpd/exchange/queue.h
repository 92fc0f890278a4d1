/*
 * A queue of bytes on their way from one thread to another: the body of a request, or of a
 * response. Bytes are copied into chunks; of an event only a reference is kept. No lock here: the
 * owner of the queue has one.
 */
#ifndef MRC_HTTPD_EXCHANGE_QUEUE_H
#define MRC_HTTPD_EXCHANGE_QUEUE_H

#include <stdbool.h>
#include <stddef.h>

#include "hub/base/list.h"

struct mrc_exchange_chunk;
struct mrc_piece;

/* Zeroed: empty. */
struct mrc_exchange_queue {
    struct mrc_list chunks;
    size_t bytes; /* of all chunks */
};

/* A chunk with a copy of the LEN bytes, at least 1. NULL: out of memory. */
struct mrc_exchange_chunk *mrc_exchange_chunk_create(const char *bytes, size_t len);

/* The same with a reference to an event. */
struct mrc_exchange_chunk *mrc_exchange_chunk_create_piece(const struct mrc_piece *piece);

/* Appends CHUNK, which the queue takes over. */
void mrc_exchange_queue_append(struct mrc_exchange_queue *queue, struct mrc_exchange_chunk *chunk);

/* Appends a copy of the LEN bytes, in the last chunk if they fit there. False: out of memory. */
bool mrc_exchange_queue_add(struct mrc_exchange_queue *queue, const char *bytes, size_t len);

/* Moves up to MAX bytes out of the queue into RET_BYTES. Returns their number. */
size_t mrc_exchange_queue_read(struct mrc_exchange_queue *queue, char *ret_bytes, size_t max);

/* The same, but the bytes stay in the queue. */
size_t mrc_exchange_queue_peek(const struct mrc_exchange_queue *queue, char *ret_bytes, size_t max);

/* The number of bytes up to and including the first line end; all if there is none. */
size_t mrc_exchange_queue_line_bytes(const struct mrc_exchange_queue *queue);

/* Makes the queue empty. */
void mrc_exchange_queue_clear(struct mrc_exchange_queue *queue);

#endif
