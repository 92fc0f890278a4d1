/*
 * A wake-up for one thread: a descriptor (an eventfd) that becomes readable when another thread
 * posts. The thread waits for it alone, or watches it with other descriptors.
 *
 * A wake-up is never lost: one that is posted before the thread waits ends its wait at once.
 * Several that are posted before the thread drains them are one.
 */
#ifndef MRC_HUB_BASE_WAKE_H
#define MRC_HUB_BASE_WAKE_H

#include "apr_errno.h"
#include "apr_pools.h"

struct mrc_wake {
    int fd; /* -1: not open */
};

/*
 * Opens WAKE. POOL closes it; if POOL is NULL, mrc_wake_close() does. Use a pool that outlives all
 * threads that post: a post after the close could write to another file with the same descriptor.
 * Errors are those of the system, such as EMFILE.
 */
apr_status_t mrc_wake_open(struct mrc_wake *wake, apr_pool_t *pool);

/* Closes a WAKE that was opened without a pool, when no thread posts any more. */
void mrc_wake_close(struct mrc_wake *wake);

/* Posts a wake-up. Any thread, and a signal handler. */
void mrc_wake_post(const struct mrc_wake *wake);

/* Takes all posted wake-ups, without waiting. Call it before you look for the work that they
 * announce. */
void mrc_wake_drain(const struct mrc_wake *wake);

/* Waits until a thread posts, or for TIMEOUT_MS (-1: forever), and drains. It may return early. */
void mrc_wake_wait(const struct mrc_wake *wake, int timeout_ms);

#endif
