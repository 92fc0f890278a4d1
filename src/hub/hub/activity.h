/*
 * What happens in a hub now, for its operators: rates and latencies since an earlier moment, and
 * the busiest topics. The rates compare the counters with samples, which all children share
 * (store/regions/samples.h). Any thread.
 */
#ifndef MRC_HUB_HUB_ACTIVITY_H
#define MRC_HUB_HUB_ACTIVITY_H

#include <stdbool.h>
#include <stdint.h>

#include "apr_pools.h"

#include "core/base/bytes.h"
#include "hub/hub/numbers.h"
#include "store/regions/busiest.h"
#include "store/regions/samples.h"

struct mrc_activity;

struct mrc_activity_rates {
    double publications_per_s, deliveries_per_s;
    /* Deliveries in each bucket of latencies (numbers.h), from accepted to written. */
    uint64_t latencies[MRC_NUMBERS_BOUNDS + 1];
};

/* For a hub with NUMBERS, which must outlive it. BUSIEST is NULL if no operator controls the hub,
 * SAMPLES if none can ask about it: then all rates are 0. The struct lives in POOL. */
struct mrc_activity *mrc_activity_create(apr_pool_t *pool, const struct mrc_numbers *numbers,
                                         struct mrc_busiest *busiest, struct mrc_samples *samples);

/* Keeps a sample if one is due. Called before updates or deliveries are counted. */
void mrc_activity_sample(const struct mrc_activity *activity);

/* Counts an update with these topics; and that RECEIVERS streams got it. */
void mrc_activity_count_update(const struct mrc_activity *activity, const struct mrc_bytes *topics,
                               size_t count);
void mrc_activity_count_receivers(const struct mrc_activity *activity,
                                  const struct mrc_bytes *topics, size_t count, uint64_t receivers);

/* The latency that SHARE of the deliveries in LATENCIES did not exceed; below 0: there are none. */
double mrc_activity_quantile_ms(const uint64_t latencies[MRC_NUMBERS_BOUNDS + 1], double share);

/*
 * The rates since the newest sample that is between one and ten seconds old, and the latencies
 * since the oldest one of the last minute. False: the only sample of the last ten seconds is not a
 * second old: ask again after a second.
 */
bool mrc_activity_measure(const struct mrc_activity *activity,
                          struct mrc_activity_rates *ret_rates);

/* As mrc_busiest_read(). */
size_t mrc_activity_busiest(const struct mrc_activity *activity, enum mrc_busiest_kind kind,
                            struct mrc_busiest_topic *ret_topics, size_t max);

#endif
