#include "hub/hub/activity.h"

#include "hub/hub/numbers.h"
#include "store/base/clock.h"

#define SECOND_US     ((int64_t)1000 * 1000)
#define RATE_MAX_US   (10 * SECOND_US)
#define MINUTE_US     (60 * SECOND_US)
#define LATENCY_PARTS (MRC_NUMBERS_BOUNDS + 1)

/* The values of a sample. */
enum { UPDATES, DELIVERIES, LATENCIES, VALUES = LATENCIES + LATENCY_PARTS };
_Static_assert(VALUES <= MRC_SAMPLE_VALUES, "a sample has room for each of them");

struct mrc_activity {
    const struct mrc_numbers *numbers;
    struct mrc_busiest *busiest; /* NULL: none */
    struct mrc_samples *samples; /* NULL: none */
};

struct mrc_activity *mrc_activity_create(apr_pool_t *pool, const struct mrc_numbers *numbers,
                                         struct mrc_busiest *busiest, struct mrc_samples *samples)
{
    struct mrc_activity *activity = apr_pcalloc(pool, sizeof(*activity));

    activity->numbers = numbers;
    activity->busiest = busiest;
    activity->samples = samples;
    return activity;
}

/* ---- topics -----------------------------------------------------------------------------------*/

static void count_topics(const struct mrc_activity *activity, enum mrc_busiest_kind kind,
                         const struct mrc_bytes *topics, size_t count, uint64_t weight)
{
    if (activity->busiest && weight)
        mrc_busiest_count(activity->busiest, kind, topics, count, weight, mrc_clock_us());
}

void mrc_activity_count_update(const struct mrc_activity *activity, const struct mrc_bytes *topics,
                               size_t count)
{
    count_topics(activity, MRC_BUSIEST_UPDATES, topics, count, 1);
}

void mrc_activity_count_receivers(const struct mrc_activity *activity,
                                  const struct mrc_bytes *topics, size_t count, uint64_t receivers)
{
    count_topics(activity, MRC_BUSIEST_RECEIVERS, topics, count, receivers);
}

size_t mrc_activity_busiest(const struct mrc_activity *activity, enum mrc_busiest_kind kind,
                            struct mrc_busiest_topic *ret_topics, size_t max)
{
    return activity->busiest
               ? mrc_busiest_read(activity->busiest, kind, mrc_clock_us(), ret_topics, max)
               : 0;
}

/* ---- rates ------------------------------------------------------------------------------------*/

static struct mrc_sample take_sample(const struct mrc_numbers *numbers, int64_t now_us)
{
    struct mrc_sample sample = {.at_us = now_us};

    sample.values[UPDATES] = mrc_numbers_counter(numbers, MRC_COUNTER_UPDATES);
    sample.values[DELIVERIES] = mrc_numbers_counter(numbers, MRC_COUNTER_DELIVERIES);
    for (unsigned i = 0; i < LATENCY_PARTS; i++)
        sample.values[LATENCIES + i] =
            mrc_numbers_counter(numbers, (enum mrc_counter)(MRC_COUNTER_DISPATCH + i));
    return sample;
}

void mrc_activity_sample(const struct mrc_activity *activity)
{
    int64_t now_us = activity->samples ? mrc_clock_us() : 0;
    struct mrc_sample sample;

    if (!activity->samples || !mrc_samples_are_due(activity->samples, now_us))
        return;
    sample = take_sample(activity->numbers, now_us);
    mrc_samples_keep(activity->samples, &sample);
}

/* Interpolates linearly within a bucket. */
double mrc_activity_quantile_ms(const uint64_t latencies[MRC_NUMBERS_BOUNDS + 1], double share)
{
    double total = 0, sum = 0;

    for (unsigned i = 0; i < LATENCY_PARTS; i++)
        total += (double)latencies[i];
    if (total <= 0)
        return -1;
    for (unsigned i = 0; i < MRC_NUMBERS_BOUNDS; i++) {
        double count = (double)latencies[i];
        double low_us = i ? (double)mrc_numbers_bound_us(i - 1) : 0;
        double high_us = (double)mrc_numbers_bound_us(i);
        double inside = share * total - sum;

        if (latencies[i] && inside <= count)
            return (low_us + (high_us - low_us) * inside / count) / 1000;
        sum += count;
    }
    return (double)mrc_numbers_bound_us(MRC_NUMBERS_BOUNDS - 1) / 1000;
}

/* How much VALUE has grown since OLD. A child without room for its counters keeps them for itself,
 * so a sample that another child takes may be behind an earlier one. */
static uint64_t growth(const struct mrc_sample *now, const struct mrc_sample *old, unsigned value)
{
    return now->values[value] > old->values[value] ? now->values[value] - old->values[value] : 0;
}

static void add_rates(const struct mrc_sample *now, const struct mrc_sample *recent,
                      struct mrc_activity_rates *rates)
{
    double seconds = (double)(now->at_us - recent->at_us) / (double)SECOND_US;

    rates->publications_per_s = (double)growth(now, recent, UPDATES) / seconds;
    rates->deliveries_per_s = (double)growth(now, recent, DELIVERIES) / seconds;
}

/* If a sample is due, nothing was counted since a second after the newest one. */
bool mrc_activity_measure(const struct mrc_activity *activity, struct mrc_activity_rates *ret_rates)
{
    struct mrc_sample now, recent, old;

    *ret_rates = (struct mrc_activity_rates){0};
    if (!activity->samples)
        return true;
    now = take_sample(activity->numbers, mrc_clock_us());
    if (mrc_samples_find(activity->samples, now.at_us, MINUTE_US, true, &old)) {
        for (unsigned i = 0; i < LATENCY_PARTS; i++)
            ret_rates->latencies[i] = growth(&now, &old, LATENCIES + i);
    }
    if (mrc_samples_find(activity->samples, now.at_us, RATE_MAX_US, false, &recent)) {
        add_rates(&now, &recent, ret_rates);
        return true;
    }
    return mrc_samples_are_due(activity->samples, now.at_us);
}
