#include "lines.h"

#include <stdlib.h>
#include <string.h>

#include "base.h"

void lines_reset(struct lines *lines)
{
    free(lines->partial);
    *lines = (struct lines){.len = 0};
}

static void keep(struct lines *lines, const char *bytes, size_t len)
{
    if (len == 0)
        return;
    lines->partial = base_resize(lines->partial, lines->len + len);
    memcpy(lines->partial + lines->len, bytes, len);
    lines->len += len;
}

void lines_take(struct lines *lines, const char *bytes, size_t len, lines_fn *call, void *baton)
{
    const char *end = bytes + len;

    while (bytes < end) {
        const char *line = bytes, *stop = memchr(bytes, '\n', (size_t)(end - bytes));
        size_t line_len;

        if (!stop) {
            keep(lines, bytes, (size_t)(end - bytes));
            return;
        }
        bytes = stop + 1;
        line_len = (size_t)(stop - line);
        if (lines->partial) {
            keep(lines, line, line_len);
            line = lines->partial;
            line_len = lines->len;
        }
        if (line_len > 0 && line[line_len - 1] == '\r')
            line_len--;
        call(baton, line, line_len);
        if (lines->partial)
            lines_reset(lines);
    }
}
