/* clang-format off */
/*
 * Fair shares of one loop: which stream works next. Each hub has a list of its streams, in the order
 * in which they were added, and the hubs take turns:
 *
 *     turns --> hub A --> hub B --> hub C      the first one may spend what is left of its quantum,
 *                 |         |         |        and goes to the end then
 *              stream    stream    stream
 *                 |                   |
 *              stream              stream
 *
 * So a hub with many streams delays another one by its quantum, whatever it has to do itself. A hub
 * that has no stream left is not in the turns.
 *
 * All functions are for the thread of the loop.
 */
/* clang-format on */
#ifndef MRC_HUB_STREAM_SHARES_H
#define MRC_HUB_STREAM_SHARES_H

#include <stddef.h>
#include <stdint.h>

#include "hub/base/list.h"

/* The share of one hub. Zeroed: it has no stream. */
struct mrc_share {
    struct mrc_list_link link; /* in the turns while STREAMS is not empty */
    struct mrc_list streams;
    int64_t left; /* of the quantum */
};

/* Zeroed, with a quantum above 0: no hub has a stream. */
struct mrc_shares {
    struct mrc_list turns;
    int64_t quantum; /* what a hub may spend before the next one has its turn */
};

/* Adds a stream to SHARE. */
static inline void mrc_shares_add(struct mrc_shares *shares, struct mrc_share *share,
                                  struct mrc_list_link *stream)
{
    if (!share->streams.first) {
        share->left = shares->quantum;
        mrc_list_append(&shares->turns, &share->link);
    }
    mrc_list_append(&share->streams, stream);
}

/* The share whose turn it is. NULL: no hub has a stream. */
static inline struct mrc_share *mrc_shares_get(const struct mrc_shares *shares)
{
    return (struct mrc_share *)shares->turns.first;
}

/* Takes the next stream of SHARE, whose turn it is. The stream may be added again before
 * mrc_shares_spend(). */
static inline struct mrc_list_link *mrc_shares_take(struct mrc_shares *shares,
                                                    struct mrc_share *share)
{
    struct mrc_list_link *stream = mrc_list_take(&share->streams);

    if (!share->streams.first)
        mrc_list_take(&shares->turns);
    return stream;
}

/* The stream that was taken from SHARE last has cost COST. */
static inline void mrc_shares_spend(struct mrc_shares *shares, struct mrc_share *share,
                                    int64_t cost)
{
    share->left -= cost;
    if (share->left > 0)
        return;
    share->left = shares->quantum;
    if (mrc_shares_get(shares) == share) { /* it has not left the turns meanwhile */
        mrc_list_take(&shares->turns);
        mrc_list_append(&shares->turns, &share->link);
    }
}

#endif
