/* The history of a hub with a transport. */
#include <pthread.h>
#include <stdatomic.h>

#include "history_unit.h"
#include "store/regions/link.h"

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

static struct mrc_history *open_engine(int64_t timeout_us)
{
    struct mrc_history *history = NULL;
    struct mrc_error error = {""};

    ck_assert_msg(mrc_history_open_engine(pool, segment, notify, 0, timeout_us, &error, &history) ==
                      APR_SUCCESS,
                  "%s", error.text);
    return history;
}

/* Publishers wait for the link, whatever happens to the time of day. */
static apr_status_t publish(int64_t timeout_us)
{
    return mrc_history_append(open_engine(timeout_us), mrc_bytes_of("urn:1"), mrc_bytes_of("text"),
                              4, 1);
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

/* The number of the record that a client gets next whose last one has ID. */
static uint64_t next_after(struct mrc_history *history, const char *id)
{
    struct mrc_place place;

    ck_assert_int_eq(mrc_history_find(history, mrc_bytes_of(id), 1, &place), APR_SUCCESS);
    return place.next;
}

START_TEST(a_cursor_in_a_window_begins_before_what_other_machines_may_have_had_later)
{
    static const char *const ids[] = {"urn:1", "urn:2", "urn:3", "urn:4", "urn:5"};
    struct mrc_history *history = open_engine(1);
    struct mrc_link *link = mrc_hub_segment_link(segment);
    uint64_t seq, pos;

    for (size_t i = 0; i < 5; i++)
        ck_assert_int_eq(mrc_ring_append(mrc_hub_segment_ring(segment), mrc_bytes_of(ids[i]),
                                         mrc_bytes_of("text"), 4, 1, 1000, &seq, &pos),
                         APR_SUCCESS);
    mrc_link_unsettle(link, 2, 4, 1);
    ck_assert_uint_eq(next_after(history, "urn:1"), 2);
    ck_assert_uint_eq(next_after(history, "urn:2"), 3); /* what is before it is the same on all */
    ck_assert_uint_eq(next_after(history, "urn:3"), 2);
    ck_assert_uint_eq(next_after(history, "urn:4"), 2);
    ck_assert_uint_eq(next_after(history, "urn:5"), 6);
    mrc_link_unsettle(link, 1, 2, 1);
    ck_assert_uint_eq(next_after(history, "urn:1"), 2);
    ck_assert_uint_eq(next_after(history, "urn:2"), 1);
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
    tcase_add_test(tcase,
                   a_cursor_in_a_window_begins_before_what_other_machines_may_have_had_later);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
