/*
 * The lock of a ring: one writer at a time. If a writer has died while it held the lock, acquiring
 * the lock also repairs the ring.
 */
#ifndef MRC_STORE_RING_LOCK_H
#define MRC_STORE_RING_LOCK_H

#include "apr_errno.h"

#include "store/ring/internal.h"

/* Waits at most WAIT_US, as mrc_lock_acquire() does; NOW_US is the time of day, for a repair.
 * APR_TIMEUP; APR_EACCES: the view is read-only. */
apr_status_t mrc_ring_lock(struct mrc_ring *ring, int64_t now_us, int64_t wait_us);

void mrc_ring_unlock(struct mrc_ring *ring);

#endif
