/* When a hub changes its store, the file takes over what only the ring has. */
#include "history_unit.h"

START_TEST(a_ring_that_was_there_first_is_taken_over)
{
    struct mrc_history *history;
    struct mrc_place place;
    uint64_t seq, pos;

    ck_assert_int_eq(in_child(publish_and_close), 0); /* the file has 20 records */
    make_segment();
    for (unsigned i = 0; i < 3; i++)
        ck_assert_int_eq(mrc_ring_append(mrc_hub_segment_ring(segment),
                                         mrc_bytes_of(apr_psprintf(pool, "ring-%u", i)),
                                         mrc_bytes_of("x"), 1, apr_time_now(), 0, &seq, &pos),
                         APR_SUCCESS);
    history = open_as(0, MRC_HISTORY_SYNC_NONE);
    ck_assert_str_eq(read_after(history, "id-18"), "id-19 ring-0 ring-1 ring-2");
    append_ok(history, "new", 1);
    ck_assert_str_eq(read_after(history, "ring-1"), "ring-2 new");
    mrc_history_head(history, &place);
    ck_assert_uint_eq(place.next, 25);
    mrc_history_close(history);
    history = open_as(1, MRC_HISTORY_SYNC_NONE); /* the next child takes over nothing */
    ck_assert_str_eq(read_after(history, "id-19"), "ring-0 ring-1 ring-2 new");
    mrc_history_close(history);
    /* As if the hub had had its history in memory for one update. */
    ck_assert_int_eq(mrc_ring_append(mrc_hub_segment_ring(segment), mrc_bytes_of("alone"),
                                     mrc_bytes_of("x"), 1, apr_time_now(), 0, &seq, &pos),
                     APR_SUCCESS);
    history = open_as(1, MRC_HISTORY_SYNC_NONE);
    append_ok(history, "again", 1);
    ck_assert_str_eq(read_after(history, "ring-2"), "new alone again");
    mrc_history_close(history);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("bind");
    TCase *tcase = history_tcase(suite);

    tcase_add_test(tcase, a_ring_that_was_there_first_is_taken_over);
    return unit_run(suite);
}
