/*
 * The waiters: threads that hold a stream of their own, and are woken when there is news.
 *
 * A child has one notification descriptor, which its dispatcher reads; each waiter has a descriptor
 * of its own, which the dispatcher then wakes. Any thread may add and close waiters.
 */
#ifndef MRC_HUB_STREAM_WAITERS_H
#define MRC_HUB_STREAM_WAITERS_H

#include "apr_errno.h"
#include "apr_pools.h"

struct mrc_waiter;
struct mrc_waiters;

/* An empty set; lives in POOL. */
struct mrc_waiters *mrc_waiters_create(apr_pool_t *pool);

/* Wakes them all. */
void mrc_waiters_wake(struct mrc_waiters *waiters);

/* A waiter for the calling thread. It is woken from now on. */
apr_status_t mrc_waiter_open(struct mrc_waiters *waiters, struct mrc_waiter **ret_waiter);

/* The descriptor that becomes readable when the waiter is woken. */
int mrc_waiter_fd(const struct mrc_waiter *waiter);

/* Takes all wake-ups; do it first, then read the ring until it is empty. */
void mrc_waiter_drain(struct mrc_waiter *waiter);

/* By the thread that opened it. Accepts NULL. */
void mrc_waiter_close(struct mrc_waiter *waiter);

#endif
