/*
 * The numbers of a hub, and where each lies in its segment (store/regions/hub_segment.h).
 *
 * Places are never moved: a reload may put another build over the numbers of an earlier one. What
 * has one number for each reason has MRC_NUMBERS_REASONS places, more than there are reasons.
 */
#ifndef MRC_HUB_HUB_NUMBERS_H
#define MRC_HUB_HUB_NUMBERS_H

#include <stdbool.h>
#include <stdint.h>

#include "hub/stream/carrier.h"
#include "store/regions/hub_layout.h"

#define MRC_NUMBERS_REASONS 16

/* The histogram of dispatch times: one bucket for each bound, and one for what is above all. */
#define MRC_NUMBERS_BOUNDS 15

/* Only grow. */
enum mrc_counter {
    MRC_COUNTER_UPDATES,     /* stored */
    MRC_COUNTER_SUBSCRIBERS, /* streams that have begun */
    MRC_COUNTER_DELIVERIES,  /* events handed to a carrier */
    MRC_COUNTER_ENDED,       /* streams: one for each enum mrc_end */
    MRC_COUNTER_PUBLISH_REJECTED = MRC_COUNTER_ENDED + MRC_NUMBERS_REASONS,   /* enum mrc_refusal */
    MRC_COUNTER_REFUSED = MRC_COUNTER_PUBLISH_REJECTED + MRC_NUMBERS_REASONS, /* the same */
    MRC_COUNTER_DISPATCH = MRC_COUNTER_REFUSED + MRC_NUMBERS_REASONS,         /* buckets */
    MRC_COUNTER_DISPATCH_US = MRC_COUNTER_DISPATCH + MRC_NUMBERS_BOUNDS + 1,  /* their sum */
    MRC_COUNTER_COUNT
};

/* Of the present. */
enum mrc_gauge {
    MRC_GAUGE_SUBSCRIBERS,
    MRC_GAUGE_THREADS,  /* held by streams; of the whole child, in its first hub */
    MRC_GAUGE_TAKEN,    /* number of the next update that the child's dispatcher takes; 0: none */
    MRC_GAUGE_PATTERNS, /* that the child holds for its subscribers */
    MRC_GAUGE_PATTERN_BYTES, /* what these occupy */
    MRC_GAUGE_PATTERNS_TOLD, /* 1: the child has told that the hub turns patterns away */
    MRC_GAUGE_COUNT
};

_Static_assert(MRC_COUNTER_COUNT <= (int)MRC_HUB_COUNTERS, "the segment has room for each counter");
_Static_assert(MRC_GAUGE_COUNT <= (int)MRC_HUB_GAUGES, "the segment has room for each gauge");
_Static_assert(MRC_END_ERROR < MRC_NUMBERS_REASONS, "each end has a place");

/* Why a publication or a subscription was turned away; the names are those of logs and metrics. */
enum mrc_refusal {
    MRC_REFUSAL_MALFORMED,    /* it breaks the protocol, or a limit of it */
    MRC_REFUSAL_UNAUTHORIZED, /* no token, or none that is valid here */
    MRC_REFUSAL_FORBIDDEN,    /* the token does not grant it; the origin may not */
    MRC_REFUSAL_TOO_LARGE,    /* past MercureLimit */
    MRC_REFUSAL_MEDIA_TYPE,   /* the body is no form */
    MRC_REFUSAL_LIMIT,        /* past MercureMaxSubscribers */
    MRC_REFUSAL_UNAVAILABLE,  /* for a reason that passes: try again */
    MRC_REFUSAL_ERROR,        /* no memory, or worse */
    MRC_REFUSAL_COUNT
};

_Static_assert(MRC_REFUSAL_COUNT <= MRC_NUMBERS_REASONS, "each refusal has a place");

/* The word for REFUSAL, a constant. */
const char *mrc_refusal_text(enum mrc_refusal refusal);

/* The upper bound of bucket I < MRC_NUMBERS_BOUNDS, in microseconds; they grow. */
int64_t mrc_numbers_bound_us(unsigned i);

/* The bucket that US belongs to, MRC_NUMBERS_BOUNDS at most. */
unsigned mrc_numbers_bucket(int64_t us);

/* Times of one bucket, gathered to be counted together. Zeroed: none. */
struct mrc_numbers_times {
    unsigned bucket; /* of no meaning while there are none */
    uint64_t count;
    uint64_t sum_us;
};

/* Adds US; a negative time, since the clock was set back, is none. False: it is of another bucket
 * than those that are there, and not added. */
bool mrc_numbers_times_add(struct mrc_numbers_times *times, int64_t us);

#endif
