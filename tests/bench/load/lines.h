/* Lines out of pieces of a stream: bytes in, a call for each whole line. */
#ifndef BENCH_LINES_H
#define BENCH_LINES_H

#include <stddef.h>

/* Holds the beginning of a line whose end has not come; nothing between lines. */
struct lines {
    char *partial;
    size_t len;
};

/* LINE is without its end (LF or CRLF) and valid during the call only. */
typedef void lines_fn(void *baton, const char *line, size_t len);

void lines_take(struct lines *lines, const char *bytes, size_t len, lines_fn *call, void *baton);

void lines_reset(struct lines *lines);

#endif
