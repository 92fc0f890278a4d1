#include "hub/base/wheel.h"

#include <stdlib.h>

#include "hub_unit.h"

#define TICK  MRC_WHEEL_TICK_US
#define ROUND (MRC_WHEEL_SLOTS * TICK)

static struct mrc_wheel *make(int64_t now_us)
{
    struct mrc_wheel *wheel = malloc(sizeof(*wheel));

    mrc_wheel_init(wheel, now_us);
    return wheel;
}

/* Fails unless TIMER, the only one that is set, fires at DUE_US or up to one tick later. */
static void ck_assert_fires(struct mrc_wheel *wheel, struct mrc_timer *timer, int64_t due_us)
{
    ck_assert_ptr_null(mrc_wheel_expire(wheel, due_us - 1));
    ck_assert(mrc_timer_is_set(timer));
    ck_assert_ptr_eq(mrc_wheel_expire(wheel, due_us + TICK), timer);
    ck_assert(!mrc_timer_is_set(timer));
    ck_assert_ptr_null(mrc_wheel_expire(wheel, due_us + TICK));
    ck_assert_int_eq(mrc_wheel_wait_ms(wheel, due_us + TICK), -1);
}

START_TEST(fires_neither_early_nor_late)
{
    static const int64_t after[] = {
        1,         TICK - 1, TICK,      TICK + 1,     7 * TICK / 2, ROUND - TICK,
        ROUND - 1, ROUND,    ROUND + 1, ROUND + TICK, 3 * ROUND,    10 * ROUND + TICK / 2};

    for (size_t i = 0; i < sizeof(after) / sizeof(after[0]); i++) {
        for (int64_t start = ROUND - 2 * TICK; start < ROUND + 2 * TICK; start += TICK / 4 + 1) {
            struct mrc_wheel *wheel = make(start);
            struct mrc_timer timer = {.due_us = 0};

            mrc_wheel_set(wheel, &timer, start + after[i]);
            ck_assert_fires(wheel, &timer, start + after[i]);
            free(wheel);
        }
    }
}
END_TEST

START_TEST(a_timer_in_the_past_fires_within_a_tick)
{
    struct mrc_wheel *wheel = make(50 * TICK);
    struct mrc_timer timer = {.due_us = 0};

    ck_assert_ptr_null(mrc_wheel_expire(wheel, 50 * TICK + 3));
    mrc_wheel_set(wheel, &timer, 0);
    ck_assert_ptr_eq(mrc_wheel_expire(wheel, 51 * TICK + 3), &timer);
    mrc_wheel_set(wheel, &timer, INT64_MIN);
    ck_assert_ptr_eq(mrc_wheel_expire(wheel, 52 * TICK + 3), &timer);
    free(wheel);
}
END_TEST

/* Timers at the end of the clock's range never fire, and nothing overflows. */
START_TEST(the_end_of_time)
{
    for (int64_t due_us = INT64_MAX - 2; due_us > 0;
         due_us = due_us == INT64_MAX ? 0 : due_us + 1) {
        struct mrc_wheel *wheel = make(0);
        struct mrc_timer timer = {.due_us = 0};

        mrc_wheel_set(wheel, &timer, due_us);
        for (int64_t now_us = 0; now_us < 4 * ROUND; now_us += ROUND / 3)
            ck_assert_ptr_null(mrc_wheel_expire(wheel, now_us));
        ck_assert(mrc_timer_is_set(&timer));
        free(wheel);
    }
}
END_TEST

START_TEST(moves_and_clears)
{
    struct mrc_wheel *wheel = make(0);
    struct mrc_timer timer = {.due_us = 0};
    struct mrc_timer other = {.due_us = 0};

    mrc_wheel_clear(wheel, &timer); /* it is not set */
    ck_assert_int_eq(mrc_wheel_wait_ms(wheel, 0), -1);
    mrc_wheel_set(wheel, &timer, 5 * TICK);
    mrc_wheel_set(wheel, &timer, 9 * TICK);
    ck_assert_fires(wheel, &timer, 9 * TICK);
    mrc_wheel_set(wheel, &timer, 90 * TICK);
    mrc_wheel_set(wheel, &timer, 20 * TICK);
    ck_assert_fires(wheel, &timer, 20 * TICK);
    mrc_wheel_set(wheel, &timer, 30 * TICK);
    mrc_wheel_set(wheel, &other, 30 * TICK); /* in the same slot */
    mrc_wheel_clear(wheel, &timer);
    mrc_wheel_clear(wheel, &timer);
    ck_assert(!mrc_timer_is_set(&timer));
    ck_assert_fires(wheel, &other, 30 * TICK);
    free(wheel);
}
END_TEST

/* After a long pause all timers that are due fire, and no others. */
START_TEST(a_long_sleep)
{
    struct mrc_timer timers[1000] = {{.due_us = 0}};
    const size_t n = sizeof(timers) / sizeof(timers[0]);
    const int64_t now_us = 2 * ROUND + TICK / 2;
    struct mrc_wheel *wheel = make(0);
    struct mrc_timer *timer;
    size_t fired = 0;

    for (size_t i = 0; i < n; i++)
        mrc_wheel_set(wheel, &timers[i], (int64_t)(i + 1) * 4 * ROUND / (int64_t)n);
    while ((timer = mrc_wheel_expire(wheel, now_us))) {
        ck_assert_int_le(timer->due_us, now_us);
        fired++;
    }
    for (size_t i = 0; i < n; i++)
        ck_assert(mrc_timer_is_set(&timers[i]) == (timers[i].due_us > now_us));
    ck_assert_uint_eq(fired, n / 2);
    /* A week later, one timer is due before the tick that the wheel has reached. */
    mrc_wheel_set(wheel, &timers[0], now_us + 6000 * ROUND);
    mrc_wheel_set(wheel, &timers[1], now_us + 6000 * ROUND - TICK);
    while (mrc_wheel_expire(wheel, now_us + 6000 * ROUND + TICK))
        fired++;
    ck_assert_uint_eq(fired, n + 2);
    free(wheel);
}
END_TEST

START_TEST(waits_no_longer_than_for_the_first_timer)
{
    struct mrc_wheel *wheel = make(1);
    struct mrc_timer near = {.due_us = 0};
    struct mrc_timer far = {.due_us = 0};
    int ms;

    mrc_wheel_set(wheel, &far, 5 * ROUND);
    ms = mrc_wheel_wait_ms(wheel, 1);
    ck_assert_int_gt(ms, 0);
    ck_assert_int_le(ms, ROUND / 1000);
    mrc_wheel_set(wheel, &near, 3 * TICK);
    ms = mrc_wheel_wait_ms(wheel, 1);
    ck_assert_int_ge(ms, 3 * TICK / 1000);
    ck_assert_int_le(ms, 4 * TICK / 1000 + 1);
    ck_assert_int_eq(mrc_wheel_wait_ms(wheel, 3 * TICK), 0);
    ck_assert_int_eq(mrc_wheel_wait_ms(wheel, 99 * ROUND), 0); /* the timer is overdue */
    free(wheel);
}
END_TEST

/* ---- against a model --------------------------------------------------------------------------*/

#define TIMERS 3000

struct model {
    uint64_t seed;
    uint64_t random;
    int64_t now_us;
    struct mrc_wheel *wheel;
    struct mrc_timer timers[TIMERS];
    int64_t set_us[TIMERS]; /* when it was set */
    int64_t due_us[TIMERS]; /* -1: not set */
};

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t draw_us(struct model *model)
{
    static const int64_t spans[] = {TICK, 20 * TICK, ROUND, 5 * ROUND};

    return (int64_t)(hub_random(&model->random) >> 2) % spans[hub_random_below(&model->random, 4)];
}

static void change_some(struct model *model)
{
    for (unsigned n = hub_random_below(&model->random, 50); n > 0; n--) {
        unsigned i = hub_random_below(&model->random, TIMERS);

        if (hub_random_below(&model->random, 4) == 0) {
            mrc_wheel_clear(model->wheel, &model->timers[i]);
            model->due_us[i] = -1;
        } else {
            model->set_us[i] = model->now_us;
            model->due_us[i] = later(0, model->now_us + draw_us(model) - TICK / 4);
            mrc_wheel_set(model->wheel, &model->timers[i], model->due_us[i]);
        }
    }
}

/* Used instead of ck_assert(), which is slow even when it holds. */
static void must(bool holds, const struct model *model, const char *what)
{
    if (!holds)
        ck_abort_msg("seed %lu: %s", (unsigned long)model->seed, what);
}

static void expire(struct model *model)
{
    struct mrc_timer *timer;

    while ((timer = mrc_wheel_expire(model->wheel, model->now_us))) {
        size_t i = (size_t)(timer - model->timers);

        must(model->due_us[i] >= 0, model, "a timer fired that is not set");
        must(model->due_us[i] <= model->now_us, model, "a timer fired early");
        model->due_us[i] = -1;
    }
}

static void check(const struct model *model)
{
    int ms = mrc_wheel_wait_ms(model->wheel, model->now_us);
    int64_t first_us = INT64_MAX;

    for (size_t i = 0; i < TIMERS; i++) {
        bool is_set = model->due_us[i] >= 0;
        int64_t from_us = later(model->due_us[i], model->set_us[i]);

        must(mrc_timer_is_set(&model->timers[i]) == is_set, model, "a timer was lost");
        must(!is_set || from_us + TICK > model->now_us, model, "a timer is late");
        if (is_set && from_us < first_us)
            first_us = from_us;
    }
    must((ms < 0) == (first_us == INT64_MAX), model,
         "the wait is without a timer, or a timer without a wait");
    must(ms < 0 || model->now_us + (int64_t)ms * 1000 < first_us + TICK + 1000, model,
         "the wait is too long");
}

START_TEST(random_timers_against_a_model)
{
    struct model *model = calloc(1, sizeof(*model));

    model->seed = (uint64_t)_i + 1;
    model->random = model->seed;
    model->now_us = draw_us(model);
    model->wheel = make(model->now_us);
    for (size_t i = 0; i < TIMERS; i++)
        model->due_us[i] = -1;
    for (int step = 0; step < 2000; step++) {
        change_some(model);
        model->now_us += hub_random_below(&model->random, 3) ? TICK / 3 : draw_us(model);
        expire(model);
        check(model);
    }
    free(model->wheel);
    free(model);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("wheel");
    TCase *tcase = tcase_create("wheel");

    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, fires_neither_early_nor_late);
    tcase_add_test(tcase, a_timer_in_the_past_fires_within_a_tick);
    tcase_add_test(tcase, the_end_of_time);
    tcase_add_test(tcase, moves_and_clears);
    tcase_add_test(tcase, a_long_sleep);
    tcase_add_test(tcase, waits_no_longer_than_for_the_first_timer);
    tcase_add_loop_test(tcase, random_timers_against_a_model, 0, 5);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
