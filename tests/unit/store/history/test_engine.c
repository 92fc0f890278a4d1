/* The history of a hub with a transport. */
#include <pthread.h>
#include <stdatomic.h>

#include "core/base/buf.h"
#include "core/protocol/update.h"
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

/* ---- positions --------------------------------------------------------------------------------*/

#define POSITION_KEY "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

/* Appends the record of entry NUMBER. */
static void append_entry(uint64_t number, uint64_t counter)
{
    struct mrc_bytes topic = mrc_bytes_of("t");
    const struct mrc_update update = {.topics = &topic, .topics_count = 1};
    const struct mrc_update_origin origin = {number, 1, counter};
    struct mrc_buf plain, record;
    uint64_t seq, pos;

    mrc_buf_init(&plain, SIZE_MAX);
    mrc_buf_init(&record, SIZE_MAX);
    mrc_update_encode(&update, &plain);
    ck_assert(mrc_update_add_origin(mrc_buf_bytes(&plain), &origin, &record));
    ck_assert_int_eq(mrc_ring_append(mrc_hub_segment_ring(segment), mrc_bytes_of("id"),
                                     mrc_buf_bytes(&record), 1, 1, 1000, &seq, &pos),
                     APR_SUCCESS);
    mrc_buf_free(&plain);
    mrc_buf_free(&record);
}

struct position {
    uint64_t first;
    int64_t second;
};

/* The position after the record SEQ. */
static struct position position_after(struct mrc_history *history, uint64_t seq)
{
    struct position position;

    ck_assert(mrc_history_make_position(history, seq + 1, 1, &position.first, &position.second));
    return position;
}

/* The number of the record that a client with POSITION gets next; 0: the position is not known. */
static uint64_t next_at(struct mrc_history *history, struct position position)
{
    struct mrc_place place;
    apr_status_t status =
        mrc_history_seek_position(history, position.first, position.second, 1, &place);

    ck_assert(status == APR_SUCCESS || status == APR_NOTFOUND);
    return status == APR_SUCCESS ? place.next : 0;
}

/*
 * The engine has lost the entries 4 to 6. Clients that have no position after that yet have one
 * that refers to the order of all machines.
 */
START_TEST(the_machine_knows_a_position_at_an_update_that_the_engine_has_lost)
{
    struct mrc_history *history = open_engine(1);
    struct mrc_link *link = mrc_hub_segment_link(segment);
    struct position before[7], after[10];

    mrc_link_set_key(link, POSITION_KEY);
    for (uint64_t i = 1; i <= 6; i++) {
        append_entry(i, i);
        before[i] = position_after(history, i);
    }
    mrc_link_unsettle(link, 4, MRC_LINK_OPEN, 1);
    mrc_link_bury(link, 4, 6);
    for (uint64_t i = 4; i <= 6; i++)
        after[i] = position_after(history, i);
    /* The numbers of new entries: none, less than those that were lost, the same, more. */
    for (uint64_t number = 4; number <= 8; number++) {
        ck_assert_uint_eq(next_at(history, before[3]), 4);
        ck_assert_uint_eq(next_at(history, before[4]), 5); /* the first one in the window */
        ck_assert_uint_eq(next_at(history, before[5]), 4);
        ck_assert_uint_eq(next_at(history, before[6]), 4);
        for (uint64_t i = 4; i <= 6; i++)
            ck_assert_uint_eq(next_at(history, after[i]), i + 1);
        append_entry(number, 100 + number);
    }
    after[9] = position_after(history, 9);
    ck_assert_uint_eq(next_at(history, after[9]), 10);
    after[9].second++;
    ck_assert_uint_eq(next_at(history, after[9]), 0);
}
END_TEST

/* One loss after the other: several records have one number, and all of them are of logs that are
 * gone. */
START_TEST(the_machine_knows_positions_after_several_losses)
{
    struct mrc_history *history = open_engine(1);
    struct mrc_link *link = mrc_hub_segment_link(segment);
    struct position positions[13];

    mrc_link_set_key(link, POSITION_KEY);
    append_entry(1, 1);
    for (uint64_t loss = 0; loss < 3; loss++) {
        uint64_t first = 2 + 3 * loss;

        for (uint64_t i = 0; i < 3; i++)
            append_entry(2 + i, first + i);
        mrc_link_unsettle(link, 2, MRC_LINK_OPEN, 1);
        mrc_link_bury(link, 2, first + 2);
    }
    append_entry(2, 100);
    append_entry(3, 101);
    for (uint64_t seq = 1; seq <= 12; seq++)
        positions[seq] = position_after(history, seq);
    for (uint64_t seq = 1; seq <= 12; seq++)
        ck_assert_uint_eq(next_at(history, positions[seq]), seq + 1);
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
    tcase_add_test(tcase, the_machine_knows_a_position_at_an_update_that_the_engine_has_lost);
    tcase_add_test(tcase, the_machine_knows_positions_after_several_losses);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
