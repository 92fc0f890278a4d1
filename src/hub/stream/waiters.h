/*
 * The waiters of a child: threads that serve one stream each, and are woken when the rings have new
 * updates.
 *
 * A child has one notification descriptor, which its dispatcher reads. Each waiter has its own
 * wake-up, which the dispatcher then posts. Any thread may open and close a waiter.
 */
#ifndef MRC_HUB_STREAM_WAITERS_H
#define MRC_HUB_STREAM_WAITERS_H

#include "apr_errno.h"
#include "apr_pools.h"

struct mrc_waiter;
struct mrc_waiters;

/* Makes an empty set, which lives in POOL. */
struct mrc_waiters *mrc_waiters_create(apr_pool_t *pool);

/* Wakes all waiters. */
void mrc_waiters_wake(struct mrc_waiters *waiters);

/* Adds a waiter for the calling thread, which is woken from now on. */
apr_status_t mrc_waiter_open(struct mrc_waiters *waiters, struct mrc_waiter **ret_waiter);

/* The descriptor that becomes readable when the waiter is woken. */
int mrc_waiter_fd(const struct mrc_waiter *waiter);

/* Takes all wake-ups. Call it before you read the ring to its end. */
void mrc_waiter_drain(struct mrc_waiter *waiter);

/* Removes WAITER, in the thread that opened it. Accepts NULL. */
void mrc_waiter_close(struct mrc_waiter *waiter);

#endif
