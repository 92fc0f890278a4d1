/*
 * The history in memory.
 */
#include "history_unit.h"

/* Records of a group are stored one by one: the records before one that does not fit stay. */
START_TEST(a_group_ends_at_a_record_that_does_not_fit)
{
    struct mrc_history *history = mrc_history_open_memory(pool, segment, notify);
    struct mrc_ring *ring = mrc_hub_segment_ring(segment);
    struct mrc_ring_record record = {.buf = NULL};
    struct mrc_place place;
    size_t done = 0;

    ck_assert_int_eq(append_three(history, 10, &done), APR_SUCCESS);
    ck_assert_uint_eq(done, 3);
    ck_assert_int_eq(append_three(history, mrc_ring_largest(ring) * 2, &done),
                     MRC_STATUS_TOO_LARGE);
    ck_assert_uint_eq(done, 1);
    ck_assert_int_eq(mrc_history_oldest(history, apr_time_now(), &place), APR_SUCCESS);
    for (const char *id = "ABCA"; *id; id++) {
        ck_assert_int_eq(mrc_ring_read(ring, &place.pos, &record), APR_SUCCESS);
        ck_assert(record.view.id.len == 1 && *record.view.id.ptr == *id);
    }
    ck_assert_int_eq(mrc_ring_read(ring, &place.pos, &record), APR_EOF);
    mrc_ring_record_free(&record);
}
END_TEST

/* Records that belong together are stored together, or not at all. */
START_TEST(a_batch_is_stored_whole_or_not_at_all)
{
    struct mrc_history *history = mrc_history_open_memory(pool, segment, notify);
    struct mrc_ring *ring = mrc_hub_segment_ring(segment);
    size_t largest = (size_t)mrc_ring_largest(ring);
    char *payload = calloc(1, largest);
    struct mrc_record records[4];
    struct mrc_ring_stats stats;

    for (size_t i = 0; i < 4; i++)
        records[i] = (struct mrc_record){
            .id = mrc_bytes_of("A"), .payload = {payload, largest / 2}, .stored_bytes = 1};
    ck_assert_int_eq(mrc_history_append_batch(history, records, 3, apr_time_now()), APR_SUCCESS);
    records[3].payload.len = largest * 2;
    ck_assert_int_eq(mrc_history_append_batch(history, records, 4, apr_time_now()),
                     MRC_STATUS_TOO_LARGE);
    records[2].payload.len = records[3].payload.len = largest;
    ck_assert_int_eq(mrc_history_append_batch(history, records, 4, apr_time_now()),
                     MRC_STATUS_TOO_LARGE);
    mrc_ring_stats(ring, &stats);
    ck_assert_uint_eq(stats.last_seq, 3);
    free(payload);
}
END_TEST

START_TEST(records_are_found_by_number)
{
    struct mrc_history *history = mrc_history_open_memory(pool, segment, notify);
    static const unsigned char key[MRC_HUB_POSITION_KEY_BYTES] = "of the cluster";
    unsigned char again[sizeof(key)];
    struct mrc_place place;

    ck_assert(mrc_history_is_empty(history, apr_time_now()));
    append_ok(history, "a", 10);
    append_ok(history, "b", 10);
    ck_assert(!mrc_history_is_empty(history, apr_time_now()));
    check_numbers(history);
    ck_assert_int_eq(mrc_history_find(history, mrc_bytes_of("a"), apr_time_now(), &place),
                     APR_SUCCESS);
    ck_assert_uint_eq(place.next, 2);
    ck_assert_int_eq(mrc_history_oldest(history, apr_time_now(), &place), APR_SUCCESS);
    ck_assert_uint_eq(place.next, 1);
    ck_assert(mrc_history_get_position_key(history, again));
    ck_assert_mem_eq(again, mrc_hub_segment_position_key(segment), sizeof(key));
    mrc_history_set_position_key(history, key);
    ck_assert(mrc_history_get_position_key(history, again));
    ck_assert_mem_eq(again, key, sizeof(key));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("history_memory");
    TCase *tcase = history_tcase(suite);

    tcase_add_test(tcase, a_group_ends_at_a_record_that_does_not_fit);
    tcase_add_test(tcase, a_batch_is_stored_whole_or_not_at_all);
    tcase_add_test(tcase, records_are_found_by_number);
    return unit_run(suite);
}
