#include "hub/base/heap.h"

#include "mrc_config.h"

#ifdef HAVE_MALLOC_TRIM
#include <malloc.h>
#endif

/* Fewer ended streams are not worth the time. */
#define ENDED_MIN 256

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
