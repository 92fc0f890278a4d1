/*
 * The durable history: records are found after reopening, the bounds are exact, and readers that
 * the ring has overtaken continue from the file.
 */
#include "history_unit.h"
#include "store/history/check.h"

START_TEST(records_are_found_after_a_restart)
{
    struct mrc_history *history = open_as(0, MRC_HISTORY_SYNC_GROUP);
    struct mrc_ring_record newest = {.buf = NULL};
    struct mrc_place place;
    uint64_t records, bytes;

    ck_assert_str_eq(read_all(history), "");
    ck_assert_int_eq(mrc_history_newest(history, &newest, &place), APR_NOTFOUND);
    append_ok(history, "a", 10);
    append_ok(history, "b", 100000); /* too large for a slot */
    append_ok(history, "c", 0);
    append_ok(history, "b", 20);
    ck_assert_str_eq(read_all(history), "a b c b");
    ck_assert_str_eq(read_after(history, "a"), "b c b");
    ck_assert_str_eq(read_after(history, "b"), "c b"); /* the earliest record with an id counts */
    ck_assert_int_eq(mrc_history_find(history, mrc_bytes_of("x"), apr_time_now(), &place),
                     APR_NOTFOUND);
    mrc_history_close(history);

    make_segment();
    history = open_as(1, MRC_HISTORY_SYNC_FULL);
    ck_assert_str_eq(read_all(history), "a b c b");
    ck_assert_int_eq(mrc_history_newest(history, &newest, &place), APR_SUCCESS);
    ck_assert_bytes_eq(newest.view.id, "b");
    append_ok(history, "d", 10);
    ck_assert_str_eq(read_from(history, place), "d");
    ck_assert_str_eq(read_after(history, "c"), "b d");
    ck_assert_int_eq(mrc_history_count(history, apr_time_now(), &records, &bytes), APR_SUCCESS);
    ck_assert_uint_eq(records, 5);
    ck_assert_uint_eq(bytes, 100040);
    mrc_ring_record_free(&newest);
    mrc_history_close(history);
    ck_assert_int_eq(mrc_history_check(pool, history_dir, NULL), APR_SUCCESS);
}
END_TEST

START_TEST(records_are_found_by_number)
{
    struct mrc_history *history = open_as(0, MRC_HISTORY_SYNC_GROUP);
    unsigned char key[MRC_HUB_POSITION_KEY_BYTES], again[MRC_HUB_POSITION_KEY_BYTES];

    ck_assert(mrc_history_is_empty(history, apr_time_now()));
    ck_assert_str_eq(read_since(history, 1, apr_time_now()), "?");
    append_ok(history, "a", 10);
    append_ok(history, "b", 10);
    ck_assert(!mrc_history_is_empty(history, apr_time_now()));
    check_numbers(history);
    ck_assert(mrc_history_get_position_key(history, key));
    ck_assert_int_ne(memcmp(key, mrc_hub_segment_position_key(segment), sizeof(key)), 0);
    mrc_history_close(history);

    make_segment();
    history = open_as(1, MRC_HISTORY_SYNC_GROUP);
    check_numbers(history);
    ck_assert(mrc_history_get_position_key(history, again));
    ck_assert_mem_eq(again, key, sizeof(key));
    mrc_history_close(history);
}
END_TEST

START_TEST(too_large_is_refused)
{
    struct mrc_history *history = open_as(0, MRC_HISTORY_SYNC_NONE);
    size_t largest = mrc_ring_largest(mrc_hub_segment_ring(segment));

    ck_assert_int_eq(append(history, "a", largest - 1), APR_SUCCESS);
    ck_assert_int_ne(append(history, "a", largest), APR_SUCCESS);
    ck_assert_int_eq(append(history, "a", MRC_STAGING_DATA_BYTES - 1), APR_SUCCESS);
    ck_assert_int_eq(append(history, "a", MRC_STAGING_DATA_BYTES), APR_SUCCESS);
    mrc_history_close(history);
}
END_TEST

START_TEST(a_group_is_one_commit)
{
    struct mrc_staging *staging = mrc_hub_segment_staging(segment);
    size_t largest = mrc_ring_largest(mrc_hub_segment_ring(segment));

    for (int sync = MRC_HISTORY_SYNC_GROUP; sync <= MRC_HISTORY_SYNC_NONE; sync++) {
        struct mrc_history *history = open_as(0, (enum mrc_history_sync)sync);
        uint64_t before = mrc_staging_commits(staging);
        size_t done = 0;

        append_ok(history, apr_psprintf(pool, "%d", sync), 1);
        ck_assert_int_eq(append_three(history, largest - 1, &done), APR_SUCCESS);
        ck_assert_uint_eq(done, 3);
        ck_assert_uint_eq(mrc_staging_commits(staging), before + 2);
        ck_assert_int_eq(append_three(history, largest, &done), MRC_STATUS_TOO_LARGE);
        ck_assert_uint_eq(done, 0);
        ck_assert_uint_eq(mrc_staging_commits(staging), before + 2);
        ck_assert_str_eq(read_after(history, apr_psprintf(pool, "%d", sync)), "A B C");
        mrc_history_close(history);
    }
    ck_assert_int_eq(mrc_history_check(pool, history_dir, NULL), APR_SUCCESS);
}
END_TEST

START_TEST(bounds_are_exact)
{
    struct mrc_history *history = open_as(0, MRC_HISTORY_SYNC_NONE);
    struct mrc_place place;

    append_many(history, 0, 10, 100);
    set_bounds(3, 0, 0);
    ck_assert_str_eq(read_all(history),
                     "id-7 id-8 id-9"); /* at once, before the next update is published */
    ck_assert_int_eq(mrc_history_find(history, mrc_bytes_of("id-6"), apr_time_now(), &place),
                     APR_NOTFOUND);
    append_ok(history, "id-10", 100);
    ck_assert_str_eq(read_all(history), "id-8 id-9 id-10");
    set_bounds(0, 250, 0);
    ck_assert_str_eq(read_all(history), "id-9 id-10");
    append_many(history, 11, 13, 100);
    ck_assert_str_eq(read_all(history), "id-11 id-12");
    set_bounds(0, 0, 1);
    ck_assert_str_eq(read_all(history), "");
    append_ok(history, "id-13", 1);
    set_bounds(1, 0, 0);
    append_many(history, 14, 100, 1);
    set_bounds(0, 0, 3600 * UINT64_C(1000000));
    ck_assert_uint_le(times(read_all(history), "id-"), 66); /* most has been removed */
    mrc_history_close(history);
    mrc_history_close(history);
}
END_TEST

START_TEST(a_reader_that_falls_behind_goes_on_from_the_file)
{
    struct mrc_history *history = open_as(0, MRC_HISTORY_SYNC_NONE);
    struct mrc_ring_record record = {.buf = NULL};
    struct mrc_place place;
    char *all;

    append_ok(history, "first", 10);
    mrc_history_head(history, &place);
    append_many(history, 0, 100, 60000); /* far more than the ring holds */
    ck_assert_int_eq(mrc_ring_read(mrc_history_ring(history), &place.pos, &record),
                     MRC_STATUS_OVERRUN);
    ck_assert_int_eq(mrc_history_resume(history, &place), APR_SUCCESS);
    all = read_from(history, place);
    ck_assert(strncmp(all, "id-0 id-1 id-2 ", 15) == 0);
    ck_assert_str_eq(all + strlen(all) - 11, "id-98 id-99");
    /* A replay that has begun continues although the bounds now exclude its next record. */
    mrc_history_head(history, &place);
    set_bounds(2, 0, 0);
    append_many(history, 100, 130, 60000);
    ck_assert_int_eq(mrc_history_resume(history, &place), APR_SUCCESS);
    ck_assert_uint_eq(times(read_from(history, place), "id-"), 30);
    append_many(history, 130, 200, 60000);
    ck_assert_int_eq(mrc_history_resume(history, &place), APR_SUCCESS);
    ck_assert_int_eq(mrc_history_read(history, &place, 10, &(struct mrc_history_slice){.at = 0}),
                     MRC_STATUS_OVERRUN); /* removed by now */
    mrc_history_close(history);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("lmdb");
    TCase *tcase = history_tcase(suite);

    tcase_add_test(tcase, records_are_found_after_a_restart);
    tcase_add_test(tcase, records_are_found_by_number);
    tcase_add_test(tcase, too_large_is_refused);
    tcase_add_test(tcase, a_group_is_one_commit);
    tcase_add_test(tcase, bounds_are_exact);
    tcase_add_test(tcase, a_reader_that_falls_behind_goes_on_from_the_file);
    return unit_run(suite);
}
