/* Rates and latencies of a hub, with a clock that the test sets; and its figures. */
#include "hub/hub/activity.h"

#include <string.h>
#include <time.h>

#include "hub/hub/figures.h"
#include "hub_unit.h"

#define RING ((uint64_t)64 * 1024)
#define S    INT64_C(1000000)

static const struct mrc_hub_spec spec = {.shape.is_controlled = true,
                                         .limits = {.dispatch_timeout_us = 1000000}};

static struct hub_place place;
static struct mrc_activity_rates rates;
static int64_t now_us = 1000 * S;

int __real_clock_gettime(clockid_t clock, struct timespec *ret_time);
int __wrap_clock_gettime(clockid_t clock, struct timespec *ret_time);

int __wrap_clock_gettime(clockid_t clock, struct timespec *ret_time)
{
    if (clock != CLOCK_MONOTONIC)
        return __real_clock_gettime(clock, ret_time);
    *ret_time = (struct timespec){now_us / S, now_us % S * 1000};
    return 0;
}

static void setup(void)
{
    place = hub_place_open(RING, &spec);
}

static void teardown(void)
{
    hub_place_close(&place);
}

static bool measure(void)
{
    return mrc_activity_measure(mrc_hub_activity(place.hub), &rates);
}

static void count(enum mrc_counter counter, uint64_t n)
{
    mrc_activity_sample(mrc_hub_activity(place.hub));
    mrc_numbers_count(mrc_hub_numbers(place.hub), counter, n);
}

/* ---- rates ------------------------------------------------------------------------------------*/

START_TEST(an_idle_hub_has_rates_of_0)
{
    rates.publications_per_s = 77;
    ck_assert(measure());
    ck_assert_double_eq(rates.publications_per_s, 0);
}
END_TEST

START_TEST(a_rate_needs_a_second)
{
    count(MRC_COUNTER_UPDATES, 10);
    ck_assert(!measure());
    now_us += S - 1;
    ck_assert(!measure());
    now_us += 1;
    ck_assert(measure());
    ck_assert_double_eq(rates.publications_per_s, 10);
}
END_TEST

START_TEST(rates_are_those_since_the_last_sample)
{
    count(MRC_COUNTER_UPDATES, 10);
    count(MRC_COUNTER_DELIVERIES, 40);
    now_us += 2 * S;
    ck_assert(measure());
    ck_assert_double_eq(rates.publications_per_s, 5);
    ck_assert_double_eq(rates.deliveries_per_s, 20);
    /* Until a second has passed, the sample before is still the one to compare with. */
    count(MRC_COUNTER_UPDATES, 20);
    now_us += S / 2;
    ck_assert(measure());
    ck_assert_double_eq(rates.publications_per_s, 12);
    ck_assert_double_eq(rates.deliveries_per_s, 16);
    now_us += S / 2;
    ck_assert(measure());
    ck_assert_double_eq(rates.publications_per_s, 20);
    ck_assert_double_eq(rates.deliveries_per_s, 0);
}
END_TEST

START_TEST(an_old_sample_does_not_count)
{
    count(MRC_COUNTER_UPDATES, 20);
    now_us += 10 * S;
    ck_assert(measure());
    ck_assert_double_eq(rates.publications_per_s, 2);
    now_us += 1;
    ck_assert(measure());
    ck_assert_double_eq(rates.publications_per_s, 0);
}
END_TEST

START_TEST(a_publication_keeps_a_sample)
{
    hub_publish(place.hub, "1", "t", "data");
    hub_publish(place.hub, "2", "t", "data");
    ck_assert(!measure());
    now_us += S;
    ck_assert(measure());
    ck_assert_double_eq(rates.publications_per_s, 2);
}
END_TEST

/* A child's own counters may be unknown to the others. */
START_TEST(a_counter_that_is_behind_a_sample_has_not_grown)
{
    struct mrc_samples *samples = mrc_hub_segment_samples(place.segment);
    struct mrc_sample sample = {.at_us = now_us};

    memset(sample.values, 0x10, sizeof(sample.values));
    mrc_samples_keep(samples, &sample);
    now_us += S;
    ck_assert(measure());
    ck_assert_double_eq(rates.publications_per_s, 0);
    ck_assert_double_eq(rates.deliveries_per_s, 0);
    ck_assert_uint_eq(rates.latencies[0], 0);
}
END_TEST

static uint64_t latencies(void)
{
    uint64_t sum = 0;

    for (int i = 0; i <= MRC_NUMBERS_BOUNDS; i++)
        sum += rates.latencies[i];
    return sum;
}

/* One delivery each second. */
START_TEST(latencies_are_those_of_a_minute)
{
    for (unsigned second = 1; second <= 200; second++) {
        mrc_activity_sample(mrc_hub_activity(place.hub));
        mrc_numbers_count_time(mrc_hub_numbers(place.hub), 100, 1);
        now_us += S;
        ck_assert(measure());
        ck_assert_uint_eq(latencies(), second < 60 ? second : 60);
    }
    mrc_activity_sample(mrc_hub_activity(place.hub));
    mrc_numbers_count_time(mrc_hub_numbers(place.hub), INT64_MAX / 2, 1);
    now_us += S;
    ck_assert(measure());
    ck_assert_uint_eq(rates.latencies[0], 59);
    ck_assert_uint_eq(rates.latencies[MRC_NUMBERS_BOUNDS], 1);
}
END_TEST

START_TEST(a_quantile_is_inside_its_bucket)
{
    uint64_t counts[MRC_NUMBERS_BOUNDS + 1] = {0};

    ck_assert_double_lt(mrc_activity_quantile_ms(counts, 0.5), 0); /* there are none */
    counts[0] = 4;
    ck_assert_double_eq_tol(mrc_activity_quantile_ms(counts, 0.5), 0.05, 1e-9);
    ck_assert_double_eq_tol(mrc_activity_quantile_ms(counts, 1), 0.1, 1e-9);
    counts[1] = 4; /* from 100 to 250 us */
    ck_assert_double_eq_tol(mrc_activity_quantile_ms(counts, 0.5), 0.1, 1e-9);
    ck_assert_double_eq_tol(mrc_activity_quantile_ms(counts, 0.75), 0.175, 1e-9);
    counts[MRC_NUMBERS_BOUNDS] = 100;
    ck_assert_double_eq_tol(mrc_activity_quantile_ms(counts, 0.99),
                            (double)mrc_numbers_bound_us(MRC_NUMBERS_BOUNDS - 1) / 1000, 1e-9);
}
END_TEST

START_TEST(a_hub_without_operators_has_rates_of_0)
{
    const struct mrc_activity *activity =
        mrc_activity_create(place.pool, mrc_hub_numbers(place.hub), NULL, NULL);
    struct mrc_bytes topics[] = {mrc_bytes_of("t")};
    struct mrc_busiest_topic found;

    rates.publications_per_s = 77;
    mrc_activity_sample(activity);
    mrc_activity_count_update(activity, topics, 1);
    mrc_activity_count_receivers(activity, topics, 1, 7);
    mrc_numbers_count(mrc_hub_numbers(place.hub), MRC_COUNTER_UPDATES, 10);
    ck_assert(mrc_activity_measure(activity, &rates));
    ck_assert_double_eq(rates.publications_per_s, 0);
    ck_assert_uint_eq(mrc_activity_busiest(activity, MRC_BUSIEST_UPDATES, &found, 1), 0);
}
END_TEST

/* ---- figures ----------------------------------------------------------------------------------*/

START_TEST(figures_are_those_of_the_hub)
{
    static const struct mrc_activity_rates given = {.publications_per_s = 2, .deliveries_per_s = 3};
    struct mrc_bytes topics[] = {mrc_bytes_of("t")};
    struct mrc_figures figures;
    struct mrc_subscriber *subscriber;

    hub_publish(place.hub, "1", "t", "data");
    hub_publish(place.hub, "2", "t", "data");
    hub_publish(place.hub, "3", "u", "data");
    mrc_activity_count_receivers(mrc_hub_activity(place.hub), topics, 1, 7);
    mrc_activity_count_receivers(mrc_hub_activity(place.hub), topics, 1, 0);
    subscriber = hub_subscribe(place.hub, hub_all(), NULL);
    mrc_figures_take(place.hub, &given, 5, &figures);
    ck_assert_uint_eq(figures.subscribers, 1);
    ck_assert_uint_eq(figures.children, 5);
    ck_assert_uint_gt(figures.memory_bytes, 0);
    ck_assert_uint_eq(figures.memory_bytes, mrc_hub_memory_bytes(place.hub));
    ck_assert_double_eq(figures.rates.publications_per_s, 2);
    ck_assert_double_eq(figures.rates.deliveries_per_s, 3);
    ck_assert_uint_eq(figures.topics[MRC_BUSIEST_UPDATES].count, 2);
    ck_assert_uint_eq(figures.topics[MRC_BUSIEST_UPDATES].topics[0].count, 2);
    ck_assert_int_eq(figures.topics[MRC_BUSIEST_UPDATES].topics[0].text[0], 't');
    ck_assert_uint_eq(figures.topics[MRC_BUSIEST_RECEIVERS].count, 1);
    ck_assert_uint_eq(figures.topics[MRC_BUSIEST_RECEIVERS].topics[0].count, 7);
    mrc_subscriber_close(subscriber, MRC_END_CLIENT);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("activity");
    TCase *tcase = tcase_create("activity");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, an_idle_hub_has_rates_of_0);
    tcase_add_test(tcase, a_rate_needs_a_second);
    tcase_add_test(tcase, rates_are_those_since_the_last_sample);
    tcase_add_test(tcase, an_old_sample_does_not_count);
    tcase_add_test(tcase, a_publication_keeps_a_sample);
    tcase_add_test(tcase, a_counter_that_is_behind_a_sample_has_not_grown);
    tcase_add_test(tcase, latencies_are_those_of_a_minute);
    tcase_add_test(tcase, a_quantile_is_inside_its_bucket);
    tcase_add_test(tcase, a_hub_without_operators_has_rates_of_0);
    tcase_add_test(tcase, figures_are_those_of_the_hub);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
