#include "httpd/exchange/queue.h"

#include <stdlib.h>
#include <string.h>

#include "hub/base/event.h"

/* The least room of a chunk, for small bytes that follow. */
#define ROOM_MIN 256

struct mrc_exchange_chunk {
    struct mrc_link link;
    struct mrc_event *event; /* that has the bytes; NULL: they are in OWN */
    const char *bytes;
    size_t first, len; /* of the bytes that are left */
    size_t room;       /* of OWN */
    char own[];
};

struct mrc_exchange_chunk *mrc_exchange_chunk_create(const char *bytes, size_t len)
{
    size_t room = len > ROOM_MIN ? len : ROOM_MIN;
    struct mrc_exchange_chunk *chunk = malloc(sizeof(*chunk) + room);

    if (!chunk)
        return NULL;
    chunk->event = NULL;
    chunk->bytes = chunk->own;
    chunk->first = 0;
    chunk->len = len;
    chunk->room = room;
    memcpy(chunk->own, bytes, len);
    return chunk;
}

struct mrc_exchange_chunk *mrc_exchange_chunk_create_piece(const struct mrc_piece *piece)
{
    struct mrc_exchange_chunk *chunk = malloc(sizeof(*chunk));

    if (!chunk)
        return NULL;
    chunk->event = mrc_event_ref(piece->event);
    chunk->bytes = mrc_event_bytes(piece->event).ptr + piece->offset;
    chunk->first = 0;
    chunk->len = piece->len;
    chunk->room = 0;
    return chunk;
}

static void destroy(struct mrc_exchange_chunk *chunk)
{
    mrc_event_unref(chunk->event);
    free(chunk);
}

static struct mrc_exchange_chunk *first_of(const struct mrc_exchange_queue *queue)
{
    return (struct mrc_exchange_chunk *)queue->chunks.first;
}

void mrc_exchange_queue_append(struct mrc_exchange_queue *queue, struct mrc_exchange_chunk *chunk)
{
    mrc_list_append(&queue->chunks, &chunk->link);
    queue->bytes += chunk->len;
}

bool mrc_exchange_queue_add(struct mrc_exchange_queue *queue, const char *bytes, size_t len)
{
    struct mrc_exchange_chunk *last =
        queue->chunks.first ? (struct mrc_exchange_chunk *)queue->chunks.last : NULL;

    if (len == 0)
        return true;
    if (last && last->room - (last->first + last->len) >= len && last->room > 0) {
        memcpy(last->own + last->first + last->len, bytes, len);
        last->len += len;
        queue->bytes += len;
        return true;
    }
    last = mrc_exchange_chunk_create(bytes, len);
    if (!last)
        return false;
    mrc_exchange_queue_append(queue, last);
    return true;
}

size_t mrc_exchange_queue_read(struct mrc_exchange_queue *queue, char *ret_bytes, size_t max)
{
    struct mrc_exchange_chunk *chunk;
    size_t total = 0;

    while (total < max && (chunk = first_of(queue))) {
        size_t len = chunk->len < max - total ? chunk->len : max - total;

        memcpy(ret_bytes + total, chunk->bytes + chunk->first, len);
        total += len;
        chunk->first += len;
        chunk->len -= len;
        if (chunk->len == 0) {
            mrc_list_take(&queue->chunks);
            destroy(chunk);
        }
    }
    queue->bytes -= total;
    return total;
}

size_t mrc_exchange_queue_peek(const struct mrc_exchange_queue *queue, char *ret_bytes, size_t max)
{
    const struct mrc_link *link = queue->chunks.first;
    size_t total = 0;

    for (; total < max && link; link = link->next) {
        const struct mrc_exchange_chunk *chunk = (const struct mrc_exchange_chunk *)link;
        size_t len = chunk->len < max - total ? chunk->len : max - total;

        memcpy(ret_bytes + total, chunk->bytes + chunk->first, len);
        total += len;
    }
    return total;
}

size_t mrc_exchange_queue_line_bytes(const struct mrc_exchange_queue *queue)
{
    size_t total = 0;

    for (const struct mrc_link *link = queue->chunks.first; link; link = link->next) {
        const struct mrc_exchange_chunk *chunk = (const struct mrc_exchange_chunk *)link;
        const char *bytes = chunk->bytes + chunk->first;
        const char *end = memchr(bytes, '\n', chunk->len);

        if (end)
            return total + (size_t)(end + 1 - bytes);
        total += chunk->len;
    }
    return total;
}

void mrc_exchange_queue_clear(struct mrc_exchange_queue *queue)
{
    struct mrc_link *link;

    while ((link = mrc_list_take(&queue->chunks)))
        destroy((struct mrc_exchange_chunk *)link);
    queue->bytes = 0;
}
