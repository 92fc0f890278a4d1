/*
 * The dispatcher: one thread of a child that hears when the rings have something new.
 *
 * It owns the child's notification descriptor. A stream that is held by a thread of its own waits
 * on a waiter, a descriptor that the dispatcher wakes; so that many threads can wait while only one
 * takes the wake-ups that publishers send to the child.
 */
#ifndef MRC_HUB_DISPATCHER_H
#define MRC_HUB_DISPATCHER_H

#include "apr_errno.h"
#include "apr_pools.h"

struct mrc_dispatcher;
struct mrc_notify;
struct mrc_waiter;

/*
 * Starts the thread for the child that owns SLOT; all signals are blocked in it. After each wake-up
 * it calls ON_WAKE(CTX). The struct lives in POOL.
 */
apr_status_t mrc_dispatcher_start(apr_pool_t *pool, const struct mrc_notify *notify, unsigned slot,
                                  void (*on_wake)(void *ctx), void *ctx,
                                  struct mrc_dispatcher **ret_dispatcher);

/* Ends the thread and waits for it. Accepts NULL. */
void mrc_dispatcher_stop(struct mrc_dispatcher *dispatcher);

/* A waiter for the calling thread. It is woken from now on. Any thread. */
apr_status_t mrc_dispatcher_post_waiter(struct mrc_dispatcher *dispatcher,
                                        struct mrc_waiter **ret_waiter);

/* The descriptor that becomes readable when the waiter is woken. */
int mrc_waiter_fd(const struct mrc_waiter *waiter);

/* Takes all wake-ups; do it first, then read the ring until it is empty. */
void mrc_waiter_drain(struct mrc_waiter *waiter);

/* Accepts NULL. By the thread that asked for the waiter. */
void mrc_waiter_close(struct mrc_waiter *waiter);

#endif
