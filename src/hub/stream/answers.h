/*
 * The answers of a loop to operators who ask for the streams of a hub (hub/control/listing.h). The
 * loop looks at its streams in slices of time, so that no update waits for it.
 *
 * All functions are for the thread of the loop.
 */
#ifndef MRC_HUB_STREAM_ANSWERS_H
#define MRC_HUB_STREAM_ANSWERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "apr_pools.h"

struct mrc_answers;
struct mrc_hub;
struct mrc_inquiry;
struct mrc_stream;
struct mrc_waiters;

struct mrc_answers_args {
    struct mrc_inquiry *inquiry;           /* NULL: nobody asks */
    unsigned slot;                         /* of the child */
    unsigned part;                         /* the number of the loop */
    unsigned loops;                        /* of the child; the part after them are the waiters */
    struct mrc_waiters *waiters;           /* this loop answers for them; NULL: it does not */
    _Atomic(struct mrc_hub *) const *hubs; /* of the child; NULL: not open, so without streams */
    size_t hubs_count;
    struct mrc_stream *const *streams; /* where the list of all streams of the loop begins */

    /* The number in the history of the next record that STREAM gets; 0: not known. */
    uint64_t (*next_of)(const void *ctx, const struct mrc_stream *stream);
    const void *ctx;
};

/* The struct lives in POOL. */
struct mrc_answers *mrc_answers_create(apr_pool_t *pool, const struct mrc_answers_args *args);

/* Frees its contents. Accepts NULL. */
void mrc_answers_close(struct mrc_answers *answers);

/* Takes a question, if there is one, and works at its answer. True: the answer is not complete. */
bool mrc_answers_work(struct mrc_answers *answers);

/* Call it before STREAM leaves the list of the loop. */
void mrc_answers_forget(struct mrc_answers *answers, const struct mrc_stream *stream);

/* The loop ends: answers an open question with what was found so far. */
void mrc_answers_stop(struct mrc_answers *answers);

#endif
