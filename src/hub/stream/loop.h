/*
 * The loop of one thread of the dispatcher (dispatcher.h), over the streams that were posted to it;
 * a stream stays with its loop until it ends. One turn:
 *
 *     wait          for a writable or broken socket, news, or the next timer
 *     adopt         the streams that were posted
 *     timers        heartbeats, ends of lives, clients that take nothing
 *     collect       streams in REPLAY whose next records were read from the disk
 *     work          up to WORK_PER_TURN streams write what is due to them, each in few large
 *                   writes, and beside them some that still replay
 *     pull          when none that is live waits to write any more: the next records of each ring
 *                   go into the queues of those who receive them
 *     close         what has ended
 *
 * Nothing in it blocks.
 */
#ifndef MRC_HUB_STREAM_LOOP_H
#define MRC_HUB_STREAM_LOOP_H

#include <stddef.h>

#include "apr_errno.h"
#include "apr_pools.h"
#include "apr_thread_proc.h"

struct mrc_dispatcher_loop;
struct mrc_hub;
struct mrc_reader;
struct mrc_stream;

/*
 * For look_ms: nothing waits for such a look, since whoever publishes wakes
 * (store/regions/interests.h). It is for what no argument covers, and makes a loss of what would be
 * one a delay.
 */
#define MRC_DISPATCHER_LOOK_MS 1000

/* A loop drains its streams over so long, so that they do not all come back at once. */
#define MRC_DISPATCHER_DRAIN_US ((int64_t)2000 * 1000)

enum mrc_dispatcher_drain {
    MRC_DISPATCHER_DRAIN_NOT,
    MRC_DISPATCHER_DRAIN_GRACEFULLY, /* over MRC_DISPATCHER_DRAIN_US */
    MRC_DISPATCHER_DRAIN_NOW
};

struct mrc_dispatcher_loop_args {
    struct mrc_hub *const *hubs; /* some may be NULL */
    size_t hubs_count;
    unsigned number;              /* of the loop in its child, below MRC_NUMBERS_LOOPS_MAX */
    int look_ms;                  /* it looks at the rings so often at least, woken or not */
    struct mrc_reader *reader;    /* reads histories from the disk; NULL: none needs it */
    int notify_fd;                /* on_notify is called whenever it is readable; -1: none */
    void (*on_notify)(void *ctx); /* in the loop's thread */
    void *ctx;
};

/* The struct lives in POOL; on failure nothing is left open. */
apr_status_t mrc_dispatcher_loop_open(apr_pool_t *pool, const struct mrc_dispatcher_loop_args *args,
                                      struct mrc_dispatcher_loop **ret_loop);

/* Frees what it has; its thread has ended, or never began. Accepts NULL. */
void mrc_dispatcher_loop_close(struct mrc_dispatcher_loop *loop);

/* Serves in THREAD, the one that calls it, until it is told to stop; then ends what is left. */
void mrc_dispatcher_loop_run(struct mrc_dispatcher_loop *loop, apr_thread_t *thread);

/* ---- From any thread --------------------------------------------------------------------------*/

/*
 * Hands STREAM over, which belongs to the loop from now on. After the loop has ended nothing is
 * done with it, or to it: the process ends.
 */
void mrc_dispatcher_loop_post(struct mrc_dispatcher_loop *loop, struct mrc_stream *stream);

/* How many streams it has; those that are posted count. */
unsigned mrc_dispatcher_loop_post_count(const struct mrc_dispatcher_loop *loop);

/*
 * These only store flags and write to a descriptor, so that a signal handler may call them too.
 * There is news in some ring; all streams are to end, those that are posted later, too; the loop is
 * to end its streams, at once unless they drain gracefully already, and then itself.
 */
void mrc_dispatcher_loop_post_wake(const struct mrc_dispatcher_loop *loop);
void mrc_dispatcher_loop_post_drain(struct mrc_dispatcher_loop *loop,
                                    enum mrc_dispatcher_drain drain);
void mrc_dispatcher_loop_post_stop(struct mrc_dispatcher_loop *loop);

#endif
