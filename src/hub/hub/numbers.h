/*
 * The counters and gauges of one hub, and the place of each in the hub's segment
 * (store/regions/counters.h). A child writes only the numbers in its own slot; a read returns
 * the sum over all children, unless a function says otherwise. Any thread, no lock.
 *
 * A number never moves to another place, because a reload may let another build use the segment of
 * an earlier one. A counter that has one value for each reason occupies MRC_NUMBERS_REASONS places,
 * more than there are reasons.
 */
#ifndef MRC_HUB_HUB_NUMBERS_H
#define MRC_HUB_HUB_NUMBERS_H

#include <stdbool.h>
#include <stdint.h>

#include "apr_pools.h"

#include "hub/base/carrier_kind.h"
#include "hub/base/end.h"
#include "store/regions/counters.h"

struct mrc_hub_segment;
struct mrc_numbers;

#define MRC_NUMBERS_REASONS 16

/* The histogram of dispatch times has one bucket for each bound, and one for longer times. */
#define MRC_NUMBERS_BOUNDS 15

/* Counters only grow. */
enum mrc_counter {
    MRC_COUNTER_UPDATES,     /* updates that were stored */
    MRC_COUNTER_SUBSCRIBERS, /* streams that have begun */
    MRC_COUNTER_DELIVERIES,  /* updates that were handed to a carrier */
    MRC_COUNTER_ENDED,       /* streams that have ended: one for each enum mrc_end */
    MRC_COUNTER_PUBLISH_REJECTED = MRC_COUNTER_ENDED + MRC_NUMBERS_REASONS, /* publications: one for
                                                                              each mrc_refusal */
    MRC_COUNTER_REFUSED = MRC_COUNTER_PUBLISH_REJECTED + MRC_NUMBERS_REASONS, /* subscriptions: the
                                                                                 same */
    MRC_COUNTER_DISPATCH = MRC_COUNTER_REFUSED + MRC_NUMBERS_REASONS, /* dispatch times: buckets */
    MRC_COUNTER_DISPATCH_US = MRC_COUNTER_DISPATCH + MRC_NUMBERS_BOUNDS + 1, /* their sum */
    MRC_COUNTER_COUNT
};

/* Gauges show the current state. */
enum mrc_gauge {
    MRC_GAUGE_SUBSCRIBERS,
    MRC_GAUGE_THREADS,       /* threads that streams hold; of the whole child, in its first hub */
    MRC_GAUGE_TAKEN,         /* the number of the next update for the child's dispatcher; 0: none */
    MRC_GAUGE_PATTERNS,      /* patterns that the child holds for its subscribers */
    MRC_GAUGE_PATTERN_BYTES, /* the memory that these occupy */
    MRC_GAUGE_PATTERNS_REPORTED, /* 1: the child has reported that the hub refuses patterns */
    MRC_GAUGE_STREAMS,           /* streams: one for each enum mrc_carrier_kind */
    MRC_GAUGE_REFUSAL_REPORTED =
        MRC_GAUGE_STREAMS + MRC_CARRIER_KINDS, /* when the child last reported a refused
                                                  stream, in seconds; in its first hub */
    MRC_GAUGE_FILTERS_REPORTED, /* 1: the child has reported that streams skip output filters */
    MRC_GAUGE_SITES_REPORTED,   /* when the child last reported a site without a hub, in seconds; in
                                   its first hub */
    MRC_GAUGE_COUNT
};

_Static_assert(MRC_COUNTER_COUNT <= (int)MRC_COUNTERS_MAX, "the segment has room for each counter");
_Static_assert(MRC_GAUGE_COUNT <= (int)MRC_COUNTERS_GAUGES_MAX,
               "the segment has room for each gauge");
_Static_assert(MRC_END_COUNT <= MRC_NUMBERS_REASONS, "each end has a place");

/* Why a publication or a subscription was refused; the names are those of logs and metrics. */
enum mrc_refusal {
    MRC_REFUSAL_MALFORMED,    /* the request breaks the protocol, or one of its limits */
    MRC_REFUSAL_UNAUTHORIZED, /* no token, or none that is valid here */
    MRC_REFUSAL_FORBIDDEN,    /* the token does not grant it, or the origin is not allowed */
    MRC_REFUSAL_TOO_LARGE,    /* above a size of MercureLimit */
    MRC_REFUSAL_MEDIA_TYPE,   /* the body has another type or encoding */
    MRC_REFUSAL_LIMIT,        /* above MercureMaxSubscribers */
    MRC_REFUSAL_UNAVAILABLE,  /* for a temporary reason: the client may try again */
    MRC_REFUSAL_ERROR,        /* out of memory, or an error of the system */
    MRC_REFUSAL_COUNT
};

_Static_assert(MRC_REFUSAL_COUNT <= MRC_NUMBERS_REASONS, "each refusal has a place");

/* The word for REFUSAL in logs and metrics, a constant. */
const char *mrc_refusal_text(enum mrc_refusal refusal);

/*
 * The numbers in SEGMENT, which must outlive them, for the child that owns SLOT. They live in POOL.
 */
struct mrc_numbers *mrc_numbers_create(apr_pool_t *pool, struct mrc_hub_segment *segment,
                                       unsigned slot);

/* Adds N to COUNTER; returns the sum over all children. */
void mrc_numbers_count(struct mrc_numbers *numbers, enum mrc_counter counter, uint64_t n);
uint64_t mrc_numbers_counter(const struct mrc_numbers *numbers, enum mrc_counter counter);

/* Adds N, which may be negative, to GAUGE; returns the sum over all children. */
void mrc_numbers_gauge_add(struct mrc_numbers *numbers, enum mrc_gauge gauge, int64_t n);
uint64_t mrc_numbers_gauge(const struct mrc_numbers *numbers, enum mrc_gauge gauge);

/* GAUGE of the child in SLOT. */
uint64_t mrc_numbers_gauge_of(const struct mrc_numbers *numbers, enum mrc_gauge gauge,
                              unsigned slot);

/* Adds one to GAUGE, unless the sum is MAX already. Undo it with mrc_numbers_gauge_add(). */
bool mrc_numbers_gauge_take(struct mrc_numbers *numbers, enum mrc_gauge gauge, uint64_t max);

/*
 * Sets GAUGE of this child, a time in seconds, to NOW_S, unless it is less than AGO_S before. Of
 * several threads and processes of the child that call this at the same time, one gets true.
 */
bool mrc_numbers_gauge_renew(struct mrc_numbers *numbers, enum mrc_gauge gauge, uint64_t now_s,
                             uint64_t ago_s);

/* ---- dispatch times ---------------------------------------------------------------------------*/

/* The upper bound of bucket I < MRC_NUMBERS_BOUNDS, in microseconds; bounds grow with I. */
int64_t mrc_numbers_bound_us(unsigned i);

/* The bucket for US; at most MRC_NUMBERS_BOUNDS. */
unsigned mrc_numbers_bucket(int64_t us);

/* Times of one bucket, gathered to be counted together. Zeroed: none. */
struct mrc_numbers_times {
    unsigned bucket; /* undefined while COUNT is 0 */
    uint64_t count;
    uint64_t sum_us;
};

/*
 * Adds US to TIMES; a negative time counts as 0, because the clock was set back. Returns false, and
 * adds nothing, if TIMES has times of another bucket.
 */
bool mrc_numbers_times_add(struct mrc_numbers_times *times, int64_t us);

/* Counts TIMES, and empties them. Each is the time from the moment when the hub accepted an update
 * until the update was written to a subscriber. */
void mrc_numbers_count_times(struct mrc_numbers *numbers, struct mrc_numbers_times *times);

/* Counts N dispatch times of US. */
void mrc_numbers_count_time(struct mrc_numbers *numbers, int64_t us, uint64_t n);

/* ---- lag --------------------------------------------------------------------------------------*/

/* The most dispatcher loops of one child. */
#define MRC_NUMBERS_LOOPS_MAX 64

/* The dispatcher loop number LOOP of this child has read all updates before number NEXT from the
 * ring; 0: it reads none, because it has no stream of the hub. */
void mrc_numbers_set_taken(struct mrc_numbers *numbers, unsigned loop, uint64_t next);

/*
 * The number of updates that the slowest loop of the child in SLOT has not read. It is 0 while that
 * loop has read everything for which the child was woken: later updates are for other children.
 */
uint64_t mrc_numbers_lag(const struct mrc_numbers *numbers, unsigned slot);

#endif
