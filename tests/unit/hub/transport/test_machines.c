#include <stdio.h>
#include <string.h>

#include "hub/transport/machines.h"
#include "unit.h"

#define LEASE 15

static struct mrc_machines machines;

/* Reads a report of COUNT names and values at NOW. Returns the number of live machines. */
static size_t report(const char *const *pairs, size_t count, int64_t now)
{
    mrc_machines_begin(&machines);
    for (size_t i = 0; i < count; i++)
        mrc_machines_see(&machines, mrc_bytes_of(pairs[2 * i]), mrc_bytes_of(pairs[2 * i + 1]),
                         now);
    return mrc_machines_end(&machines, LEASE, now);
}

START_TEST(a_machine_without_beats_is_dead_after_the_lease)
{
    ck_assert_uint_eq(report((const char *[]){"a", "1", "b", "1"}, 2, 100), 2);
    ck_assert_uint_eq(report((const char *[]){"a", "2", "b", "1"}, 2, 115), 2);
    ck_assert_ptr_null(mrc_machines_find_dead(&machines, LEASE, 115));
    ck_assert_uint_eq(report((const char *[]){"a", "3", "b", "1"}, 2, 116), 1);
    ck_assert_str_eq(mrc_machines_find_dead(&machines, LEASE, 116)->name, "b");
    ck_assert_str_eq(mrc_machines_find_dead(&machines, LEASE, 116)->value, "1");
    mrc_machines_free(&machines);
}
END_TEST

START_TEST(a_machine_that_is_gone_is_forgotten)
{
    report((const char *[]){"a", "1", "b", "1", "c", "1"}, 3, 100);
    ck_assert_uint_eq(report((const char *[]){"c", "1"}, 1, 110), 1);
    ck_assert_uint_eq(machines.count, 1);
    ck_assert_str_eq(machines.machines[0].name, "c");
    /* A machine that comes back is new. */
    report((const char *[]){"a", "1", "c", "2"}, 2, 120);
    ck_assert_ptr_null(mrc_machines_find_dead(&machines, LEASE, 130));
    mrc_machines_free(&machines);
}
END_TEST

START_TEST(nobody_dies_of_the_absence_of_the_engine)
{
    report((const char *[]){"a", "1"}, 1, 100);
    mrc_machines_forgive(&machines, 200);
    ck_assert_uint_eq(report((const char *[]){"a", "1"}, 1, 215), 1);
    mrc_machines_free(&machines);
}
END_TEST

START_TEST(machines_beyond_the_limit_count_as_living)
{
    char name[16];

    for (int round = 0; round < 2; round++) {
        mrc_machines_begin(&machines);
        for (int i = 0; i < MRC_MACHINES_MAX + 5; i++) {
            snprintf(name, sizeof(name), "m%d", i);
            mrc_machines_see(&machines, mrc_bytes_of(name), mrc_bytes_of("1"), 100);
        }
        ck_assert_uint_eq(mrc_machines_end(&machines, LEASE, 100 + 1000 * round),
                          round ? 5 : MRC_MACHINES_MAX + 5);
    }
    mrc_machines_free(&machines);
}
END_TEST

/* A machine whose name or value is too long is not watched, so it does not die. */
START_TEST(texts_have_a_limit)
{
    char text[MRC_MACHINES_TEXT_BYTES + 1];

    memset(text, 'x', sizeof(text));
    for (size_t len = MRC_MACHINES_TEXT_BYTES - 1; len <= MRC_MACHINES_TEXT_BYTES; len++) {
        const char *const pair[] = {_i ? "a" : text, _i ? text : "1"};

        text[len] = '\0';
        report(pair, 1, 100);
        ck_assert_uint_eq(report(pair, 1, 116), len == MRC_MACHINES_TEXT_BYTES);
        ck_assert_uint_eq(machines.count, len < MRC_MACHINES_TEXT_BYTES);
        text[len] = 'x';
    }
    mrc_machines_free(&machines);
}
END_TEST

/* This machine is a.2; a.1 was its name before it restarted. */
START_TEST(an_earlier_start_of_this_machine_dies_sooner)
{
    const char *const pairs[] = {"a.1", "1 w 5 7 1", "a.2", "1 w 5 3 1", "ab.1", "1 w 5 2 1"};

    machines.own = "a.2";
    report(pairs, 3, 100);
    ck_assert_uint_eq(mrc_machines_subscribers(&machines, LEASE, 100), 9);
    report(pairs, 3, 108);
    ck_assert_str_eq(mrc_machines_find_dead(&machines, LEASE, 108)->name, "a.1");
    ck_assert_uint_eq(mrc_machines_subscribers(&machines, LEASE, 108), 2);
    report(pairs + 2, 2, 109);
    ck_assert_ptr_null(mrc_machines_find_dead(&machines, LEASE, 115));
    mrc_machines_free(&machines);
    machines.own = NULL;
}
END_TEST

START_TEST(a_machine_that_is_left_to_others_hides_no_other_one)
{
    report((const char *[]){"a", "1", "b", "1"}, 2, 100);
    report((const char *[]){"a", "1", "b", "1"}, 2, 116);
    mrc_machines_leave(&machines, "a");
    mrc_machines_leave(&machines, "c"); /* it is gone */
    ck_assert_str_eq(mrc_machines_find_dead(&machines, LEASE, 116)->name, "b");
    ck_assert_uint_eq(report((const char *[]){"a", "1", "b", "2"}, 2, 117), 1);
    ck_assert_ptr_null(mrc_machines_find_dead(&machines, LEASE, 117));
    /* It comes back, and dies again. */
    report((const char *[]){"a", "2", "b", "3"}, 2, 120);
    report((const char *[]){"a", "2", "b", "4"}, 2, 136);
    ck_assert_str_eq(mrc_machines_find_dead(&machines, LEASE, 136)->name, "a");
    mrc_machines_free(&machines);
}
END_TEST

/* The place of a machine that is gone is used again, whatever that one's value was. */
START_TEST(a_new_machine_is_not_left_to_others)
{
    report((const char *[]){"a", "1"}, 1, 100);
    mrc_machines_leave(&machines, "a");
    report(NULL, 0, 110);
    report((const char *[]){"b", _i ? "1" : ""}, 1, 120);
    ck_assert_ptr_null(mrc_machines_find_dead(&machines, LEASE, 130));
    ck_assert_str_eq(mrc_machines_find_dead(&machines, LEASE, 136)->name, "b");
    mrc_machines_free(&machines);
}
END_TEST

START_TEST(values_without_subscribers_count_for_none)
{
    report((const char *[]){"a.1", "", "b.1", "1 w 5", "c.1", "1 w 5 -7 1", "d.1", "1 w 5 x 1"}, 4,
           100);
    ck_assert_uint_eq(mrc_machines_subscribers(&machines, LEASE, 100), 0);
    mrc_machines_free(&machines);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("machines");
    TCase *tcase = tcase_create("machines");

    tcase_add_test(tcase, a_machine_without_beats_is_dead_after_the_lease);
    tcase_add_test(tcase, a_machine_that_is_gone_is_forgotten);
    tcase_add_test(tcase, nobody_dies_of_the_absence_of_the_engine);
    tcase_add_test(tcase, machines_beyond_the_limit_count_as_living);
    tcase_add_test(tcase, an_earlier_start_of_this_machine_dies_sooner);
    tcase_add_test(tcase, a_machine_that_is_left_to_others_hides_no_other_one);
    tcase_add_loop_test(tcase, a_new_machine_is_not_left_to_others, 0, 2);
    tcase_add_loop_test(tcase, texts_have_a_limit, 0, 2);
    tcase_add_test(tcase, values_without_subscribers_count_for_none);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
