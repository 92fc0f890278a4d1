#include "hub/lineage/seen.h"
#include "unit.h"

START_TEST(the_highest_counter_is_kept)
{
    struct mrc_seen *seen = mrc_seen_create();

    ck_assert_ptr_nonnull(seen);
    ck_assert_uint_eq(mrc_seen_get(seen, 5), 0);
    ck_assert(mrc_seen_note(seen, 5, 10));
    ck_assert(mrc_seen_note(seen, 5, 9));
    ck_assert_uint_eq(mrc_seen_get(seen, 5), 10);
    ck_assert(mrc_seen_note(seen, 6, 0)); /* makes room for a new writer */
    ck_assert_uint_eq(mrc_seen_get(seen, 6), 0);
    ck_assert(mrc_seen_note(seen, 6, 1));
    ck_assert_uint_eq(mrc_seen_get(seen, 6), 1);
    mrc_seen_free(seen);
}
END_TEST

START_TEST(many_writers_are_kept_apart)
{
    struct mrc_seen *seen = mrc_seen_create();

    for (uint64_t i = 1; i <= 10000; i++)
        ck_assert(mrc_seen_note(seen, i << 32 | 1, i));
    for (uint64_t i = 1; i <= 10000; i++)
        ck_assert_uint_eq(mrc_seen_get(seen, i << 32 | 1), i);
    ck_assert_uint_eq(mrc_seen_get(seen, 1), 0);
    mrc_seen_free(seen);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("seen");
    TCase *tcase = tcase_create("seen");

    tcase_add_test(tcase, the_highest_counter_is_kept);
    tcase_add_test(tcase, many_writers_are_kept_apart);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
