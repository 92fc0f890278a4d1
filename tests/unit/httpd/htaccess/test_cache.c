/*
 * The cache of readings: when a file is read and checked, who waits, and what is forgotten.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "failing_calls.h"
#include "httpd/htaccess/cache.h"
#include "unit.h"

#define SECOND_US INT64_C(1000000)

/* A reading is its number. */
static atomic_int made, freed, checked;
static bool is_changed;

static void *read_it(void *ctx, void *old)
{
    int *reading = old;

    checked++;
    if (ctx)
        return NULL; /* a file that cannot be read now */
    if (old && !is_changed)
        return old;
    reading = malloc(sizeof(*reading));
    *reading = ++made;
    return reading;
}

static void free_it(void *reading)
{
    freed++;
    free(reading);
}

/* The number of the reading of KEY at NOW_US; 0 if there is none. */
static int take(struct mrc_htaccess_cache *cache, const char *key, int64_t now_us)
{
    struct mrc_htaccess_hold *hold = mrc_htaccess_cache_take(cache, key, read_it, NULL, now_us);
    int number = hold ? *(int *)mrc_htaccess_hold_reading(hold) : 0;

    mrc_htaccess_cache_give_back(hold);
    return number;
}

START_TEST(file_is_checked_once_a_second)
{
    struct mrc_htaccess_cache *cache = mrc_htaccess_cache_create(10, free_it);

    for (int i = 0; i < 100; i++)
        ck_assert_int_eq(take(cache, "a", SECOND_US + i), 1);
    ck_assert_int_eq(checked, 1);
    is_changed = true;
    ck_assert_int_eq(take(cache, "a", 2 * SECOND_US - 1), 1);
    ck_assert_int_eq(take(cache, "a", 2 * SECOND_US), 2);
    ck_assert_int_eq(freed, 1);
    ck_assert_int_eq(take(cache, "b", 2 * SECOND_US), 3);
    is_changed = false;
    ck_assert_int_eq(take(cache, "a", 4 * SECOND_US), 2);
    ck_assert_int_eq(checked, 4);
    mrc_htaccess_cache_free(cache);
    ck_assert_int_eq(freed, 3);
}
END_TEST

START_TEST(reading_that_is_held_stays)
{
    struct mrc_htaccess_cache *cache = mrc_htaccess_cache_create(10, free_it);
    struct mrc_htaccess_hold *hold = mrc_htaccess_cache_take(cache, "a", read_it, NULL, SECOND_US);

    is_changed = true;
    ck_assert_int_eq(take(cache, "a", 3 * SECOND_US), 2);
    ck_assert_int_eq(freed, 0);
    ck_assert_int_eq(*(int *)mrc_htaccess_hold_reading(hold), 1);
    mrc_htaccess_cache_give_back(hold);
    ck_assert_int_eq(freed, 1);
    mrc_htaccess_cache_free(cache);
    ck_assert_int_eq(freed, 2);
}
END_TEST

/* Its last reading is out of date: nobody gets it, and the next caller reads again at once. */
START_TEST(file_that_cannot_be_read_now_has_no_reading)
{
    struct mrc_htaccess_cache *cache = mrc_htaccess_cache_create(10, free_it);

    ck_assert_ptr_null(mrc_htaccess_cache_take(cache, "a", read_it, cache, SECOND_US));
    ck_assert_int_eq(take(cache, "a", SECOND_US), 1);
    ck_assert_ptr_null(mrc_htaccess_cache_take(cache, "a", read_it, cache, 2 * SECOND_US));
    ck_assert_int_eq(freed, 1);
    ck_assert_ptr_null(mrc_htaccess_cache_take(cache, "a", read_it, cache, 2 * SECOND_US));
    ck_assert_int_eq(take(cache, "a", 2 * SECOND_US), 2);
    ck_assert_int_eq(take(cache, "a", 2 * SECOND_US), 2);
    ck_assert_int_eq(checked, 5);
    mrc_htaccess_cache_free(cache);
    ck_assert_int_eq(made, freed);
}
END_TEST

START_TEST(files_that_cannot_be_read_are_reported_once_a_minute)
{
    struct mrc_htaccess_cache *cache = mrc_htaccess_cache_create(10, free_it);

    ck_assert(mrc_htaccess_cache_should_report(cache, SECOND_US));
    ck_assert(!mrc_htaccess_cache_should_report(cache, 60 * SECOND_US));
    ck_assert(mrc_htaccess_cache_should_report(cache, 61 * SECOND_US));
    ck_assert(!mrc_htaccess_cache_should_report(cache, 61 * SECOND_US));
    mrc_htaccess_cache_free(cache);
}
END_TEST

START_TEST(no_more_files_than_allowed_are_remembered)
{
    struct mrc_htaccess_cache *cache = mrc_htaccess_cache_create(10, free_it);
    char key[16];

    for (int i = 0; i < 1000; i++) {
        snprintf(key, sizeof(key), "%d", i);
        ck_assert_int_eq(take(cache, key, SECOND_US * (i + 1)), i + 1);
        ck_assert_int_le(made - freed, 10);
    }
    /* All readings are in use: there is no room for another, and the ten stay. */
    for (int i = 990; i < 1000; i++) {
        snprintf(key, sizeof(key), "%d", i);
        take(cache, key, SECOND_US * 1001);
    }
    mrc_htaccess_cache_free(cache);
    ck_assert_int_eq(made, freed);
}
END_TEST

START_TEST(idle_files_are_forgotten)
{
    struct mrc_htaccess_cache *cache = mrc_htaccess_cache_create(10, free_it);

    ck_assert_int_eq(take(cache, "idle", SECOND_US), 1);
    ck_assert_int_eq(take(cache, "used", SECOND_US), 2);
    ck_assert_int_eq(take(cache, "used", 500 * SECOND_US), 2);
    ck_assert_int_eq(take(cache, "new", 700 * SECOND_US), 3);
    ck_assert_int_eq(freed, 1);
    ck_assert_int_eq(take(cache, "idle", 700 * SECOND_US), 4);
    ck_assert_int_eq(take(cache, "used", 700 * SECOND_US), 2);
    mrc_htaccess_cache_free(cache);
}
END_TEST

/* A read hangs at this gate until the test opens it. */
static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
static atomic_bool is_waiting;

static void *read_slowly(void *cache, void *old)
{
    is_waiting = true;
    pthread_mutex_lock(&gate);
    pthread_mutex_unlock(&gate);
    return read_it(NULL, NULL);
}

static void *take_slowly(void *cache)
{
    mrc_htaccess_cache_give_back(mrc_htaccess_cache_take(cache, "a", read_slowly, NULL, SECOND_US));
    return NULL;
}

START_TEST(file_system_that_hangs_holds_one_thread)
{
    struct mrc_htaccess_cache *cache = mrc_htaccess_cache_create(10, free_it);
    pthread_t thread;

    pthread_mutex_lock(&gate);
    ck_assert_int_eq(pthread_create(&thread, NULL, take_slowly, cache), 0);
    while (!is_waiting)
        ;
    ck_assert_int_eq(take(cache, "a", SECOND_US), 0);
    ck_assert_int_eq(take(cache, "b", SECOND_US), 1);
    pthread_mutex_unlock(&gate);
    pthread_join(thread, NULL);
    ck_assert_int_eq(take(cache, "a", SECOND_US), 2);
    mrc_htaccess_cache_free(cache);
}
END_TEST

START_TEST(numbers_are_unique)
{
    struct mrc_htaccess_cache *cache = mrc_htaccess_cache_create(10, free_it);
    uint64_t first = mrc_htaccess_cache_number(cache, 32);

    ck_assert_uint_eq(mrc_htaccess_cache_number(cache, 1), first + 32);
    ck_assert_uint_eq(first >> 63, 1);
    mrc_htaccess_cache_free(cache);
    mrc_htaccess_cache_free(NULL);
}
END_TEST

static void *read_with_little_memory(void *ctx, void *old)
{
    int *reading = malloc(sizeof(*reading));

    if (reading)
        *reading = ++made;
    return reading;
}

static bool read_twice(void)
{
    struct mrc_htaccess_cache *cache = mrc_htaccess_cache_create(10, free_it);
    bool is_done = cache != NULL;

    for (int i = 1; i < 3 && cache; i++) {
        struct mrc_htaccess_hold *hold =
            mrc_htaccess_cache_take(cache, "a", read_with_little_memory, NULL, i * 2 * SECOND_US);

        is_done = is_done && hold;
        mrc_htaccess_cache_give_back(hold);
    }
    mrc_htaccess_cache_free(cache);
    ck_assert_int_eq(made, freed);
    return is_done;
}

START_TEST(each_allocation_may_fail)
{
    fail_in_turn("read", read_twice, 5);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("cache");
    TCase *tcase = tcase_create("cache");

    suite_add_tcase(suite, tcase);
    tcase_add_test(tcase, file_is_checked_once_a_second);
    tcase_add_test(tcase, reading_that_is_held_stays);
    tcase_add_test(tcase, file_that_cannot_be_read_now_has_no_reading);
    tcase_add_test(tcase, files_that_cannot_be_read_are_reported_once_a_minute);
    tcase_add_test(tcase, no_more_files_than_allowed_are_remembered);
    tcase_add_test(tcase, idle_files_are_forgotten);
    tcase_add_test(tcase, file_system_that_hangs_holds_one_thread);
    tcase_add_test(tcase, numbers_are_unique);
    tcase_add_test(tcase, each_allocation_may_fail);
    return unit_run(suite);
}
