/*
 * Gives the memory of records that nobody needs back to the file system.
 *
 * Records that the history has dropped stay for readers that lag, until others overwrite them: in a
 * hub that was busy once, forever. So the parent looks at each ring from time to time, moves the
 * tail past the old records, and frees their pages the next time:
 *
 *     call N      tail moves to T; positions below T are no longer read
 *     …           readers that were copying such a record find that they are too late
 *     call N + 1  pages that have no position from T to the head are freed
 */
#ifndef MRC_STORE_RING_RECLAIM_H
#define MRC_STORE_RING_RECLAIM_H

#include <stdint.h>

#include "store/ring/ring.h"

/* A record stays for lagging readers for this long. */
#define MRC_RING_KEEP_US ((int64_t)10 * 60 * 1000 * 1000)

/*
 * Moves the tail past the records that are old at NOW_US, and frees the memory of those that the
 * previous call passed. PASSED keeps between the calls how far that was; at first it is 0. The
 * calls are so far apart that no reader still copies a record that it found before the first one.
 * Does nothing while a writer has the lock. The caller prevents mrc_ring_prepare(). Returns the
 * bytes that were freed.
 */
uint64_t mrc_ring_reclaim(struct mrc_ring *ring, uint64_t *passed, int64_t now_us);

#endif
