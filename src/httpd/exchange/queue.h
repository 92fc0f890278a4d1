/*
 * A queue of bytes on their way from one thread to another: the body of a request, or of a
 * response. Bytes are copied into chunks; of a file only a reference is kept. No lock here: the
 * owner of the queue has one.
 */
#ifndef MRC_HTTPD_EXCHANGE_QUEUE_H
#define MRC_HTTPD_EXCHANGE_QUEUE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "hub/base/list.h"

struct mrc_exchange_chunk;

/* Counts bytes in memory: those of a session, and those of all sessions of a child. */
struct mrc_exchange_held {
    atomic_size_t bytes;
    struct mrc_exchange_held *all; /* that counts the same bytes, too; NULL: none */
};

/* Zeroed: empty. */
struct mrc_exchange_queue {
    struct mrc_exchange_held *held; /* counts the bytes, except those of files; NULL: none */
    struct mrc_list chunks;
    size_t bytes;      /* of all chunks */
    size_t file_bytes; /* of these, bytes that are in files */
    bool is_blocked;   /* the next bytes have to be read from a disk (see
                          mrc_exchange_queue_peek_file) */
    bool is_broken;    /* a file has no such bytes any more, or cannot be read */
};

/* Counts the descriptors that chunks hold. */
struct mrc_exchange_files {
    atomic_uint count;
    unsigned max;
};

/* Any thread. */
void mrc_exchange_held_add(struct mrc_exchange_held *held, size_t bytes);
void mrc_exchange_held_sub(struct mrc_exchange_held *held, size_t bytes);

/* A chunk with a copy of the LEN bytes, at least 1. NULL: out of memory. */
struct mrc_exchange_chunk *mrc_exchange_chunk_create(const char *bytes, size_t len);

/* A chunk with a copy of the LEN bytes of the file FD from OFFSET on, at least 1. NULL: out of
 * memory, or the file cannot be read. */
struct mrc_exchange_chunk *mrc_exchange_chunk_create_read(int fd, off_t offset, size_t len);

/* The same with a descriptor of its own for the file, which FILES counts. NULL: there is no memory
 * or no descriptor for it, or FILES has its maximum. */
struct mrc_exchange_chunk *mrc_exchange_chunk_create_file(struct mrc_exchange_files *files, int fd,
                                                          off_t offset, size_t len);

/* Frees a chunk that is in no queue. Accepts NULL. */
void mrc_exchange_chunk_destroy(struct mrc_exchange_chunk *chunk);

/* Appends CHUNK, which the queue takes over. */
void mrc_exchange_queue_append(struct mrc_exchange_queue *queue, struct mrc_exchange_chunk *chunk);

/* Appends a copy of the LEN bytes, in the last chunk if they fit there. False: out of memory. */
bool mrc_exchange_queue_add(struct mrc_exchange_queue *queue, const char *bytes, size_t len);

/* Moves up to MAX bytes out of the queue into RET_BYTES. Returns their number. Does not wait for a
 * disk: sets is_blocked, or is_broken, when there is no other byte before those of a file. */
size_t mrc_exchange_queue_read(struct mrc_exchange_queue *queue, char *ret_bytes, size_t max);

/* The bytes that is_blocked is about, at least 1 and at most MAX: RET_FD has them from RET_OFFSET
 * on. The chunk keeps the descriptor. */
size_t mrc_exchange_queue_peek_file(const struct mrc_exchange_queue *queue, size_t max, int *ret_fd,
                                    off_t *ret_offset);

/* Replaces those bytes, or the first of them, by CHUNK, a copy. NULL: they cannot be read. */
void mrc_exchange_queue_unblock(struct mrc_exchange_queue *queue, struct mrc_exchange_chunk *chunk);

/* Like mrc_exchange_queue_read(), but the bytes stay in the queue, which has no files. */
size_t mrc_exchange_queue_peek(const struct mrc_exchange_queue *queue, char *ret_bytes, size_t max);

/* The number of bytes up to and including the first line end; all if there is none. */
size_t mrc_exchange_queue_line_bytes(const struct mrc_exchange_queue *queue);

/* Makes the queue empty. */
void mrc_exchange_queue_clear(struct mrc_exchange_queue *queue);

#endif
