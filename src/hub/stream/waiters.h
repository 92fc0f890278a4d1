/*
 * The waiters of a child: threads that serve one stream each, and are woken when the rings have new
 * updates, and the list of their streams for an operator.
 *
 * A child has one notification descriptor, which its dispatcher reads. Each waiter has its own
 * wake-up, which the dispatcher then posts. Any thread may open and close a waiter.
 */
#ifndef MRC_HUB_STREAM_WAITERS_H
#define MRC_HUB_STREAM_WAITERS_H

#include <stdbool.h>
#include <stdint.h>

#include "apr_errno.h"
#include "apr_pools.h"

struct mrc_subscriber;
struct mrc_waiter;
struct mrc_waiters;

/* Makes an empty set, which lives in POOL. */
struct mrc_waiters *mrc_waiters_create(apr_pool_t *pool);

/* Wakes all waiters. */
void mrc_waiters_wake(struct mrc_waiters *waiters);

/* Adds a waiter for the calling thread, which is woken from now on. SUBSCRIBER, whose stream it
 * serves, must outlive it; NULL: none that an operator sees. */
apr_status_t mrc_waiter_open(struct mrc_waiters *waiters, const struct mrc_subscriber *subscriber,
                             struct mrc_waiter **ret_waiter);

/* Notes what an operator sees of the stream: the number in the history of the next record that it
 * gets, and the bytes that its client has not taken yet. */
void mrc_waiter_note(struct mrc_waiter *waiter, uint64_t next, uint64_t waiting);

/* The stream of a waiter. */
struct mrc_waiter_stream {
    const struct mrc_subscriber *subscriber; /* only what does not change while it is open */
    uint32_t since_s;                        /* when it began, since 1970 */
    uint32_t serial;                         /* grows with each stream */
    uint64_t next, waiting;                  /* noted last */
};

/* False: call it for no more streams. */
typedef bool mrc_waiters_fn(void *ctx, const struct mrc_waiter_stream *stream);

/* Calls FN(CTX) for each stream, the newest first. No waiter opens or closes meanwhile. */
void mrc_waiters_list(struct mrc_waiters *waiters, mrc_waiters_fn *fn, void *ctx);

/* The descriptor that becomes readable when the waiter is woken. */
int mrc_waiter_fd(const struct mrc_waiter *waiter);

/* Takes all wake-ups. Call it before you read the ring to its end. */
void mrc_waiter_drain(struct mrc_waiter *waiter);

/* Removes WAITER, in the thread that opened it. Accepts NULL. */
void mrc_waiter_close(struct mrc_waiter *waiter);

#endif
