#include "hub/hub/numbers.h"

#include <stdatomic.h>

#include "store/hub/segment.h"
#include "store/regions/interests.h"
#include "store/ring/ring.h"

struct mrc_numbers {
    struct mrc_hub_segment *segment;
    struct mrc_counters *counters;
    unsigned slot;
    _Atomic uint64_t taken[MRC_NUMBERS_LOOPS_MAX]; /* of each dispatcher loop */
};

const char *mrc_refusal_text(enum mrc_refusal refusal)
{
    static const char *const texts[] = {
        [MRC_REFUSAL_MALFORMED] = "malformed",     [MRC_REFUSAL_UNAUTHORIZED] = "unauthorized",
        [MRC_REFUSAL_FORBIDDEN] = "forbidden",     [MRC_REFUSAL_TOO_LARGE] = "too_large",
        [MRC_REFUSAL_MEDIA_TYPE] = "media_type",   [MRC_REFUSAL_LIMIT] = "limit",
        [MRC_REFUSAL_UNAVAILABLE] = "unavailable", [MRC_REFUSAL_ERROR] = "error",
    };

    return texts[refusal];
}

struct mrc_numbers *mrc_numbers_create(apr_pool_t *pool, struct mrc_hub_segment *segment,
                                       unsigned slot)
{
    struct mrc_numbers *numbers = apr_pcalloc(pool, sizeof(*numbers));

    numbers->segment = segment;
    numbers->counters = mrc_hub_segment_counters(segment);
    numbers->slot = slot;
    return numbers;
}

void mrc_numbers_count(struct mrc_numbers *numbers, enum mrc_counter counter, uint64_t n)
{
    mrc_counters_add(numbers->counters, numbers->slot, counter, n);
}

uint64_t mrc_numbers_counter(const struct mrc_numbers *numbers, enum mrc_counter counter)
{
    return mrc_counters_sum(numbers->counters, counter);
}

void mrc_numbers_gauge_add(struct mrc_numbers *numbers, enum mrc_gauge gauge, int64_t n)
{
    mrc_counters_gauge_add(numbers->counters, numbers->slot, gauge, n);
}

uint64_t mrc_numbers_gauge(const struct mrc_numbers *numbers, enum mrc_gauge gauge)
{
    return mrc_counters_gauge_sum(numbers->counters, gauge);
}

bool mrc_numbers_gauge_take(struct mrc_numbers *numbers, enum mrc_gauge gauge, uint64_t max)
{
    return mrc_counters_gauge_take(numbers->counters, numbers->slot, gauge, max);
}

uint64_t mrc_numbers_gauge_of(const struct mrc_numbers *numbers, enum mrc_gauge gauge,
                              unsigned slot)
{
    return mrc_counters_gauge_of(numbers->counters, slot, gauge);
}

bool mrc_numbers_gauge_renew(struct mrc_numbers *numbers, enum mrc_gauge gauge, uint64_t now_s,
                             uint64_t ago_s)
{
    uint64_t old_s = mrc_counters_gauge_of(numbers->counters, numbers->slot, gauge);

    return (old_s == 0 || now_s >= old_s + ago_s) &&
           mrc_counters_gauge_change(numbers->counters, numbers->slot, gauge, old_s, now_s);
}

/* ---- dispatch times ---------------------------------------------------------------------------*/

static const int64_t bounds_us[MRC_NUMBERS_BOUNDS] = {
    100,   250,    500,    1000,   2500,    5000,    10000,    25000,
    50000, 100000, 250000, 500000, 1000000, 2500000, 10000000,
};

int64_t mrc_numbers_bound_us(unsigned i)
{
    return bounds_us[i];
}

unsigned mrc_numbers_bucket(int64_t us)
{
    unsigned i = 0;

    while (i < MRC_NUMBERS_BOUNDS && us > bounds_us[i])
        i++;
    return i;
}

bool mrc_numbers_times_add(struct mrc_numbers_times *times, int64_t us)
{
    unsigned bucket = mrc_numbers_bucket(us);

    if (times->count > 0 && times->bucket != bucket)
        return false;
    times->bucket = bucket;
    times->count++;
    times->sum_us += us > 0 ? (uint64_t)us : 0;
    return true;
}

void mrc_numbers_count_times(struct mrc_numbers *numbers, struct mrc_numbers_times *times)
{
    if (times->count == 0)
        return;
    mrc_numbers_count(numbers, (enum mrc_counter)(MRC_COUNTER_DISPATCH + times->bucket),
                      times->count);
    mrc_numbers_count(numbers, MRC_COUNTER_DISPATCH_US, times->sum_us);
    *times = (struct mrc_numbers_times){.count = 0};
}

void mrc_numbers_count_time(struct mrc_numbers *numbers, int64_t us, uint64_t n)
{
    struct mrc_numbers_times times = {
        .bucket = mrc_numbers_bucket(us),
        .count = n,
        .sum_us = us > 0 ? (uint64_t)us * n : 0, /* if not, the clock was set back */
    };

    mrc_numbers_count_times(numbers, &times);
}

/* ---- lag --------------------------------------------------------------------------------------*/

void mrc_numbers_set_taken(struct mrc_numbers *numbers, unsigned loop, uint64_t next)
{
    uint64_t least = 0;

    atomic_store(&numbers->taken[loop], next);
    for (unsigned i = 0; i < MRC_NUMBERS_LOOPS_MAX; i++) {
        uint64_t one = atomic_load_explicit(&numbers->taken[i], memory_order_relaxed);

        if (one && (!least || one < least))
            least = one;
    }
    mrc_counters_gauge_set(numbers->counters, numbers->slot, MRC_GAUGE_TAKEN, least);
}

uint64_t mrc_numbers_lag(const struct mrc_numbers *numbers, unsigned slot)
{
    uint64_t next = mrc_counters_gauge_of(numbers->counters, slot, MRC_GAUGE_TAKEN);
    struct mrc_ring_stats stats;

    if (mrc_interests_woken(mrc_hub_segment_interests(numbers->segment), slot) < next)
        return 0;
    mrc_ring_stats(mrc_hub_segment_ring(numbers->segment), &stats);
    return next && stats.last_seq >= next ? stats.last_seq - next + 1 : 0;
}
