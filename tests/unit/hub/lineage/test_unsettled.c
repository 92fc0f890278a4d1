/* What the leader notes about where the order of updates may differ between ring and log. */
#include "core/base/buf.h"
#include "core/protocol/update.h"
#include "hub/lineage/unsettled.h"
#include "store/regions/link.h"
#include "store_unit.h"

static struct mrc_ring *ring;
static struct mrc_link *the_link;
static struct mrc_unsettled unsettled;

static void setup(void)
{
    apr_pool_t *pool = store_pool();
    void *region = store_shared(mrc_link_bytes());

    ring = store_ring(pool, 1024 * 1024, (struct mrc_ring_bounds){.count = 0});
    ck_assert_int_eq(mrc_link_create(region), APR_SUCCESS);
    ck_assert_int_eq(mrc_link_attach(pool, region, mrc_link_bytes(), &the_link), APR_SUCCESS);
    mrc_unsettled_begin(&unsettled, the_link, ring);
}

/* Appends the record of entry NUMBER, of WRITER. */
static void append(uint64_t number, uint64_t writer)
{
    struct mrc_bytes topic = mrc_bytes_of("t");
    const struct mrc_update update = {.topics = &topic, .topics_count = 1};
    const struct mrc_update_origin origin = {number, writer, number};
    struct mrc_buf plain, record;
    uint64_t seq, pos;

    mrc_buf_init(&plain, SIZE_MAX);
    mrc_buf_init(&record, SIZE_MAX);
    mrc_update_encode(&update, &plain);
    ck_assert(mrc_update_add_origin(mrc_buf_bytes(&plain), &origin, &record));
    ck_assert_int_eq(
        mrc_ring_append(ring, mrc_bytes_of("id"), mrc_buf_bytes(&record), 1, 1, 1000, &seq, &pos),
        APR_SUCCESS);
    mrc_buf_free(&plain);
    mrc_buf_free(&record);
}

/* Appends the records of COUNT entries from NUMBER on; entry 3 is of writer 2. */
static void append_some(uint64_t number, unsigned count)
{
    for (uint64_t i = number; i < number + count; i++)
        append(i, i == 3 ? 2 : 1);
}

static uint64_t window_of(uint64_t seq)
{
    uint64_t first;

    return mrc_link_find_window(the_link, seq, &first) ? first : 0;
}

/* Another entry comes, which was lost after the entry FORK. */
static void note(uint64_t fork, uint64_t since_seq, bool is_known)
{
    const struct mrc_update_origin origin = {9, 1, 9};

    mrc_unsettled_note(&unsettled, fork, since_seq, &origin, is_known);
}

START_TEST(the_window_is_open_until_all_that_was_lost_is_back)
{
    uint64_t seq, losses = mrc_link_get_losses(the_link, &seq);

    append_some(1, 4);
    mrc_unsettled_lose(&unsettled, 2);
    ck_assert_uint_eq(mrc_link_get_losses(the_link, &seq), losses + 1);
    ck_assert_uint_eq(seq, 2);
    ck_assert_uint_eq(window_of(2), 0);
    ck_assert_uint_eq(window_of(3), 3);
    ck_assert(!mrc_link_is_dead(the_link, 2));
    ck_assert(mrc_link_is_dead(the_link, 3));
    ck_assert(mrc_link_is_dead(the_link, 4));
    ck_assert(!mrc_link_is_dead(the_link, 5));
    mrc_unsettled_came(&unsettled, 2, 2); /* not the one */
    mrc_unsettled_came(&unsettled, 2, 3);
    append_some(3, 1); /* a new one */
    ck_assert_uint_eq(window_of(5), 3);
    mrc_unsettled_came(&unsettled, 1, 4);
    ck_assert(!mrc_link_is_open(the_link));
    ck_assert_uint_eq(window_of(5), 3);
    ck_assert_uint_eq(window_of(6), 0);
}
END_TEST

START_TEST(no_window_where_nothing_is_lost)
{
    append_some(1, 4);
    mrc_unsettled_lose(&unsettled, 4);
    ck_assert(!mrc_link_is_open(the_link));
    ck_assert_uint_eq(window_of(4), 0);
}
END_TEST

START_TEST(an_entry_that_is_put_back_says_where_the_window_begins)
{
    append_some(1, 4);
    note(2, 0, false); /* it is appended next */
    append_some(5, 1);
    ck_assert_uint_eq(window_of(2), 0);
    ck_assert_uint_eq(window_of(3), 3);
    ck_assert_uint_eq(window_of(5), 3);
    ck_assert_uint_eq(window_of(6), 0);
    append_some(6, 2);
    note(2, 0, true); /* the ring has it */
    ck_assert_uint_eq(window_of(7), 3);
    ck_assert_uint_eq(window_of(8), 0);
    note(1, 0, true); /* another machine knew less */
    ck_assert_uint_eq(window_of(7), 2);
}
END_TEST

START_TEST(a_window_may_begin_with_what_comes_next)
{
    append_some(1, 4);
    note(4, 0, false);
    append_some(5, 2);
    ck_assert_uint_eq(window_of(4), 0);
    ck_assert_uint_eq(window_of(5), 5);
    ck_assert_uint_eq(window_of(6), 0);
    /* The records of an earlier log have numbers of their own. */
    mrc_unsettled_forget(&unsettled);
    append_some(1, 3);
    note(1, 6, true);
    ck_assert_uint_eq(window_of(7), 0);
    ck_assert_uint_eq(window_of(8), 8);
}
END_TEST

/* The update COUNTER of WRITER comes in a log that has begun after record 5; the ring has it. */
static void come_again(uint64_t writer, uint64_t counter)
{
    const struct mrc_update_origin origin = {2, writer, counter};

    mrc_unsettled_note(&unsettled, 0, 5, &origin, true);
}

/* Others have it after the first record of the new log. */
START_TEST(a_window_begins_with_an_update_that_was_on_its_way_to_a_log_that_is_gone)
{
    append_some(1, 5);
    mrc_unsettled_forget(&unsettled);
    append(1, 4);
    come_again(1, 4);
    ck_assert_uint_eq(window_of(3), 0);
    ck_assert_uint_eq(window_of(4), 4);
    ck_assert_uint_eq(window_of(6), 4);
    ck_assert_uint_eq(window_of(7), 0);
    come_again(1, 5);
    come_again(7, 1); /* the ring does not have it any more */
    ck_assert_uint_eq(window_of(3), 0);
    ck_assert_uint_eq(window_of(6), 4);
    come_again(2, 3);
    ck_assert_uint_eq(window_of(2), 0);
    ck_assert_uint_eq(window_of(3), 3);
    ck_assert_uint_eq(window_of(6), 3);
}
END_TEST

START_TEST(what_does_not_come_back_is_waited_for_until_nobody_can_put_it_back)
{
    append_some(1, 4);
    mrc_link_note_fork(the_link, 2, 2);
    mrc_unsettled_lose(&unsettled, 2);
    mrc_unsettled_join(&unsettled);
    mrc_unsettled_take_newest(&unsettled, 5);
    mrc_unsettled_reached(&unsettled, 5);
    ck_assert(mrc_link_is_open(the_link)); /* another machine may still put something back */
    mrc_link_clear_fork(the_link);
    mrc_unsettled_restored(&unsettled);
    mrc_unsettled_take_newest(&unsettled, 6);
    mrc_unsettled_reached(&unsettled, 5);
    ck_assert(mrc_link_is_open(the_link));
    mrc_unsettled_reached(&unsettled, 6);
    ck_assert(!mrc_link_is_open(the_link));
    ck_assert_uint_eq(window_of(4), 3);
}
END_TEST

START_TEST(another_leader_does_not_know_what_was_waited_for)
{
    append_some(1, 4);
    mrc_unsettled_lose(&unsettled, 2);
    mrc_unsettled_begin(&unsettled, the_link, ring);
    mrc_unsettled_lose(&unsettled, 3);
    mrc_unsettled_came(&unsettled, 1, 4);
    ck_assert(mrc_link_is_open(the_link));
    mrc_unsettled_join(&unsettled); /* there is nothing to put back */
    mrc_unsettled_take_newest(&unsettled, 4);
    mrc_unsettled_reached(&unsettled, 4);
    ck_assert(!mrc_link_is_open(the_link));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("unsettled");
    TCase *tcase = tcase_create("unsettled");

    tcase_add_checked_fixture(tcase, setup, NULL);
    tcase_add_test(tcase, the_window_is_open_until_all_that_was_lost_is_back);
    tcase_add_test(tcase, no_window_where_nothing_is_lost);
    tcase_add_test(tcase, an_entry_that_is_put_back_says_where_the_window_begins);
    tcase_add_test(tcase, a_window_may_begin_with_what_comes_next);
    tcase_add_test(tcase, a_window_begins_with_an_update_that_was_on_its_way_to_a_log_that_is_gone);
    tcase_add_test(tcase, what_does_not_come_back_is_waited_for_until_nobody_can_put_it_back);
    tcase_add_test(tcase, another_leader_does_not_know_what_was_waited_for);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
