#include "core/matcher.h"
#include "unit.h"

static struct mrc_matcher *make(enum mrc_matcher_type type, const char *value)
{
    struct mrc_matcher *matcher = NULL;

    ck_assert_int_eq(mrc_matcher_create(type, mrc_bytes_of(value), NULL, NULL, &matcher), MRC_OK);
    return matcher;
}

START_TEST(exact_compares_bytes)
{
    struct mrc_matcher *matcher = make(MRC_MATCHER_EXACT, "https://example.com/a");

    ck_assert(mrc_matcher_matches(matcher, mrc_bytes_of("https://example.com/a")));
    ck_assert(!mrc_matcher_matches(matcher, mrc_bytes_of("https://EXAMPLE.com/a")));
    ck_assert(!mrc_matcher_matches(matcher, mrc_bytes_of("https://example.com/a/")));
    ck_assert(!mrc_matcher_matches(matcher, mrc_bytes_of("")));
    ck_assert_bytes_eq(mrc_matcher_get_value(matcher), "https://example.com/a");
    mrc_matcher_free(matcher);
}
END_TEST

START_TEST(star_is_a_wildcard_of_any_type)
{
    struct mrc_matcher *matcher = make(MRC_MATCHER_URLPATTERN, "*");

    ck_assert(mrc_matcher_matches(matcher, mrc_bytes_of("anything")));
    ck_assert_int_eq(mrc_matcher_get_type(matcher), MRC_MATCHER_URLPATTERN);
    mrc_matcher_free(matcher);
}
END_TEST

START_TEST(types_have_one_spelling)
{
    enum mrc_matcher_type type;

    ck_assert_int_eq(mrc_matcher_type_parse(mrc_bytes_of("exact"), &type), MRC_OK);
    ck_assert_int_eq(type, MRC_MATCHER_EXACT);
    ck_assert_int_eq(mrc_matcher_type_parse(mrc_bytes_of("urlpattern"), &type), MRC_OK);
    ck_assert_int_eq(type, MRC_MATCHER_URLPATTERN);
    ck_assert_int_eq(mrc_matcher_type_parse(mrc_bytes_of("Exact"), &type), MRC_ENOTFOUND);
    ck_assert_int_eq(mrc_matcher_type_parse(mrc_bytes_of(""), &type), MRC_ENOTFOUND);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("matcher");
    TCase *tcase = tcase_create("matcher");

    tcase_add_test(tcase, exact_compares_bytes);
    tcase_add_test(tcase, star_is_a_wildcard_of_any_type);
    tcase_add_test(tcase, types_have_one_spelling);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
