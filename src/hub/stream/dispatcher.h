/*
 * The dispatcher: the threads of a child that bring updates from the rings to its streams. Each
 * runs a loop of its own (dispatcher_loop.h) over the streams that were given to it.
 *
 * The first loop also reads the child's notification descriptor, and wakes the other loops and the
 * waiters (threads that hold a stream of their own, waiters.h).
 */
#ifndef MRC_HUB_STREAM_DISPATCHER_H
#define MRC_HUB_STREAM_DISPATCHER_H

#include <stdbool.h>
#include <stddef.h>

#include "apr_errno.h"
#include "apr_pools.h"

struct mrc_dispatcher;
struct mrc_hub;
struct mrc_notify;
struct mrc_stream;
struct mrc_waiters;

struct mrc_dispatcher_args {
    const struct mrc_notify *notify;
    unsigned slot;               /* the child's */
    unsigned threads;            /* at least 1 */
    int look_ms;                 /* the loops' (dispatcher_loop.h) */
    struct mrc_hub *const *hubs; /* some may be NULL */
    size_t hubs_count;
    struct mrc_waiters *waiters;
    void (*on_wake)(void *ctx); /* called in the first loop after each wake-up */
    void *ctx;
};

/* Starts the threads, in which all signals are blocked. The struct lives in POOL. */
apr_status_t mrc_dispatcher_start(apr_pool_t *pool, const struct mrc_dispatcher_args *args,
                                  struct mrc_dispatcher **ret_dispatcher);

/*
 * All streams are to end: spread over MRC_DISPATCHER_DRAIN_US if GRACEFUL, else at once; streams
 * that are posted later, too. Stores flags and writes to descriptors only: any thread, and a signal
 * handler, may call it.
 */
void mrc_dispatcher_post_drain(struct mrc_dispatcher *dispatcher, bool graceful);

/*
 * Ends the streams that are left (at once, unless they drain gracefully already), then the threads,
 * and waits for them, some seconds at most. False: a thread has not ended, and may still do
 * something; then the process has to end, or this to be called again. Accepts NULL.
 */
bool mrc_dispatcher_stop(struct mrc_dispatcher *dispatcher);

/*
 * Hands STREAM over, which belongs to the dispatcher from now on. Any thread. After the dispatcher
 * was stopped nothing is done with it, or to it: the process ends, and what it counted is folded.
 */
void mrc_dispatcher_post(struct mrc_dispatcher *dispatcher, struct mrc_stream *stream);

/* How many streams it has; those that are posted count. Any thread. */
unsigned mrc_dispatcher_post_count(const struct mrc_dispatcher *dispatcher);

#endif
