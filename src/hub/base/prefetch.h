/*
 * What a stream needs when it writes has left the processor's caches since it wrote last, if there
 * are many. But the streams that write next are known, and the kernel takes long for each write:
 * the time to have their memory fetched. Nothing is waited for.
 */
#ifndef MRC_HUB_BASE_PREFETCH_H
#define MRC_HUB_BASE_PREFETCH_H

#include <stddef.h>

#define MRC_FETCH_LINE_BYTES 64 /* of a cache; where lines are longer, some are asked for twice */

/* The BYTES at WHAT, which need not be valid memory. */
static inline void mrc_prefetch(const void *what, size_t bytes)
{
    const char *last = (const char *)what + bytes - 1;

    for (const char *byte = what; byte < last; byte += MRC_FETCH_LINE_BYTES)
        __builtin_prefetch(byte, 1);
    __builtin_prefetch(last, 1);
}

#endif
