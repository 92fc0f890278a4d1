#include "httpd/exchange/priority_field.h"

#include <string.h>

#include "unit.h"

static void check(const char *field, unsigned urgency, bool is_incremental)
{
    struct mrc_priority priority = {.urgency = MRC_PRIORITY_URGENCY_DEFAULT};

    mrc_priority_field_parse(field, strlen(field), &priority);
    ck_assert_msg(priority.urgency == urgency, "%s: urgency %u", field, priority.urgency);
    ck_assert_msg(priority.is_incremental == is_incremental, "%s: incremental", field);
}

START_TEST(both_members)
{
    check("u=0", 0, false);
    check("u=7", 7, false);
    check("i", 3, true);
    check("u=1, i", 1, true);
    check("i=?1,u=5", 5, true);
    check("u=2, i=?0", 2, false);
    check(" u=4 ;a=b\t,\ti;q", 4, true);
}
END_TEST

START_TEST(the_last_one_counts)
{
    check("u=1, u=6", 6, false);
    check("i, i=?0", 3, false);
}
END_TEST

START_TEST(others_change_nothing)
{
    check("", 3, false);
    check(",,;,", 3, false);
    check("u", 3, false);
    check("u=", 3, false);
    check("u=8", 3, false);
    check("u=-1", 3, false);
    check("u=10", 3, false);
    check("u=\"1\"", 3, false);
    check("U=1, I", 3, false);
    check("i=1, x=2, ui, iu=1", 3, false);
    check("i=?2", 3, false);
}
END_TEST

START_TEST(the_length_counts)
{
    struct mrc_priority priority = {.urgency = MRC_PRIORITY_URGENCY_DEFAULT};

    mrc_priority_field_parse(NULL, 0, &priority); /* an empty PRIORITY_UPDATE */
    mrc_priority_field_parse("u=1, i", 2, &priority);
    mrc_priority_field_parse("u=1, i", 5, &priority);
    ck_assert_uint_eq(priority.urgency, 1);
    ck_assert(!priority.is_incremental);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("priority_field");
    TCase *tcase = tcase_create("priority_field");

    tcase_add_test(tcase, both_members);
    tcase_add_test(tcase, the_last_one_counts);
    tcase_add_test(tcase, others_change_nothing);
    tcase_add_test(tcase, the_length_counts);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
