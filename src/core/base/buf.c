#include "core/base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void mrc_buf_init(struct mrc_buf *buf, size_t max_bytes)
{
    *buf = (struct mrc_buf){.max = max_bytes};
}

void mrc_buf_free(struct mrc_buf *buf)
{
    free(buf->ptr);
    mrc_buf_init(buf, buf->max);
}

void mrc_buf_reset(struct mrc_buf *buf)
{
    buf->len = 0;
    buf->err = MRC_OK;
}

/* Grows the allocation to at least CAP bytes. It doubles, so that appending takes linear time. */
static bool reserve(struct mrc_buf *buf, size_t cap)
{
    size_t new_cap = buf->cap ? buf->cap : 64;
    char *grown;

    if (cap <= buf->cap)
        return true;
    while (new_cap < cap) {
        if (new_cap > (size_t)-1 / 2) {
            new_cap = cap;
            break;
        }
        new_cap *= 2;
    }
    grown = realloc(buf->ptr, new_cap);
    if (!grown) {
        buf->err = MRC_ENOMEM;
        return false;
    }
    buf->ptr = grown;
    buf->cap = new_cap;
    return true;
}

char *mrc_buf_extend(struct mrc_buf *buf, size_t len)
{
    char *room;

    if (buf->err)
        return NULL;
    if (len > buf->max - buf->len) {
        buf->err = MRC_ELIMIT;
        return NULL;
    }
    if (!reserve(buf, buf->len + len + 1)) /* room for the terminator of take(), too */
        return NULL;
    room = buf->ptr + buf->len;
    buf->len += len;
    return room;
}

void mrc_buf_add(struct mrc_buf *buf, const void *data, size_t len)
{
    char *room = mrc_buf_extend(buf, len);

    if (room && len)
        memcpy(room, data, len);
}

void mrc_buf_add_bytes(struct mrc_buf *buf, struct mrc_bytes bytes)
{
    mrc_buf_add(buf, bytes.ptr, bytes.len);
}

void mrc_buf_add_str(struct mrc_buf *buf, const char *str)
{
    mrc_buf_add(buf, str, strlen(str));
}

void mrc_buf_add_char(struct mrc_buf *buf, char c)
{
    mrc_buf_add(buf, &c, 1);
}

void mrc_buf_printf(struct mrc_buf *buf, const char *fmt, ...)
{
    va_list args;
    char *room;
    int len;

    va_start(args, fmt);
    len = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    if (len < 0) {
        if (!buf->err)
            buf->err = MRC_EINVAL;
        return;
    }
    room = mrc_buf_extend(buf, (size_t)len);
    if (!room)
        return;
    va_start(args, fmt);
    vsnprintf(room, (size_t)len + 1, fmt, args); /* extend() left room for the terminator */
    va_end(args);
}

char *mrc_buf_take(struct mrc_buf *buf, size_t *ret_len)
{
    size_t len = buf->len;
    char *str;

    if (buf->err || !reserve(buf, len + 1))
        return NULL;
    str = buf->ptr;
    str[len] = '\0';
    mrc_buf_init(buf, buf->max);
    if (ret_len)
        *ret_len = len;
    return str;
}
