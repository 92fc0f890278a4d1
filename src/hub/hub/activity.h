/*
 * What happens in a hub now, for its operators: rates and latencies since an earlier moment, and
 * the busiest topics. The rates need no thread: each query leaves a sample of the counters for the
 * next one. Any thread.
 */
#ifndef MRC_HUB_HUB_ACTIVITY_H
#define MRC_HUB_HUB_ACTIVITY_H

#include <stdbool.h>
#include <stdint.h>

#include "apr_pools.h"

#include "core/base/bytes.h"
#include "hub/hub/numbers.h"
#include "store/regions/busiest.h"

struct mrc_activity;

struct mrc_activity_rates {
    double publications_per_s, deliveries_per_s;
    /* Deliveries in each bucket of latencies (numbers.h), from accepted to written. */
    uint64_t latencies[MRC_NUMBERS_BOUNDS + 1];
};

/* For a hub with NUMBERS, which must outlive it. BUSIEST is NULL if no operator controls the hub.
 * The struct lives in POOL. */
struct mrc_activity *mrc_activity_create(apr_pool_t *pool, const struct mrc_numbers *numbers,
                                         struct mrc_busiest *busiest);

/* Counts an update with these topics; and that RECEIVERS streams got it. */
void mrc_activity_count_update(const struct mrc_activity *activity, const struct mrc_bytes *topics,
                               size_t count);
void mrc_activity_count_receivers(const struct mrc_activity *activity,
                                  const struct mrc_bytes *topics, size_t count, uint64_t receivers);

/* The latency that SHARE of the deliveries in LATENCIES did not exceed; below 0: there are none. */
double mrc_activity_quantile_ms(const uint64_t latencies[MRC_NUMBERS_BOUNDS + 1], double share);

/*
 * The rates since the last sample that is between one and ten seconds old, and the latencies since
 * the oldest of the last minute. False: there is no such sample yet. One has been taken now: ask
 * again after a second.
 */
bool mrc_activity_measure(struct mrc_activity *activity, struct mrc_activity_rates *ret_rates);

/* As mrc_busiest_read(). */
size_t mrc_activity_busiest(const struct mrc_activity *activity, enum mrc_busiest_kind kind,
                            struct mrc_busiest_topic *ret_topics, size_t max);

#endif
