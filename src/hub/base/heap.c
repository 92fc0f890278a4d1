#include "hub/base/heap.h"

#include "mrc_config.h"

#ifdef HAVE_MALLOC_TRIM
#include <malloc.h>
#endif

/* Fewer ended streams are not worth the time. */
#define ENDED_MIN 256

/* The thresholds that the C library sets itself when it has freed a block of the first size. */
#define MMAP_BYTES (512 * 1024)
#define TRIM_BYTES (2 * MMAP_BYTES)

void mrc_heap_keep_bursts(void)
{
#ifdef HAVE_MALLOC_TRIM
    mallopt(M_MMAP_THRESHOLD, MMAP_BYTES);
    mallopt(M_TRIM_THRESHOLD, TRIM_BYTES);
#endif
}

void mrc_heap_note(struct mrc_heap *heap, unsigned streams)
{
    if (streams > heap->peak)
        heap->peak = streams;
    if (heap->peak - streams < ENDED_MIN || streams > heap->peak / 2)
        return;
    heap->peak = streams;
#ifdef HAVE_MALLOC_TRIM
    malloc_trim(0);
#endif
}
