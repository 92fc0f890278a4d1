/*
 * How one process wakes another: one eventfd for each child slot.
 *
 * The parent makes them before it forks, so every child, of every generation, holds all of them
 * under the same numbers. A counter coalesces by itself: a thousand wake-ups that nobody has
 * taken yet are one, and the descriptor is never full.
 */
#ifndef MRC_STORE_SHM_NOTIFY_H
#define MRC_STORE_SHM_NOTIFY_H

#include "apr_errno.h"
#include "apr_pools.h"
#include "core/base/err.h"

struct mrc_notify;

/*
 * Makes NSLOTS descriptors, close-on-exec and non-blocking; the struct lives in POOL. On failure
 * none is left open, and ERROR says what to raise.
 */
apr_status_t mrc_notify_create(apr_pool_t *pool, unsigned nslots, struct mrc_error *error,
                               struct mrc_notify **ret_notify);

/* The descriptor that becomes readable when SLOT is woken; -1 for a slot that does not exist. */
int mrc_notify_fd(const struct mrc_notify *notify, unsigned slot);

/* Wakes SLOT. Any thread of any process; never blocks. */
void mrc_notify_wake(const struct mrc_notify *notify, unsigned slot);

/*
 * Takes all wake-ups of SLOT; the owner of the slot calls it, also right after claiming, for those
 * that its predecessor left. Take first, then read the rings until they are empty.
 */
void mrc_notify_drain(const struct mrc_notify *notify, unsigned slot);

/* Closes the descriptors in this process. Accepts NULL. */
void mrc_notify_close(struct mrc_notify *notify);

#endif
