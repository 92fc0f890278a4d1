/*
 * The answer to one request of HTTP/1.1 as it comes in: its status, and its body freed of the
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
    ANSWER_BAD, /* it is no HTTP */
};

struct answer {
    enum answer_state state;
    int status;       /* 0 until the head is there */
    bool closes;      /* the server will close the connection after it */
    uint8_t line_len; /* of the chunk's or trailer's line so far, as far as it matters */
    uint64_t left;    /* bytes of the body, or of the chunk */
    char *head;
    size_t head_len;
};

/* Called with pieces of the body. */
typedef void answer_body_fn(void *baton, const char *bytes, size_t len);

/* Takes what has come; where it stands then. Zeroes are the beginning of an answer. */
enum answer_state answer_take(struct answer *answer, const char *bytes, size_t len,
                              answer_body_fn *body, void *baton);

/* Frees what it holds, and is ready for the next answer. */
void answer_reset(struct answer *answer);

#endif
