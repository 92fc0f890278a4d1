#include "store/engine/locate.h"
#include "unit.h"

static unsigned slot_of(const char *key)
{
    return mrc_locate_slot(mrc_bytes_of(key));
}

/*
 * The values come from a server's CLUSTER KEYSLOT, except the first, which is in the specification.
 */
START_TEST(slots_are_those_of_the_specification)
{
    ck_assert_uint_eq(slot_of("123456789"), 12739);
    ck_assert_uint_eq(slot_of(""), 0);
    ck_assert_uint_eq(slot_of("foo"), 12182);
    ck_assert_uint_eq(slot_of("\303\251"), slot_of("{\303\251}"));
}
END_TEST

START_TEST(only_the_part_in_braces_counts)
{
    ck_assert_uint_eq(slot_of("{foo}:log"), 12182);
    ck_assert_uint_eq(slot_of("x{foo}{bar}"), 12182);
    ck_assert_uint_ne(slot_of("{}foo"), slot_of("foo"));
    ck_assert_uint_ne(slot_of("{foo"), slot_of("foo"));
    ck_assert_uint_eq(slot_of("{{bar}}zap"), slot_of("{bar"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("locate");
    TCase *tcase = tcase_create("locate");

    tcase_add_test(tcase, slots_are_those_of_the_specification);
    tcase_add_test(tcase, only_the_part_in_braces_counts);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
