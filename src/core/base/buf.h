/*
 * A bounded builder of bytes. The core builds all its output with it.
 *
 * A buffer grows by itself, up to its bound. A write that does not fit, or for which there is no
 * memory, marks the buffer as failed, and later writes do nothing. So one check at the end is
 * enough:
 *
 *     struct mrc_buf buf;
 *     mrc_buf_init(&buf, limit);
 *     mrc_buf_add_str(&buf, "data: ");
 *     err = mrc_buf_error(&buf);     -- MRC_OK, MRC_ENOMEM or MRC_ELIMIT
 *     mrc_buf_free(&buf);
 *
 * One owner, one thread at a time.
 */
#ifndef MRC_CORE_BASE_BUF_H
#define MRC_CORE_BASE_BUF_H

#include "core/base/bytes.h"
#include "core/base/err.h"

struct mrc_buf {
    char *ptr;        /* malloc()ed; NULL while empty */
    size_t len;       /* bytes written */
    size_t cap;       /* bytes allocated */
    size_t max;       /* the bound of len */
    enum mrc_err err; /* the first error */
};

/* Makes an empty buffer that will hold at most MAX_BYTES. Allocates nothing. */
void mrc_buf_init(struct mrc_buf *buf, size_t max_bytes);

/* Frees the memory. The buffer is then empty and usable again, with the same bound. */
void mrc_buf_free(struct mrc_buf *buf);

/* Drops the content and the error, and keeps the memory. */
void mrc_buf_reset(struct mrc_buf *buf);

/* Append bytes; on failure only the buffer's error changes. */
void mrc_buf_add(struct mrc_buf *buf, const void *data, size_t len);
void mrc_buf_add_bytes(struct mrc_buf *buf, struct mrc_bytes bytes);
void mrc_buf_add_str(struct mrc_buf *buf, const char *str);
void mrc_buf_add_char(struct mrc_buf *buf, char c);
void mrc_buf_printf(struct mrc_buf *buf, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/*
 * Adds LEN bytes and returns them for the caller to fill. NULL if they do not fit; the buffer has
 * then failed.
 */
char *mrc_buf_extend(struct mrc_buf *buf, size_t len);

/* The content; valid until the next write. It has no meaning once the buffer has failed. */
static inline struct mrc_bytes mrc_buf_bytes(const struct mrc_buf *buf)
{
    return (struct mrc_bytes){buf->ptr ? buf->ptr : "", buf->len};
}

static inline enum mrc_err mrc_buf_error(const struct mrc_buf *buf)
{
    return buf->err;
}

/*
 * Returns the content as a terminated string that the caller free()s, and empties the buffer. NULL
 * if the buffer has failed. RET_LEN, which may be NULL, gets the length without the terminator.
 */
char *mrc_buf_take(struct mrc_buf *buf, size_t *ret_len);

#endif
