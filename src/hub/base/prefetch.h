/*
 * Fetches memory into the processor's cache ahead of its use. With many streams, the memory of one
 * has left the cache by the time it writes again. But the loop knows which streams write next, and
 * one write takes the kernel long enough for their memory to arrive. A prefetch never waits.
 */
#ifndef MRC_HUB_BASE_PREFETCH_H
#define MRC_HUB_BASE_PREFETCH_H

#include <stddef.h>

#define MRC_FETCH_LINE_BYTES 64 /* of a cache line; longer lines are fetched more than once */

/* Fetches the BYTES at WHAT, which may be invalid memory. */
static inline void mrc_prefetch(const void *what, size_t bytes)
{
    const char *last = (const char *)what + bytes - 1;

    for (const char *byte = what; byte < last; byte += MRC_FETCH_LINE_BYTES)
        __builtin_prefetch(byte, 1);
    __builtin_prefetch(last, 1);
}

#endif
