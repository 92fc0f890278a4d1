#include "unit.h"

#include "core/base/buf.h"
#include "hub/hub/numbers.h"

#include "hub_unit.h"

#define RING ((uint64_t)64 * 1024)

static const struct mrc_hub_spec spec = {.limits.dispatch_timeout_us = 1000000};

START_TEST(each_time_has_its_bucket)
{
    int64_t before_us = 0;

    for (unsigned i = 0; i < MRC_NUMBERS_BOUNDS; i++) {
        ck_assert_int_gt(mrc_numbers_bound_us(i), before_us);
        before_us = mrc_numbers_bound_us(i);
        ck_assert_uint_eq(mrc_numbers_bucket(before_us), i);
        ck_assert_uint_eq(mrc_numbers_bucket(before_us + 1), i + 1);
    }
    ck_assert_uint_eq(mrc_numbers_bucket(0), 0);
    ck_assert_uint_eq(mrc_numbers_bucket(-1), 0);
    ck_assert_uint_eq(mrc_numbers_bucket(INT64_MAX), MRC_NUMBERS_BOUNDS);
}
END_TEST

START_TEST(dispatch_times_add_up)
{
    struct hub_place place = hub_place_open(RING, &spec);

    mrc_numbers_count_time(mrc_hub_numbers(place.hub), 100, 1);
    mrc_numbers_count_time(mrc_hub_numbers(place.hub), 300, 2);
    mrc_numbers_count_time(mrc_hub_numbers(place.hub), -5, 1); /* a clock that was set back */
    ck_assert_uint_eq(hub_counter(&place, MRC_COUNTER_DISPATCH), 2);
    ck_assert_uint_eq(hub_counter(&place, MRC_COUNTER_DISPATCH + 1), 0);
    ck_assert_uint_eq(hub_counter(&place, MRC_COUNTER_DISPATCH + 2), 2);
    ck_assert_uint_eq(hub_counter(&place, MRC_COUNTER_DISPATCH_US), 700);
    hub_place_close(&place);
}
END_TEST

/* Times of the same bucket are counted together. */
START_TEST(times_are_gathered)
{
    struct hub_place place = hub_place_open(RING, &spec);
    struct mrc_numbers_times times = {.count = 0};

    mrc_numbers_count_times(mrc_hub_numbers(place.hub), &times); /* no times */
    ck_assert(mrc_numbers_times_add(&times, 251));
    ck_assert(mrc_numbers_times_add(&times, 500));
    ck_assert(!mrc_numbers_times_add(&times, 501));
    ck_assert(!mrc_numbers_times_add(&times, 250));
    mrc_numbers_count_times(mrc_hub_numbers(place.hub), &times);
    ck_assert(mrc_numbers_times_add(&times, -5)); /* a clock that was set back */
    ck_assert(mrc_numbers_times_add(&times, 0));
    mrc_numbers_count_times(mrc_hub_numbers(place.hub), &times);
    ck_assert_uint_eq(times.count, 0);
    ck_assert_uint_eq(hub_counter(&place, MRC_COUNTER_DISPATCH), 2);
    ck_assert_uint_eq(hub_counter(&place, MRC_COUNTER_DISPATCH + 2), 2);
    ck_assert_uint_eq(hub_counter(&place, MRC_COUNTER_DISPATCH_US), 751);
    hub_place_close(&place);
}
END_TEST

START_TEST(replayed_updates_have_no_dispatch_time)
{
    struct hub_place place = hub_place_open(RING, &spec);
    struct mrc_subscriber *subscriber;
    struct mrc_buf out;
    uint64_t sum = 0;

    hub_publish(place.hub, "urn:a", "t", "old");
    subscriber = hub_subscribe(place.hub, hub_all(), "earliest");
    hub_publish(place.hub, "urn:b", "t", "new");
    mrc_buf_init(&out, SIZE_MAX);
    ck_assert_int_eq(mrc_subscriber_take(subscriber, SIZE_MAX, mrc_subscriber_give_bytes, &out),
                     APR_EOF);
    mrc_subscriber_count_written(subscriber, apr_time_now());
    mrc_subscriber_count_written(subscriber, apr_time_now()); /* it was counted */
    mrc_buf_free(&out);
    mrc_subscriber_close(subscriber, MRC_END_CLIENT);
    ck_assert_uint_eq(hub_counter(&place, MRC_COUNTER_DELIVERIES), 2);
    for (unsigned i = 0; i <= MRC_NUMBERS_BOUNDS; i++)
        sum += hub_counter(&place, MRC_COUNTER_DISPATCH + i);
    ck_assert_uint_eq(sum, 1);
    hub_place_close(&place);
}
END_TEST

START_TEST(the_lag_is_what_a_child_has_not_read)
{
    struct hub_place place = hub_place_open(RING, &spec);
    struct mrc_subscriber *subscriber;

    ck_assert_uint_eq(mrc_numbers_lag(mrc_hub_numbers(place.hub), HUB_SLOT), 0);
    hub_publish(place.hub, "urn:a", "t", "a");
    ck_assert_uint_eq(mrc_numbers_lag(mrc_hub_numbers(place.hub), HUB_SLOT),
                      0); /* nobody listens */
    subscriber = hub_subscribe(place.hub, hub_matcher(MRC_MATCHER_EXACT, "t", NULL), NULL);
    mrc_numbers_set_taken(mrc_hub_numbers(place.hub), 0, 2);
    ck_assert_uint_eq(mrc_numbers_lag(mrc_hub_numbers(place.hub), HUB_SLOT), 0);
    hub_publish(place.hub, "urn:b", "t", "b");
    hub_publish(place.hub, "urn:c", "t", "c");
    ck_assert_uint_eq(mrc_numbers_lag(mrc_hub_numbers(place.hub), HUB_SLOT), 2);
    ck_assert_uint_eq(mrc_numbers_lag(mrc_hub_numbers(place.hub), 0), 0);
    ck_assert_uint_eq(mrc_numbers_lag(mrc_hub_numbers(place.hub), HUB_SLOTS), 0);
    mrc_numbers_set_taken(mrc_hub_numbers(place.hub), 0, 4);
    ck_assert_uint_eq(mrc_numbers_lag(mrc_hub_numbers(place.hub), HUB_SLOT), 0);
    mrc_numbers_set_taken(mrc_hub_numbers(place.hub), MRC_NUMBERS_LOOPS_MAX - 1,
                          3); /* that of the slowest loop */
    ck_assert_uint_eq(mrc_numbers_lag(mrc_hub_numbers(place.hub), HUB_SLOT), 1);
    mrc_numbers_set_taken(mrc_hub_numbers(place.hub), MRC_NUMBERS_LOOPS_MAX - 1, 0);
    ck_assert_uint_eq(mrc_numbers_lag(mrc_hub_numbers(place.hub), HUB_SLOT), 0);
    /* Updates for others do not count until the child is woken for one of its own. */
    hub_publish(place.hub, "urn:d", "elsewhere", "d");
    hub_publish(place.hub, "urn:e", "elsewhere", "e");
    ck_assert_uint_eq(mrc_numbers_lag(mrc_hub_numbers(place.hub), HUB_SLOT), 0);
    hub_publish(place.hub, "urn:f", "t", "f");
    ck_assert_uint_eq(mrc_numbers_lag(mrc_hub_numbers(place.hub), HUB_SLOT), 3);
    mrc_subscriber_close(subscriber, MRC_END_CLIENT);
    mrc_hub_segment_fold(place.segment, HUB_SLOT); /* the child has died */
    ck_assert_uint_eq(mrc_numbers_lag(mrc_hub_numbers(place.hub), HUB_SLOT), 0);
    hub_place_close(&place);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("numbers");
    TCase *tcase = tcase_create("numbers");

    tcase_add_test(tcase, each_time_has_its_bucket);
    tcase_add_test(tcase, dispatch_times_add_up);
    tcase_add_test(tcase, times_are_gathered);
    tcase_add_test(tcase, replayed_updates_have_no_dispatch_time);
    tcase_add_test(tcase, the_lag_is_what_a_child_has_not_read);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
