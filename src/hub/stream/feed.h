/*
 * What is new in the rings, for the streams of one dispatcher loop (dispatcher_loop.h) that listen:
 *
 *     ring of each hub --pull--> index: who listens? --> the shared event --> their queues
 *
 * Streams whose matching may take long (mrc_subscriber_is_costly(), mrc_index_is_crowded()) are
 * told in a lane of their own: in slices of time, perhaps later than the others. Every stream gets
 * what is its own in the order of the ring.
 *
 * A stream that is in has caught up with its ring; what comes after its position is its own from
 * then on, each record once. Everything here is for the loop's thread.
 */
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
    struct mrc_hub *const *hubs; /* some may be NULL */
    size_t hubs_count;
    unsigned number;                   /* of the loop in its child, below MRC_NUMBERS_LOOPS_MAX */
    struct mrc_stream *const *streams; /* where the list of all streams of the loop begins */

    /*
     * STREAM has something to do, or has ended: it stays in until it is taken out, and that not
     * before on_ready has returned. And: it has ended, and may be taken out at once.
     */
    void (*on_ready)(void *ctx, struct mrc_stream *stream);
    void (*on_end)(void *ctx, struct mrc_stream *stream);
    void *ctx;
};

/* The struct lives in POOL; HUBS and STREAMS must outlive it. */
apr_status_t mrc_feed_open(apr_pool_t *pool, const struct mrc_feed_args *args,
                           struct mrc_feed **ret_feed);

/* No stream is in it. Accepts NULL. */
void mrc_feed_close(struct mrc_feed *feed);

/* STREAM, which has caught up, hears of the records that its replay has not given it. APR_ENOMEM:
 * it does not. */
apr_status_t mrc_feed_add(struct mrc_feed *feed, struct mrc_stream *stream);

/* Takes it out; nothing happens if it is not in. */
void mrc_feed_remove(struct mrc_feed *feed, struct mrc_stream *stream);

/*
 * Puts the next records of each ring into the queues of those who receive them, in the costly lane
 * as many as there is time for. Where the ring has gone over some, those who listen go back to
 * their replay. True: some ring has more.
 */
bool mrc_feed_pull(struct mrc_feed *feed);

#endif
