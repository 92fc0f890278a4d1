/* Publishers of a hub with a transport wait for its link, whatever happens to the time of day. */
#include <pthread.h>
#include <stdatomic.h>

#include "history_unit.h"

#define HOUR_US ((int64_t)3600 * 1000 * 1000)

/* The time of day of this program, and by how much it grows whenever it is read. */
static _Atomic int64_t time_us, step_us;

apr_time_t apr_time_now(void)
{
    return atomic_fetch_add(&time_us, step_us);
}

static void set_up_engine(void)
{
    struct mrc_hub_shape shape = {
        .key = "engine",
        .history = {.bytes = 1 << 20},
        .ring_bytes = 1 << 20,
        .body_max_bytes = 256 << 10,
        .staging_bytes = (uint32_t)mrc_staging_bytes(MRC_STAGING_SLOTS, MRC_STAGING_DATA_BYTES, 0),
        .has_link = true,
    };
    struct mrc_error error = {""};

    atomic_store(&time_us, 1000 * HOUR_US);
    segment_dir = store_dir();
    pool = store_pool();
    ck_assert_int_eq(mrc_notify_create(pool, SLOTS, &error, &notify), APR_SUCCESS);
    ck_assert_msg(mrc_hub_segment_create(pool, segment_dir, "engine", &shape, SLOTS, store_budget(),
                                         &error, &segment) == APR_SUCCESS,
                  "%s", error.text);
}

static apr_status_t publish(int64_t timeout_us)
{
    struct mrc_history *history = NULL;
    struct mrc_error error = {""};

    ck_assert_msg(mrc_history_open_engine(pool, segment, notify, 0, timeout_us, &error, &history) ==
                      APR_SUCCESS,
                  "%s", error.text);
    return mrc_history_append(history, mrc_bytes_of("urn:1"), mrc_bytes_of("text"), 4, 1);
}

START_TEST(a_publisher_gives_up_although_the_clock_goes_back)
{
    atomic_store(&step_us, -HOUR_US);
    ck_assert_int_eq(publish(10 * 1000), MRC_STATUS_UNREACHABLE);
}
END_TEST

/* The link, in another thread: answers the first package that is staged. */
static void *answer_one(void *unused)
{
    struct mrc_staging *staging = mrc_hub_segment_staging(segment);
    struct mrc_staged update;

    while (mrc_staging_take(staging, &update, 1) == 0)
        usleep(1000);
    update.status = APR_SUCCESS;
    mrc_staging_finish(staging, &update);
    return NULL;
}

START_TEST(a_publisher_waits_although_the_clock_goes_on)
{
    pthread_t thread;

    atomic_store(&step_us, HOUR_US);
    ck_assert_int_eq(pthread_create(&thread, NULL, answer_one, NULL), 0);
    ck_assert_int_eq(publish(60 * 1000 * 1000), APR_SUCCESS);
    pthread_join(thread, NULL);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("engine");
    TCase *tcase = tcase_create("engine");

    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, set_up_engine, tear_down);
    tcase_add_test(tcase, a_publisher_gives_up_although_the_clock_goes_back);
    tcase_add_test(tcase, a_publisher_waits_although_the_clock_goes_on);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
