#include "hub/hub/activity.h"

#include <pthread.h>

#include "hub/base/thread.h"
#include "hub/hub/numbers.h"
#include "store/base/clock.h"

#define SECOND_US     ((int64_t)1000 * 1000)
#define RATE_MAX_US   (10 * SECOND_US)
#define MINUTE_US     (60 * SECOND_US)
#define SAMPLES       64
#define LATENCY_PARTS (MRC_NUMBERS_BOUNDS + 1)

struct sample {
    int64_t at_us; /* of the monotonic clock; 0: none */
    uint64_t updates, deliveries;
    uint64_t dispatched[LATENCY_PARTS];
};

struct mrc_activity {
    const struct mrc_numbers *numbers;
    struct mrc_busiest *busiest; /* NULL: none */
    pthread_mutex_t mutex;

    /* Under the mutex: the newest is before NEXT; they are at least a second apart. */
    struct sample samples[SAMPLES];
    unsigned next;
};

struct mrc_activity *mrc_activity_create(apr_pool_t *pool, const struct mrc_numbers *numbers,
                                         struct mrc_busiest *busiest)
{
    struct mrc_activity *activity = apr_pcalloc(pool, sizeof(*activity));

    activity->numbers = numbers;
    activity->busiest = busiest;
    pthread_mutex_init(&activity->mutex, NULL);
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

static struct sample take_sample(const struct mrc_numbers *numbers)
{
    struct sample sample = {
        .at_us = mrc_clock_us(),
        .updates = mrc_numbers_counter(numbers, MRC_COUNTER_UPDATES),
        .deliveries = mrc_numbers_counter(numbers, MRC_COUNTER_DELIVERIES),
    };

    for (unsigned i = 0; i < LATENCY_PARTS; i++)
        sample.dispatched[i] =
            mrc_numbers_counter(numbers, (enum mrc_counter)(MRC_COUNTER_DISPATCH + i));
    return sample;
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

/* Under the mutex: the newest sample that is at least LEAST_US and at most MOST_US older than NOW;
 * with OLDEST, the oldest such one. NULL: there is none. */
static const struct sample *find_sample(const struct mrc_activity *activity, int64_t now_us,
                                        int64_t most_us, bool oldest)
{
    const struct sample *found = NULL;

    for (unsigned i = 1; i <= SAMPLES && !(found && !oldest); i++) {
        const struct sample *sample = &activity->samples[(activity->next + SAMPLES - i) % SAMPLES];
        int64_t age_us = now_us - sample->at_us;

        if (sample->at_us && age_us >= SECOND_US && age_us <= most_us)
            found = sample;
    }
    return found;
}

static void keep(struct mrc_activity *activity, const struct sample *sample)
{
    const struct sample *newest = &activity->samples[(activity->next + SAMPLES - 1) % SAMPLES];

    if (newest->at_us && sample->at_us - newest->at_us < SECOND_US)
        return;
    activity->samples[activity->next] = *sample;
    activity->next = (activity->next + 1) % SAMPLES;
}

bool mrc_activity_measure(struct mrc_activity *activity, struct mrc_activity_rates *ret_rates)
{
    const struct sample now = take_sample(activity->numbers);
    const struct sample *recent, *old;
    sigset_t mask;

    mrc_thread_lock(&activity->mutex, &mask);
    recent = find_sample(activity, now.at_us, RATE_MAX_US, false);
    old = find_sample(activity, now.at_us, MINUTE_US, true);
    if (recent && old) {
        double seconds = (double)(now.at_us - recent->at_us) / (double)SECOND_US;

        *ret_rates = (struct mrc_activity_rates){
            .publications_per_s = (double)(now.updates - recent->updates) / seconds,
            .deliveries_per_s = (double)(now.deliveries - recent->deliveries) / seconds,
        };
        for (unsigned i = 0; i < LATENCY_PARTS; i++)
            ret_rates->latencies[i] = now.dispatched[i] - old->dispatched[i];
    }
    keep(activity, &now);
    mrc_thread_unlock(&activity->mutex, &mask);
    return recent != NULL;
}
