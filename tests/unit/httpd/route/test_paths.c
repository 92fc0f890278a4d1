#include "httpd/route/paths.h"

#include "unit.h"

static void assert_skip(const char *path, const char *prefix, const char *want)
{
    const char *rest = mrc_paths_skip(path, prefix);

    if (!want)
        ck_assert_msg(!rest, "%s begins with %s, and %s follows", path, prefix, rest);
    else
        ck_assert_msg(rest && !strcmp(rest, want), "%s after %s: got %s, want %s", path, prefix,
                      rest ? rest : "NULL", want);
}

START_TEST(skips_a_prefix_in_any_encoding)
{
    assert_skip("/hub", "/hub", "");
    assert_skip("/hub/subscriptions/a%2Fb", "/hub", "/subscriptions/a%2Fb");
    assert_skip("/hubs", "/hub", "s");
    assert_skip("/%68%75b?", "/hub", "?");
    assert_skip("/a%20b", "/a b", "");
    assert_skip("/%c3%A9", "/\xc3\xa9", "");
    assert_skip("/hub", "", "/hub");
}
END_TEST

START_TEST(another_path_does_not_begin_with_the_prefix)
{
    assert_skip("", "/hub", NULL);
    assert_skip("/hu", "/hub", NULL);
    assert_skip("/HUB", "/hub", NULL);
    assert_skip("/a b", "/a%20b", NULL);
    assert_skip("/%6", "/h", NULL);
    assert_skip("/%6x", "/h", NULL);
    assert_skip("/%", "/h", NULL);
}
END_TEST

/* Only a real slash separates segments, and no path contains a NUL. */
START_TEST(an_encoded_slash_is_not_a_slash)
{
    assert_skip("/a%2Fb", "/a/b", NULL);
    assert_skip("%2fa", "/a", NULL);
    assert_skip("/a%00", "/a", "%00");
    assert_skip("/a%00b", "/ab", NULL);
}
END_TEST

START_TEST(a_percent_sign_that_encodes_nothing_stands_for_itself)
{
    assert_skip("/100%", "/100%", "");
    assert_skip("/100%25", "/100%", "");
    assert_skip("/1%zz", "/1%zz", "");
}
END_TEST

START_TEST(finds_the_debugger)
{
    ck_assert_str_eq(mrc_paths_skip_debugger("/debug"), "");
    ck_assert_str_eq(mrc_paths_skip_debugger("debug"), ""); /* the hub's path ends with a slash */
    ck_assert_str_eq(mrc_paths_skip_debugger("/debug/page.js"), "/page.js");
    ck_assert_ptr_null(mrc_paths_skip_debugger(""));
    ck_assert_ptr_null(mrc_paths_skip_debugger("/debugger"));
    ck_assert_ptr_null(mrc_paths_skip_debugger("//debug"));
    ck_assert_ptr_null(mrc_paths_skip_debugger("/x/debug"));
}
END_TEST

START_TEST(finds_the_subscriptions)
{
    static const struct {
        const char *rest;
        bool is_subscriptions, has_variables;
    } rows[] = {
        {"/subscriptions", true, false},    {"subscriptions", true, false},
        {"/subscriptions/", true, true},    {"/subscriptions/a", true, true},
        {"/subscriptions/a//", true, true}, {"/subscriptions//a", true, false},
        {"/subscriptionsx", false, false},  {"/subscription", false, false},
        {"//subscriptions", false, false},  {"", false, false},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        ck_assert_msg(mrc_paths_is_subscriptions(rows[i].rest) == rows[i].is_subscriptions,
                      "collection: %s", rows[i].rest);
        ck_assert_msg(mrc_paths_has_variables(rows[i].rest) == rows[i].has_variables,
                      "variables: %s", rows[i].rest);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("paths");
    TCase *tcase = tcase_create("paths");

    tcase_add_test(tcase, skips_a_prefix_in_any_encoding);
    tcase_add_test(tcase, another_path_does_not_begin_with_the_prefix);
    tcase_add_test(tcase, an_encoded_slash_is_not_a_slash);
    tcase_add_test(tcase, a_percent_sign_that_encodes_nothing_stands_for_itself);
    tcase_add_test(tcase, finds_the_debugger);
    tcase_add_test(tcase, finds_the_subscriptions);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
