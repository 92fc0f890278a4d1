/*
 * The dispatcher: the threads of a child that deliver updates from the rings to the streams.
 *
 *     child is woken --> loop 0 --wakes--> loop 1 .. n (loop.h), waiters (waiters.h)
 *                           |                 |
 *                           v                 v
 *                        streams           streams        a stream stays with its loop
 *
 * A new stream goes to the loop that has the fewest. Only the first loop watches the child's
 * notification descriptor, and wakes the other loops and the waiters.
 */
#ifndef MRC_HUB_STREAM_DISPATCHER_H
#define MRC_HUB_STREAM_DISPATCHER_H

#include <stdbool.h>
#include <stddef.h>

#include "apr_errno.h"
#include "apr_pools.h"

struct mrc_dispatcher;
struct mrc_hub;
struct mrc_inquiry;
struct mrc_loop;
struct mrc_notify;
struct mrc_stream;
struct mrc_waiters;

struct mrc_dispatcher_args {
    const struct mrc_notify *notify;
    unsigned slot;                         /* the child's */
    unsigned threads;                      /* at least 1 */
    int look_ms;                           /* of the loops (loop.h) */
    _Atomic(struct mrc_hub *) const *hubs; /* of the child; NULL: not open (yet) */
    size_t hubs_count;                     /* the index of each hub is below it */
    bool has_durable;                      /* whether a history of them is on the disk */
    struct mrc_waiters *waiters;
    struct mrc_inquiry *inquiry; /* of operators, for the streams; NULL: none */
    void (*on_wake)(void *ctx);  /* called in the first loop after each wake-up */
    void *ctx;
};

/* Starts the threads; all signals are blocked in them. The struct lives in POOL. APR_INCOMPLETE: it
 * has failed, and a thread has not ended, so POOL must stay. */
apr_status_t mrc_dispatcher_start(apr_pool_t *pool, const struct mrc_dispatcher_args *args,
                                  struct mrc_dispatcher **ret_dispatcher);

/*
 * Ends all streams, and those that are posted later: spread over MRC_LOOP_DRAIN_US if GRACEFUL,
 * otherwise at once. It only stores flags and writes to descriptors, so any thread and a signal
 * handler may call it.
 */
void mrc_dispatcher_post_drain(struct mrc_dispatcher *dispatcher, bool graceful);

/*
 * Ends the remaining streams (at once, unless a graceful drain has begun) and then the threads, and
 * waits for the threads, at most some seconds. False: a thread has not ended, and may still work;
 * the process must end without waiting for it, or call this again. Accepts NULL.
 */
bool mrc_dispatcher_stop(struct mrc_dispatcher *dispatcher);

/*
 * Hands STREAM over. Any thread. After mrc_dispatcher_stop() nothing happens to the stream: the
 * process ends, and the fold of its slot removes what was counted for the stream.
 */
void mrc_dispatcher_post(struct mrc_dispatcher *dispatcher, struct mrc_stream *stream);

/* The loop with the fewest streams and sessions, for a new session. Any thread. */
struct mrc_loop *mrc_dispatcher_post_choose(const struct mrc_dispatcher *dispatcher);

/* The number of streams, including those that are posted but not adopted yet. Any thread. */
unsigned mrc_dispatcher_post_count(const struct mrc_dispatcher *dispatcher);

#endif
