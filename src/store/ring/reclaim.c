#include "store/ring/reclaim.h"

#include "store/ring/codec.h"
#include "store/ring/lock.h"
#include "store/ring/window.h"

/* The most records that one call passes, so that it holds the lock for a few milliseconds. */
#define STEPS_MAX 50000

/* The end of what is only for lagging readers: replay does not reach it, and it is not the newest
 * update, whose id new subscribers get. */
static uint64_t end_of_the_old(const struct mrc_ring *ring)
{
    uint64_t history = mrc_ring_held(&ring->header->history);
    uint64_t newest;

    if (mrc_ring_newest_before(ring, mrc_ring_held(&ring->header->head), &newest) != APR_SUCCESS)
        return mrc_ring_held(&ring->header->tail);
    return newest < history ? newest : history;
}

/* Moves the tail past old records that were published before BEFORE_US. */
static void move_tail(struct mrc_ring *ring, int64_t before_us)
{
    struct mrc_ring_header *header = ring->header;
    uint64_t head = mrc_ring_held(&header->head);
    uint64_t tail = mrc_ring_held(&header->tail);
    uint64_t end = end_of_the_old(ring);

    for (unsigned steps = 0; tail < end && steps < STEPS_MAX; steps++) {
        struct mrc_ring_meta meta;

        if (mrc_ring_codec_load(ring, tail, head, &meta)) {
            mrc_ring_window_reset(ring);
            return;
        }
        if (meta.time_us >= before_us)
            break;
        tail += meta.total_bytes;
    }
    mrc_ring_publish(&header->tail, tail);
}

/* Frees the pages with no position from KEPT to the head. */
static uint64_t free_pages(struct mrc_ring *ring, uint64_t kept)
{
    uint64_t head = mrc_ring_held(&ring->header->head);
    uint64_t bytes = head - kept < ring->capacity ? ring->capacity - (head - kept) : 0;
    uint64_t at = head % ring->capacity;
    uint64_t part = bytes < ring->capacity - at ? bytes : ring->capacity - at;
    char *base = (char *)ring->words;

    return mrc_sparse_give_back(ring->pages, base + at, part) +
           mrc_sparse_give_back(ring->pages, base, bytes - part);
}

uint64_t mrc_ring_reclaim(struct mrc_ring *ring, uint64_t *passed, int64_t now_us)
{
    uint64_t before = *passed;
    uint64_t given;

    if (!ring->pages || mrc_ring_head(ring) == 0 || mrc_ring_lock(ring, now_us, 0) != APR_SUCCESS)
        return 0;
    mrc_ring_window_trim(ring, now_us);
    move_tail(ring, now_us - MRC_RING_KEEP_US);
    given = free_pages(ring, before);
    *passed = mrc_ring_held(&ring->header->tail);
    mrc_ring_unlock(ring);
    return given;
}
