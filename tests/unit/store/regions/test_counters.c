#include <pthread.h>

#include "store/regions/counters.h"
#include "store_unit.h"

#define SLOTS   4
#define THREADS 8

static struct mrc_counters *make(void)
{
    return mrc_counters_open(store_pool(), store_shared(mrc_counters_bytes(SLOTS)), SLOTS);
}

START_TEST(sums_are_those_of_all_children)
{
    struct mrc_counters *counters = make();

    mrc_counters_add(counters, 0, 1, 5);
    mrc_counters_add(counters, SLOTS - 1, 1, 6);
    mrc_counters_add(counters, 2, MRC_COUNTERS_MAX - 1, 7);
    mrc_counters_gauge_add(counters, 0, 2, 5);
    mrc_counters_gauge_add(counters, 3, 2, 7);
    mrc_counters_gauge_add(counters, 3, 2, -1);
    ck_assert_uint_eq(mrc_counters_sum(counters, 0), 0);
    ck_assert_uint_eq(mrc_counters_sum(counters, 1), 11);
    ck_assert_uint_eq(mrc_counters_sum(counters, MRC_COUNTERS_MAX - 1), 7);
    ck_assert_uint_eq(mrc_counters_gauge_sum(counters, 2), 11);
    ck_assert_uint_eq(mrc_counters_gauge_of(counters, 3, 2), 6);
    mrc_counters_gauge_add(counters, 1, 2,
                           -1); /* before the addition of another thread is visible */
    ck_assert_uint_eq(mrc_counters_gauge_sum(counters, 2), 11);
}
END_TEST

START_TEST(what_is_out_of_range_counts_nothing)
{
    struct mrc_counters *counters = make();

    mrc_counters_begin(counters, SLOTS);
    mrc_counters_add(counters, SLOTS, 1, 1);
    mrc_counters_add(counters, 0, MRC_COUNTERS_MAX, 1); /* the first gauge follows it */
    mrc_counters_gauge_add(counters, SLOTS, 0, 1);
    mrc_counters_gauge_add(counters, 0, MRC_COUNTERS_GAUGES_MAX, 1);
    mrc_counters_gauge_set(counters, SLOTS, 0, 1);
    mrc_counters_fold(counters, SLOTS);
    ck_assert(!mrc_counters_gauge_take(counters, SLOTS, 0, 100));
    ck_assert(!mrc_counters_gauge_change(counters, SLOTS, 0, 0, 1));
    for (unsigned i = 0; i <= MRC_COUNTERS_MAX; i++)
        ck_assert_uint_eq(mrc_counters_sum(counters, i), 0);
    for (unsigned i = 0; i <= MRC_COUNTERS_GAUGES_MAX; i++)
        ck_assert_uint_eq(mrc_counters_gauge_sum(counters, i), 0);
    ck_assert_uint_eq(mrc_counters_gauge_of(counters, SLOTS, 0), 0);
    mrc_counters_gauge_set(counters, 0, 0, 5);
    ck_assert_uint_eq(mrc_counters_sum(counters, MRC_COUNTERS_MAX), 0);
}
END_TEST

START_TEST(without_memory_nothing_is_counted)
{
    struct mrc_counters *counters = mrc_counters_open(store_pool(), NULL, SLOTS);

    mrc_counters_begin(counters, 1);
    mrc_counters_add(counters, 1, 1, 1);
    mrc_counters_gauge_add(counters, 1, 1, 1);
    ck_assert(!mrc_counters_gauge_take(counters, 1, 1, 100));
    mrc_counters_fold(counters, 1);
    mrc_counters_carry(make(), counters);
    ck_assert_uint_eq(mrc_counters_sum(counters, 1), 0);
    ck_assert_uint_eq(mrc_counters_gauge_sum(counters, 1), 0);
    mrc_counters_end(counters);
}
END_TEST

struct taker {
    struct mrc_counters *counters;
    unsigned slot, taken;
};

static void *take_many(void *arg)
{
    struct taker *taker = arg;

    for (int i = 0; i < 1000; i++)
        taker->taken += mrc_counters_gauge_take(taker->counters, taker->slot, 3, 500);
    return NULL;
}

START_TEST(exactly_as_many_take_a_place_as_there_are)
{
    struct mrc_counters *counters = make();
    struct taker takers[THREADS];
    pthread_t threads[THREADS];
    unsigned taken = 0, slot = 0;

    for (unsigned i = 0; i < THREADS; i++) {
        takers[i] = (struct taker){counters, i % SLOTS, 0};
        ck_assert_int_eq(pthread_create(&threads[i], NULL, take_many, &takers[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        taken += takers[i].taken;
    }
    ck_assert_uint_eq(taken, 500);
    ck_assert_uint_eq(mrc_counters_gauge_sum(counters, 3), 500);
    while (mrc_counters_gauge_of(counters, slot, 3) == 0) /* its threads came too late */
        slot++;
    mrc_counters_gauge_add(counters, slot, 3, -1);
    ck_assert(mrc_counters_gauge_take(counters, slot, 3, 500));
    ck_assert(!mrc_counters_gauge_take(counters, slot, 3, 500));
}
END_TEST

START_TEST(a_gauge_changes_only_from_what_it_was)
{
    struct mrc_counters *counters = make();

    mrc_counters_gauge_set(counters, 1, 0, 7);
    ck_assert(!mrc_counters_gauge_change(counters, 1, 0, 6, 9));
    ck_assert_uint_eq(mrc_counters_gauge_of(counters, 1, 0), 7);
    ck_assert(mrc_counters_gauge_change(counters, 1, 0, 7, 9));
    ck_assert_uint_eq(mrc_counters_gauge_of(counters, 1, 0), 9);
}
END_TEST

START_TEST(a_dead_child_leaves_its_counters_and_no_gauge)
{
    struct mrc_counters *counters = make();

    for (unsigned slot = 0; slot < SLOTS; slot++) {
        mrc_counters_add(counters, slot, 5, 1);
        for (unsigned i = 0; i < MRC_COUNTERS_GAUGES_MAX; i++)
            mrc_counters_gauge_set(counters, slot, i, 10 + i);
    }
    mrc_counters_fold(counters, 2);
    mrc_counters_fold(counters, 2);
    ck_assert_uint_eq(mrc_counters_sum(counters, 5), SLOTS);
    for (unsigned i = 0; i < MRC_COUNTERS_GAUGES_MAX; i++) {
        ck_assert_uint_eq(mrc_counters_gauge_of(counters, 2, i), 0);
        ck_assert_uint_eq(mrc_counters_gauge_sum(counters, i), (SLOTS - 1) * (10 + i));
    }
}
END_TEST

START_TEST(a_resize_carries_the_counters_and_no_gauge)
{
    struct mrc_counters *first = make(), *second = make(), *third = make();

    mrc_counters_add(first, 0, 0, 1);
    mrc_counters_add(first, 3, MRC_COUNTERS_MAX - 1, 2);
    mrc_counters_gauge_set(first, 0, 0, 3);
    mrc_counters_carry(first, second);
    mrc_counters_add(second, 1, 0, 10);
    mrc_counters_carry(second, third);
    ck_assert_uint_eq(mrc_counters_sum(third, 0), 11);
    ck_assert_uint_eq(mrc_counters_sum(third, MRC_COUNTERS_MAX - 1), 2);
    ck_assert_uint_eq(mrc_counters_gauge_sum(third, 0), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("counters");
    TCase *tcase = tcase_create("counters");

    tcase_add_test(tcase, sums_are_those_of_all_children);
    tcase_add_test(tcase, what_is_out_of_range_counts_nothing);
    tcase_add_test(tcase, without_memory_nothing_is_counted);
    tcase_add_test(tcase, exactly_as_many_take_a_place_as_there_are);
    tcase_add_test(tcase, a_gauge_changes_only_from_what_it_was);
    tcase_add_test(tcase, a_dead_child_leaves_its_counters_and_no_gauge);
    tcase_add_test(tcase, a_resize_carries_the_counters_and_no_gauge);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
