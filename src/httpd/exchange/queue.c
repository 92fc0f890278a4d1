#include "httpd/exchange/queue.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

/* The least room of a chunk, for small bytes that follow. */
#define ROOM_MIN 256

struct mrc_exchange_chunk {
    struct mrc_list_link link;
    struct mrc_exchange_files *files; /* that counts FD; NULL: the bytes are in no file */
    int fd;
    off_t offset;      /* of the first byte of the chunk */
    size_t first, len; /* of the bytes that are left */
    size_t room;       /* of OWN */
    char own[];
};

void mrc_exchange_held_add(struct mrc_exchange_held *held, size_t bytes)
{
    for (; held; held = held->all)
        atomic_fetch_add_explicit(&held->bytes, bytes, memory_order_relaxed);
}

void mrc_exchange_held_sub(struct mrc_exchange_held *held, size_t bytes)
{
    for (; held; held = held->all)
        atomic_fetch_sub_explicit(&held->bytes, bytes, memory_order_relaxed);
}

/* An empty chunk with ROOM bytes. */
static struct mrc_exchange_chunk *create(size_t room)
{
    struct mrc_exchange_chunk *chunk = malloc(sizeof(*chunk) + room);

    if (!chunk)
        return NULL;
    *chunk = (struct mrc_exchange_chunk){.fd = -1, .room = room};
    return chunk;
}

struct mrc_exchange_chunk *mrc_exchange_chunk_create(const char *bytes, size_t len)
{
    struct mrc_exchange_chunk *chunk = create(len > ROOM_MIN ? len : ROOM_MIN);

    if (!chunk)
        return NULL;
    chunk->len = len;
    memcpy(chunk->own, bytes, len);
    return chunk;
}

void mrc_exchange_chunk_destroy(struct mrc_exchange_chunk *chunk)
{
    if (!chunk)
        return;
    if (chunk->files) {
        close(chunk->fd);
        atomic_fetch_sub(&chunk->files->count, 1);
    }
    free(chunk);
}

/* ---- files ------------------------------------------------------------------------------------*/

struct mrc_exchange_chunk *mrc_exchange_chunk_create_read(int fd, off_t offset, size_t len)
{
    struct mrc_exchange_chunk *chunk = create(len);
    ssize_t count = 1;

    while (chunk && chunk->len < len && count > 0) {
        do
            count =
                pread(fd, chunk->own + chunk->len, len - chunk->len, offset + (off_t)chunk->len);
        while (count < 0 && errno == EINTR);
        if (count > 0)
            chunk->len += (size_t)count;
    }
    if (!chunk || chunk->len == len)
        return chunk;
    mrc_exchange_chunk_destroy(chunk);
    return NULL;
}

struct mrc_exchange_chunk *mrc_exchange_chunk_create_file(struct mrc_exchange_files *files, int fd,
                                                          off_t offset, size_t len)
{
    struct mrc_exchange_chunk *chunk = create(0);

    if (!chunk)
        return NULL;
    if (atomic_fetch_add(&files->count, 1) < files->max)
        chunk->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (chunk->fd < 0) {
        atomic_fetch_sub(&files->count, 1);
        free(chunk);
        return NULL;
    }
    chunk->files = files;
    chunk->offset = offset;
    chunk->len = len;
    return chunk;
}

/* Reads those of the LEN bytes that are left of CHUNK, a file, that are in memory. If the kernel
 * cannot say which these are, reads nothing. */
static size_t read_file(struct mrc_exchange_queue *queue, const struct mrc_exchange_chunk *chunk,
                        char *ret_bytes, size_t len)
{
    struct iovec vec = {.iov_base = ret_bytes, .iov_len = len};
    ssize_t count = -1;

    errno = EOPNOTSUPP;
#ifdef RWF_NOWAIT
    count = preadv2(chunk->fd, &vec, 1, chunk->offset + (off_t)chunk->first, RWF_NOWAIT);
#endif
    if (count > 0)
        return (size_t)count;
    if (count == 0)
        queue->is_broken = true;
    else /* any other error comes again when a worker reads */
        queue->is_blocked = true;
    return 0;
}

/* Counts LEN bytes of CHUNK that come into QUEUE. */
static void count_in(struct mrc_exchange_queue *queue, const struct mrc_exchange_chunk *chunk,
                     size_t len)
{
    queue->bytes += len;
    if (chunk->files)
        queue->file_bytes += len;
    else
        mrc_exchange_held_add(queue->held, len);
}

/* The same for bytes that leave it. */
static void count_out(struct mrc_exchange_queue *queue, const struct mrc_exchange_chunk *chunk,
                      size_t len)
{
    queue->bytes -= len;
    if (chunk->files)
        queue->file_bytes -= len;
    else
        mrc_exchange_held_sub(queue->held, len);
}

static struct mrc_exchange_chunk *first_of(const struct mrc_exchange_queue *queue)
{
    return (struct mrc_exchange_chunk *)queue->chunks.first;
}

void mrc_exchange_queue_append(struct mrc_exchange_queue *queue, struct mrc_exchange_chunk *chunk)
{
    mrc_list_append(&queue->chunks, &chunk->link);
    count_in(queue, chunk, chunk->len);
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
        count_in(queue, last, len);
        return true;
    }
    last = mrc_exchange_chunk_create(bytes, len);
    if (!last)
        return false;
    mrc_exchange_queue_append(queue, last);
    return true;
}

/* Removes LEN bytes of the first chunk, which has them. */
static void drop(struct mrc_exchange_queue *queue, struct mrc_exchange_chunk *chunk, size_t len)
{
    chunk->first += len;
    chunk->len -= len;
    count_out(queue, chunk, len);
    if (chunk->len == 0) {
        mrc_list_take(&queue->chunks);
        mrc_exchange_chunk_destroy(chunk);
    }
}

size_t mrc_exchange_queue_read(struct mrc_exchange_queue *queue, char *ret_bytes, size_t max)
{
    struct mrc_exchange_chunk *chunk;
    size_t total = 0;

    while (total < max && !queue->is_blocked && !queue->is_broken && (chunk = first_of(queue))) {
        size_t len = chunk->len < max - total ? chunk->len : max - total;

        if (chunk->files)
            len = read_file(queue, chunk, ret_bytes + total, len);
        else
            memcpy(ret_bytes + total, chunk->own + chunk->first, len);
        total += len;
        drop(queue, chunk, len);
    }
    return total;
}

size_t mrc_exchange_queue_peek_file(const struct mrc_exchange_queue *queue, size_t max, int *ret_fd,
                                    off_t *ret_offset)
{
    const struct mrc_exchange_chunk *chunk = first_of(queue);

    *ret_fd = chunk->fd;
    *ret_offset = chunk->offset + (off_t)chunk->first;
    return chunk->len < max ? chunk->len : max;
}

void mrc_exchange_queue_unblock(struct mrc_exchange_queue *queue, struct mrc_exchange_chunk *chunk)
{
    queue->is_blocked = false;
    queue->is_broken = queue->is_broken || !chunk;
    if (!chunk)
        return;
    drop(queue, first_of(queue), chunk->len);
    count_in(queue, chunk, chunk->len);
    chunk->link.next = queue->chunks.first;
    if (!queue->chunks.first)
        queue->chunks.last = &chunk->link;
    queue->chunks.first = &chunk->link;
}

size_t mrc_exchange_queue_peek(const struct mrc_exchange_queue *queue, char *ret_bytes, size_t max)
{
    const struct mrc_list_link *link = queue->chunks.first;
    size_t total = 0;

    for (; total < max && link; link = link->next) {
        const struct mrc_exchange_chunk *chunk = (const struct mrc_exchange_chunk *)link;
        size_t len = chunk->len < max - total ? chunk->len : max - total;

        memcpy(ret_bytes + total, chunk->own + chunk->first, len);
        total += len;
    }
    return total;
}

size_t mrc_exchange_queue_line_bytes(const struct mrc_exchange_queue *queue)
{
    size_t total = 0;

    for (const struct mrc_list_link *link = queue->chunks.first; link; link = link->next) {
        const struct mrc_exchange_chunk *chunk = (const struct mrc_exchange_chunk *)link;
        const char *bytes = chunk->own + chunk->first;
        const char *end = memchr(bytes, '\n', chunk->len);

        if (end)
            return total + (size_t)(end + 1 - bytes);
        total += chunk->len;
    }
    return total;
}

void mrc_exchange_queue_clear(struct mrc_exchange_queue *queue)
{
    struct mrc_list_link *link;

    while ((link = mrc_list_take(&queue->chunks))) {
        struct mrc_exchange_chunk *chunk = (struct mrc_exchange_chunk *)link;

        count_out(queue, chunk, chunk->len);
        mrc_exchange_chunk_destroy(chunk);
    }
    queue->is_blocked = false;
}
