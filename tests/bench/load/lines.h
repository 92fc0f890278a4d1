/* Splits a stream of bytes into lines, and calls a function for each complete line. */
#ifndef BENCH_LINES_H
#define BENCH_LINES_H

#include <stddef.h>

/* Holds the beginning of a line whose end has not come. Empty between lines. */
struct lines {
    char *partial;
    size_t len;
};

/* LINE does not include its end (LF or CRLF), and is valid only during the call. */
typedef void lines_fn(void *baton, const char *line, size_t len);

void lines_take(struct lines *lines, const char *bytes, size_t len, lines_fn *call, void *baton);

void lines_reset(struct lines *lines);

#endif
