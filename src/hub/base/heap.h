/*
 * Gives memory back to the system when many streams have ended. The C library keeps what was freed
 * between blocks that are still in use: without this, a child would stay as large as it was with
 * its most streams.
 */
#ifndef MRC_HUB_BASE_HEAP_H
#define MRC_HUB_BASE_HEAP_H

/*
 * Lets the heaps of this process keep up to 1 MB each that is free at their end. Otherwise the C
 * library returns the memory of every burst of responses to the system, and gets the same memory
 * again for the next one: that costs as much processor time as sending them.
 */
void mrc_heap_keep_bursts(void);

/* Zeroed at the start. Only one thread uses it. */
struct mrc_heap {
    unsigned peak; /* the most streams since memory was last given back */
};

/*
 * Notes that STREAMS streams were open when one ended. If at most half of the peak are left, and
 * hundreds have ended, returns free memory to the system, which may take some milliseconds.
 */
void mrc_heap_note(struct mrc_heap *heap, unsigned streams);

#endif
