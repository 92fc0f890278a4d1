/*
 * A view of bytes that another object owns. It is not terminated and may hold NUL bytes. An empty
 * value has a pointer; a missing value is { NULL, 0 }.
 */
#ifndef MRC_CORE_BASE_BYTES_H
#define MRC_CORE_BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct mrc_bytes {
    const char *ptr;
    size_t len;
};

/* The view of a terminated string, which must outlive the view. */
static inline struct mrc_bytes mrc_bytes_of(const char *str)
{
    return (struct mrc_bytes){str, strlen(str)};
}

static inline bool mrc_bytes_eq(struct mrc_bytes a, struct mrc_bytes b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

static inline bool mrc_bytes_eq_str(struct mrc_bytes a, const char *str)
{
    return mrc_bytes_eq(a, mrc_bytes_of(str));
}

static inline bool mrc_bytes_starts_with(struct mrc_bytes a, struct mrc_bytes prefix)
{
    return a.len >= prefix.len && (prefix.len == 0 || memcmp(a.ptr, prefix.ptr, prefix.len) == 0);
}

/* The offset of the last C in A, or A.len if A has none. */
static inline size_t mrc_bytes_find_last(struct mrc_bytes a, char c)
{
    for (size_t i = a.len; i > 0; i--)
        if (a.ptr[i - 1] == c)
            return i - 1;
    return a.len;
}

#endif
