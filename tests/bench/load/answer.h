/*
 * Parses the answer to one HTTP/1.1 request as it comes in: its status, and its body without the
 * framing.
 *
 *     HEAD --blank line--> LENGTH | CHUNK_SIZE -> CHUNK -> CHUNK_END -> CHUNK_SIZE … | UNTIL_CLOSE
 *                             \__________________________ size 0 -> TRAILER ____/
 *                                                                      \-> WHOLE
 */
#ifndef BENCH_ANSWER_H
#define BENCH_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ANSWER_HEAD_MAX 16384

enum answer_state {
    ANSWER_HEAD,
    ANSWER_LENGTH,
    ANSWER_CHUNK_SIZE,
    ANSWER_CHUNK,
    ANSWER_CHUNK_END,
    ANSWER_TRAILER,
    ANSWER_UNTIL_CLOSE,
    ANSWER_WHOLE,
    ANSWER_BAD, /* not HTTP */
};

struct answer {
    enum answer_state state;
    int status;       /* 0 until the head is complete */
    bool closes;      /* the server will close the connection after the answer */
    uint8_t line_len; /* length so far of the current line of a chunk or trailer, up to a maximum */
    uint64_t left;    /* remaining bytes of the body or of the chunk */
    char *head;
    size_t head_len;
};

/* Called with pieces of the body. */
typedef void answer_body_fn(void *baton, const char *bytes, size_t len);

/* Takes LEN bytes and returns the new state. A zeroed struct is the start of an answer. */
enum answer_state answer_take(struct answer *answer, const char *bytes, size_t len,
                              answer_body_fn *body, void *baton);

/* Frees the memory of ANSWER and prepares it for the next answer. */
void answer_reset(struct answer *answer);

#endif
