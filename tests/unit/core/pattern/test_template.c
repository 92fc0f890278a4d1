#include "core/pattern/template.h"
#include "unit.h"
#include "vectors.h"

static enum mrc_err compile(const char *text, struct mrc_automaton **ret_template)
{
    struct mrc_error error = {""};
    enum mrc_err err = mrc_template_compile(mrc_bytes_of(text), &error, ret_template);

    ck_assert(err != MRC_EINVAL || *error.text);
    return err;
}

static bool matches(const char *text, const char *topic)
{
    struct mrc_automaton *template = NULL;
    bool result;

    ck_assert_msg(compile(text, &template) == MRC_OK, "%s", text);
    ck_assert_int_eq(mrc_automaton_match(template, mrc_bytes_of(topic), &result), MRC_OK);
    mrc_automaton_free(template);
    return result;
}

static bool is_template(const char *text)
{
    struct mrc_automaton *template = NULL;
    enum mrc_err err = compile(text, &template);

    mrc_automaton_free(template);
    return err == MRC_OK;
}

/* ---- the public examples ----------------------------------------------------------------------*/

/* EXPANSIONS is a string, or a list of valid ones. Returns the number of expansions that match. */
static int match_back(const char *template, const json_t *expansions)
{
    const json_t *expansion;
    size_t i;
    int count = 0;

    if (json_is_string(expansions)) {
        ck_assert_msg(matches(template, json_string_value(expansions)), "%s does not match %s",
                      template, json_string_value(expansions));
        return 1;
    }
    json_array_foreach(expansions, i, expansion) count += match_back(template, expansion);
    return count;
}

static int match_file_back(const char *name)
{
    json_t *root = vectors_load(name), *group, *testcase;
    const char *title;
    int count = 0;
    size_t i;

    json_object_foreach(root, title, group)
    {
        json_array_foreach(json_object_get(group, "testcases"), i, testcase) count +=
            match_back(json_string_value(json_array_get(testcase, 0)), json_array_get(testcase, 1));
    }
    json_decref(root);
    return count;
}

START_TEST(every_expansion_matches_its_template)
{
    ck_assert_int_gt(match_file_back("uritemplate/spec-examples.json"), 64);
    ck_assert_int_gt(match_file_back("uritemplate/spec-examples-by-section.json"), 117);
    ck_assert_int_gt(match_file_back("uritemplate/extended-tests.json"), 53);
}
END_TEST

/* Whether TEMPLATE is valid, and only its expansion with values of the wrong kind fails. */
static bool fails_by_its_values(const char *template)
{
    static const char *const list[] = {"{keys:1}", "{+keys:1}"};

    for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++)
        if (!strcmp(template, list[i]))
            return true;
    return false;
}

START_TEST(refuses_invalid_templates)
{
    json_t *root = vectors_load("uritemplate/negative-tests.json"), *testcase;
    const json_t *group = json_object_get(root, "Failure Tests");
    size_t i;

    json_array_foreach(json_object_get(group, "testcases"), i, testcase)
    {
        const char *text = json_string_value(json_array_get(testcase, 0));

        ck_assert_msg(is_template(text) == fails_by_its_values(text), "%s", text);
    }
    ck_assert_uint_gt(i, 30);
    json_decref(root);
    ck_assert(!is_template("{"));
    ck_assert(!is_template("{}"));
    ck_assert(!is_template("{+}"));
    ck_assert(!is_template("{a,}"));
    ck_assert(!is_template("{a:12345}"));
    ck_assert(!is_template("{a:9999*}"));
    ck_assert(!is_template("a}"));
    ck_assert(!is_template("50%"));
    ck_assert(!is_template("{%4}"));
    ck_assert(!is_template("a b{c}"));
    ck_assert(is_template("{a%20b.c:9999}"));
}
END_TEST

/* ---- matching ---------------------------------------------------------------------------------*/

START_TEST(values_hold_no_slash)
{
    ck_assert(matches("https://example.com/books/{id}", "https://example.com/books/1"));
    ck_assert(matches("https://example.com/books/{id}", "https://example.com/books/a,b%20~_-."));
    ck_assert(!matches("https://example.com/books/{id}", "https://example.com/books/1/2"));
    ck_assert(!matches("https://example.com/books/{id}", "https://example.com/books/1?a"));
    ck_assert(!matches("https://example.com/books/{id}", "https://example.com/books/%2"));
    ck_assert(!matches("https://example.com/books/{id}", "https://example.com/books/%zz"));
    ck_assert(!matches("https://example.com/books/{id}", "https://example.com/books/a=b"));
    ck_assert(!matches("https://example.com/books/{id}", "https://example.com/book/1"));
    ck_assert(!matches("https://example.com/books/{id}", "xhttps://example.com/books/1"));
    ck_assert(!matches("{id}/x", "a/xy"));
}
END_TEST

START_TEST(an_expression_may_be_empty)
{
    ck_assert(matches("/books/{id}", "/books/"));
    ck_assert(matches("/books{/id}", "/books"));
    ck_assert(matches("/books{/id}", "/books/"));
    ck_assert(matches("/books{?q}", "/books"));
    ck_assert(matches("{a}{b}{c}", ""));
    ck_assert(!matches("/books{/id}", "/books1"));
}
END_TEST

START_TEST(only_text_matches_non_ascii)
{
    ck_assert(!matches("/{a}", "/caf\xc3\xa9"));
    ck_assert(matches("/{a}", "/caf%C3%A9"));
    ck_assert(matches("/caf\xc3\xa9/{a}", "/caf\xc3\xa9/1"));
    ck_assert(matches("/caf\xc3\xa9/{a}", "/caf%C3%A9/1"));
    ck_assert(!matches("/caf\xc3\xa9/{a}", "/cafe/1"));
}
END_TEST

START_TEST(reserved_expansion_matches_all_characters)
{
    ck_assert(matches("{+path}", "https://user@example.com:1/a;b?c=d&e#f!$'()*[]"));
    ck_assert(matches("x{#frag}", "x#a/b,c"));
    ck_assert(!matches("x{#frag}", "xa/b,c"));
    ck_assert(!matches("{+path}", "a b"));
    ck_assert(!matches("{+path}", "a|b"));
}
END_TEST

START_TEST(lists_have_a_bounded_number_of_separators)
{
    ck_assert(matches("{/a,b}", "/1/2"));
    ck_assert(!matches("{/a,b}", "/1/2/3"));
    ck_assert(matches("{/a*}", "/1/2/3/4"));
    ck_assert(matches("{/a,b*}", "/1/2/3/4"));
    ck_assert(matches("{?a,b}", "?a=1&b=2"));
    ck_assert(!matches("{?a,b}", "?a=1&b=2&c=3"));
    ck_assert(matches("{?a*}", "?x=1&y=2&z=3"));
    ck_assert(matches("{a,b}", "1,2,3")); /* a value may also hold a comma */
}
END_TEST

START_TEST(names_and_lengths_are_not_compared)
{
    ck_assert(matches("{?q}", "?other=1"));
    ck_assert(matches("{;a}", ";b=1"));
    ck_assert(matches("{a:3}", "longer"));
}
END_TEST

/* `=` separates names from values, so only a list with an explode modifier may hold it. */
START_TEST(equals_signs_need_a_name)
{
    ck_assert(!matches("{a}", "k=v"));
    ck_assert(matches("{a*}", "k=v,k=v"));
    ck_assert(matches("{a,b*}", "1,k=v"));
    ck_assert(!matches("{a,b*}", "k=v"));
    ck_assert(matches("{/a*}", "/k=v"));
}
END_TEST

/* ---- bounds -----------------------------------------------------------------------------------*/

static char *repeat(const char *text, size_t count, const char *end)
{
    struct mrc_buf buf;

    mrc_buf_init(&buf, 64 << 20);
    for (size_t i = 0; i < count; i++)
        mrc_buf_add_str(&buf, text);
    mrc_buf_add_str(&buf, end);
    return mrc_buf_take(&buf, NULL);
}

START_TEST(bounds_the_template)
{
    char *longest = repeat("a", MRC_TEMPLATE_MAX_BYTES, "");
    char *longer = repeat("a", MRC_TEMPLATE_MAX_BYTES, "a");
    struct mrc_automaton *template = NULL;

    ck_assert_int_eq(compile(longest, &template), MRC_OK);
    mrc_automaton_free(template);
    ck_assert_int_eq(compile(longer, &template), MRC_ELIMIT);
    free(longest);
    free(longer);
}
END_TEST

/* The operations of each kind of template fit into the room that is reserved for them. */
START_TEST(the_densest_templates_compile)
{
    static const char *const pieces[] = {"{a}", "{/a*}", "{a,b*}", "{.a,b}", "\xc3\xa9"};
    char *list = repeat("a,", MRC_TEMPLATE_MAX_BYTES / 2 - 3, "a}");
    struct mrc_buf buf;

    for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
        char *text = repeat(pieces[i], 10000, "");

        ck_assert_msg(is_template(text), "%s", pieces[i]);
        free(text);
    }
    mrc_buf_init(&buf, 1 << 20);
    mrc_buf_add_str(&buf, "{/");
    mrc_buf_add_str(&buf, list);
    free(list);
    list = mrc_buf_take(&buf, NULL);
    ck_assert(is_template(list));
    free(list);
}
END_TEST

/* Ten thousand expressions that match the same text: the work stays bounded. */
START_TEST(bounds_the_work)
{
    char *text = repeat("{a}", 10000, "!");
    char *topic = repeat("a", 100000, "");
    struct mrc_automaton *template = NULL;
    bool matches;

    ck_assert_int_eq(compile(text, &template), MRC_OK);
    ck_assert_int_eq(mrc_automaton_match(template, mrc_bytes_of(topic), &matches), MRC_OK);
    ck_assert(!matches);
    mrc_automaton_free(template);
    free(text);
    free(topic);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("template");
    TCase *tcase = tcase_create("template");

    tcase_add_test(tcase, every_expansion_matches_its_template);
    tcase_add_test(tcase, refuses_invalid_templates);
    tcase_add_test(tcase, values_hold_no_slash);
    tcase_add_test(tcase, an_expression_may_be_empty);
    tcase_add_test(tcase, only_text_matches_non_ascii);
    tcase_add_test(tcase, reserved_expansion_matches_all_characters);
    tcase_add_test(tcase, lists_have_a_bounded_number_of_separators);
    tcase_add_test(tcase, names_and_lengths_are_not_compared);
    tcase_add_test(tcase, equals_signs_need_a_name);
    tcase_add_test(tcase, bounds_the_template);
    tcase_add_test(tcase, the_densest_templates_compile);
    tcase_add_test(tcase, bounds_the_work);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
