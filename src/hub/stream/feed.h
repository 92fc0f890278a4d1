/* clang-format off */
/*
 * The feed of one dispatcher loop: reads the rings, and puts each new update into the queues of the
 * streams that receive it.
 *
 *     ring of a hub --pull--+--> quick lane:  record --index--> listeners --may read?--> queues
 *                           |
 *                           +--> costly lane: the same, in slices of time
 *
 * The event of an update is encoded for the first stream that receives it, and shared by all of
 * them. Each hub has two lanes, each with its own index and cursor. Streams whose matching may take
 * long (mrc_subscriber_is_costly(), mrc_index_is_crowded()) are in the costly lane, which may lag
 * behind the quick one: they delay each other, but no other stream. Every stream receives its
 * updates in the order of the ring.
 *
 * A stream joins when it has caught up with its ring. The lane that it joins may not have read that
 * far yet:
 *
 *     the ring      . . . | A | B | C | D | E | F | . . .      newer
 *                         ^           ^       ^
 *                     cursor of    position   settled: the largest
 *                     the lane     of the     position of a stream
 *                                  stream     that has joined
 *
 * The replay of the stream has given it A to C, so the lane skips these for it. From "settled" on
 * every stream of the lane gets every record, and no position is compared.
 *
 * All functions are for the thread of the loop.
 */
/* clang-format on */
#ifndef MRC_HUB_STREAM_FEED_H
#define MRC_HUB_STREAM_FEED_H

#include <stdbool.h>
#include <stddef.h>

#include "apr_errno.h"
#include "apr_pools.h"

struct mrc_feed;
struct mrc_hub;
struct mrc_stream;

struct mrc_feed_args {
    size_t hubs_count;                 /* of the child: the index of each hub is below it */
    unsigned number;                   /* of the loop in its child, below MRC_NUMBERS_LOOPS_MAX */
    struct mrc_stream *const *streams; /* where the list of all streams of the loop begins */

    /*
     * on_ready: STREAM has something to write, or has ended. The loop may remove it from the feed
     * only after on_ready has returned. on_end: STREAM has ended, and may be removed at once.
     */
    void (*on_ready)(void *ctx, struct mrc_stream *stream);
    void (*on_end)(void *ctx, struct mrc_stream *stream);

    /* Whether streams of the hub with this index have something to write. */
    bool (*is_busy)(void *ctx, size_t hub_index);
    void *ctx;
};

/* The struct lives in POOL; STREAMS must outlive it. */
apr_status_t mrc_feed_open(apr_pool_t *pool, const struct mrc_feed_args *args,
                           struct mrc_feed **ret_feed);

/* Closes a feed without streams. Accepts NULL. */
void mrc_feed_close(struct mrc_feed *feed);

/* Adds STREAM, which has caught up: from now on it gets all updates after those of its replay.
 * APR_ENOMEM: it is not added. */
apr_status_t mrc_feed_add(struct mrc_feed *feed, struct mrc_stream *stream);

/* Removes STREAM, if it is in the feed. */
void mrc_feed_remove(struct mrc_feed *feed, struct mrc_stream *stream);

/*
 * The number in the history of the first record that is not yet in the queue of STREAM, which
 * listens; 0: that is not known at the moment.
 */
uint64_t mrc_feed_get_next(struct mrc_feed *feed, const struct mrc_stream *stream);

/*
 * Reads the next records of each ring whose hub is not busy; in the costly lanes, only as many as
 * the slice of time allows. If a ring has overwritten records that a lane has not read, the streams
 * of the lane go back to replay. True: the ring of a hub that is not busy has more records.
 */
bool mrc_feed_pull(struct mrc_feed *feed);

#endif
