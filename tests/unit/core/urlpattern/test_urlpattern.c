#include "unit.h"
#include "urlpattern_explain.h"
#include "vectors.h"

#include "mrc_config.h"

#include <stdlib.h>

#define MAX_GROUPS 20

static const char *const component_names[MRC_URLPATTERN_COMPONENTS] = {
    "protocol", "username", "password", "hostname", "port", "pathname", "search", "hash",
};

/* ---- the vectors, read as their own runner does -----------------------------------------------*/

/* For each component, the components that keep it from being inherited if they are given. */
static const unsigned earlier_components[MRC_URLPATTERN_COMPONENTS] = {
    [MRC_URLPATTERN_HOSTNAME] = 1 << MRC_URLPATTERN_PROTOCOL,
    [MRC_URLPATTERN_PORT] = 1 << MRC_URLPATTERN_PROTOCOL | 1 << MRC_URLPATTERN_HOSTNAME,
    [MRC_URLPATTERN_PATHNAME] =
        1 << MRC_URLPATTERN_PROTOCOL | 1 << MRC_URLPATTERN_HOSTNAME | 1 << MRC_URLPATTERN_PORT,
    [MRC_URLPATTERN_SEARCH] = 1 << MRC_URLPATTERN_PROTOCOL | 1 << MRC_URLPATTERN_HOSTNAME |
                              1 << MRC_URLPATTERN_PORT | 1 << MRC_URLPATTERN_PATHNAME,
    [MRC_URLPATTERN_HASH] = 1 << MRC_URLPATTERN_PROTOCOL | 1 << MRC_URLPATTERN_HOSTNAME |
                            1 << MRC_URLPATTERN_PORT | 1 << MRC_URLPATTERN_PATHNAME |
                            1 << MRC_URLPATTERN_SEARCH,
};

/* The reason to skip a case, or NULL. */
static const char *reason_to_skip(const json_t *entry)
{
    const json_t *args = json_object_get(entry, "pattern");

    for (size_t i = 1; i < json_array_size(args); i++)
        if (json_is_object(json_array_get(args, i)))
            return "options: case is never ignored in a hub";
    return NULL;
}

static struct mrc_urlpattern_init read_init(const json_t *object)
{
    struct mrc_urlpattern_init init = {.base_url = vectors_member(object, "baseURL")};

    for (int i = 0; i < MRC_URLPATTERN_COMPONENTS; i++)
        init.components[i] = vectors_member(object, component_names[i]);
    return init;
}

/* The arguments of the constructor (a string and perhaps a base, or a dictionary), for both
 * engines. */
static enum mrc_err compile_args(const json_t *args, struct explained **ret_explained,
                                 struct mrc_urlpattern **ret_routed)
{
    const json_t *first = json_array_get(args, 0);
    struct mrc_bytes base = vectors_bytes(json_array_get(args, 1));
    struct mrc_urlpattern_init init = read_init(first);
    enum mrc_err err;

    if (!json_is_string(first) && base.ptr)
        return MRC_EINVAL;
    err = json_is_string(first) ? explain_compile(vectors_bytes(first), base, NULL, ret_explained)
                                : explain_compile_init(&init, NULL, ret_explained);
    ck_assert_int_eq(err, json_is_string(first)
                              ? mrc_urlpattern_compile(vectors_bytes(first), base, NULL, ret_routed)
                              : mrc_urlpattern_compile_init(&init, NULL, ret_routed));
    return err;
}

/* The subject of a match: a string and perhaps a base, or a dictionary. */
struct input {
    struct mrc_url *parsed; /* of a string */
    struct explain_subject subject;
    const struct mrc_url *url;
};

/* RET_INPUT is all zero at first. The caller clears it, even on failure. */
static enum mrc_err read_input(const json_t *args, struct input *ret_input)
{
    const json_t *first = json_array_get(args, 0);
    struct mrc_bytes base_text = vectors_bytes(json_array_get(args, 1));
    struct mrc_urlpattern_init init = read_init(first);
    struct mrc_url *base = NULL;
    enum mrc_err err;

    ret_input->url = &ret_input->subject.url;
    if (!json_is_string(first))
        return explain_read_subject(&init, &ret_input->subject);
    err = base_text.ptr ? mrc_url_parse(base_text, NULL, NULL, &base) : MRC_OK;
    if (!err)
        err = mrc_url_parse(vectors_bytes(first), base, NULL, &ret_input->parsed);
    ret_input->url = ret_input->parsed;
    mrc_url_free(base);
    return err;
}

static void clear_input(struct input *input)
{
    mrc_url_free(input->parsed);
    explain_subject_clear(&input->subject);
}

static bool lists(const json_t *array, const char *name)
{
    size_t i;
    json_t *entry;

    json_array_foreach(array, i, entry)
    {
        if (mrc_bytes_eq_str(vectors_bytes(entry), name))
            return true;
    }
    return false;
}

/* The expected pattern string of COMPONENT, if the vectors leave it out. BASE may be NULL. */
static struct mrc_bytes want_string(const json_t *entry, int component, const struct mrc_url *base)
{
    const char *name = component_names[component];
    const json_t *first = json_array_get(json_object_get(entry, "pattern"), 0);
    struct mrc_bytes given = vectors_member(json_object_get(entry, "expected_obj"), name);
    struct mrc_bytes inherited[MRC_URLPATTERN_COMPONENTS];

    if (given.ptr)
        return given;
    if (lists(json_object_get(entry, "exactly_empty_components"), name))
        return mrc_bytes_of("");
    given = vectors_member(first, name);
    if (given.len)
        return given;
    for (int i = 0; i < MRC_URLPATTERN_COMPONENTS; i++)
        if ((earlier_components[component] >> i & 1) && json_object_get(first, component_names[i]))
            return mrc_bytes_of("*");
    if (base && component != MRC_URLPATTERN_USERNAME && component != MRC_URLPATTERN_PASSWORD) {
        mrc_urlpattern_get_components(base, inherited);
        return inherited[component];
    }
    return mrc_bytes_of("*");
}

static void check_strings(const json_t *entry, const struct explained *explained, const char *what)
{
    const json_t *args = json_object_get(entry, "pattern");
    struct mrc_bytes base_text = vectors_member(json_array_get(args, 0), "baseURL");
    struct mrc_url *base = NULL;

    if (!base_text.ptr)
        base_text = vectors_bytes(json_array_get(args, 1));
    if (base_text.ptr)
        mrc_url_parse(base_text, NULL, NULL, &base);
    for (int i = 0; i < MRC_URLPATTERN_COMPONENTS; i++) {
        struct mrc_bytes got = explain_string(explained, i);
        struct mrc_bytes want = want_string(entry, i, base);

        ck_assert_msg(mrc_bytes_eq(got, want), "%s: %s is %.*s, not %.*s", what, component_names[i],
                      (int)got.len, got.ptr, (int)want.len, want.ptr);
    }
    mrc_url_free(base);
}

/* Checks the name of each group of a component, and the text that it has caught. */
static void check_groups(const json_t *entry, const struct explained *explained, int component,
                         struct mrc_bytes subject, const char *what)
{
    const char *name = component_names[component];
    const json_t *want = json_object_get(json_object_get(entry, "expected_match"), name);
    bool is_empty = lists(json_object_get(entry, "exactly_empty_components"), name);
    const json_t *groups = json_object_get(want, "groups");
    struct mrc_bytes caught[MAX_GROUPS];
    size_t count = explain_count_groups(explained, component);

    ck_assert_msg(mrc_bytes_eq(subject, want ? vectors_member(want, "input") : mrc_bytes_of("")),
                  "%s: %s is %.*s", what, name, (int)subject.len, subject.ptr);
    ck_assert_uint_le(count, MAX_GROUPS);
    ck_assert_uint_eq(count, want ? json_object_size(groups) : !is_empty);
    ck_assert(explain_exec(explained, component, subject, caught));
    for (size_t i = 0; i < count; i++) {
        struct mrc_bytes group = explain_group_name(explained, component, i);
        char key[100];
        struct mrc_bytes value;

        snprintf(key, sizeof(key), "%.*s", (int)group.len, group.ptr);
        value = want ? vectors_member(groups, key) : mrc_bytes_of("");
        ck_assert_msg(!want || json_object_get(groups, key), "%s: no group %s", what, key);
        ck_assert_msg(mrc_bytes_eq(value, caught[i]) && !value.ptr == !caught[i].ptr,
                      "%s: %s caught %.*s, not %.*s", what, key, (int)caught[i].len, caught[i].ptr,
                      (int)value.len, value.ptr);
    }
}

static void check_match(const json_t *entry, const struct explained *explained,
                        const struct mrc_urlpattern *routed, const char *what)
{
    const json_t *want = json_object_get(entry, "expected_match");
    const json_t *inputs = json_object_get(entry, "inputs");
    struct mrc_bytes subjects[MRC_URLPATTERN_COMPONENTS];
    struct input input = {.parsed = NULL};
    bool matches;

    if (mrc_bytes_eq_str(vectors_bytes(want), "error")) {
        ck_assert(json_is_object(json_array_get(inputs, 0)) && json_array_size(inputs) > 1);
        return; /* a dictionary with a separate base, which the interface does not have */
    }
    if (read_input(inputs, &input) != MRC_OK) {
        ck_assert_msg(!json_is_object(want), "%s: the input is refused", what);
    } else {
        matches = explain_matches(explained, input.url);
        ck_assert_msg(matches == json_is_object(want), "%s: matches %d", what, matches);
        matches = explain_routes(routed, input.url);
        ck_assert_msg(matches == json_is_object(want), "%s: routes %d", what, matches);
        mrc_urlpattern_get_components(input.url, subjects);
        for (int i = 0; i < MRC_URLPATTERN_COMPONENTS && matches; i++)
            check_groups(entry, explained, i, subjects[i], what);
    }
    clear_input(&input);
}

static void run_case(const json_t *entry, const char *what)
{
    const json_t *args = json_object_get(entry, "pattern");
    bool must_fail = mrc_bytes_eq_str(vectors_member(entry, "expected_obj"), "error");
    struct mrc_urlpattern *routed = NULL;
    struct explained *explained = NULL;
    enum mrc_err err = compile_args(args, &explained, &routed);

#ifndef HAVE_ICU
    if (err == MRC_EUNSUPPORTED) {
        printf("# skipped: %s: names beyond ASCII need ICU\n", what);
        return;
    }
#endif
    ck_assert_msg(!err == !must_fail, "%s: compiles: %s", what, mrc_strerror(err));
    if (!err) {
        check_strings(entry, explained, what);
        if (json_object_get(entry, "inputs"))
            check_match(entry, explained, routed, what);
    }
    explain_free(explained);
    mrc_urlpattern_free(routed);
}

/* One test for each case, so that one failure does not hide others. */
START_TEST(passes_the_vectors)
{
    json_t *root = vectors_load("urlpattern/urlpatterntestdata.json");
    const json_t *entry = json_array_get(root, (size_t)_i);
    const char *reason = reason_to_skip(entry);
    char *what = json_dumps(json_object_get(entry, "pattern"), JSON_COMPACT);

    if (reason)
        printf("# skipped: %s: %s\n", what, reason);
    else
        run_case(entry, what);
    free(what);
    json_decref(root);
}
END_TEST

/* ---- beyond the vectors -----------------------------------------------------------------------*/

#define HUB "https://hub.example.com/.well-known/mercure"

static struct mrc_urlpattern *compile(const char *text)
{
    struct mrc_urlpattern *pattern = NULL;
    struct mrc_error error = {""};
    enum mrc_err err =
        mrc_urlpattern_compile(mrc_bytes_of(text), mrc_bytes_of(HUB), &error, &pattern);

    ck_assert_msg(err == MRC_OK, "%.100s: %s", text, error.text);
    return pattern;
}

/* TOPIC as a URL, relative to the hub. */
static struct mrc_url *parse(const char *topic)
{
    struct mrc_url *base = NULL, *url = NULL;

    ck_assert_int_eq(mrc_url_parse(mrc_bytes_of(HUB), NULL, NULL, &base), MRC_OK);
    ck_assert_int_eq(mrc_url_parse(mrc_bytes_of(topic), base, NULL, &url), MRC_OK);
    mrc_url_free(base);
    return url;
}

/* Whether TEXT matches TOPIC, both relative to the hub. */
static bool routes(const char *text, const char *topic)
{
    struct mrc_urlpattern *pattern = compile(text);
    struct mrc_url *url = parse(topic);
    bool result = explain_routes(pattern, url);

    mrc_url_free(url);
    mrc_urlpattern_free(pattern);
    return result;
}

/* Whether TEXT matches TOPIC, as routes() says; the second engine must agree. */
static bool matches(const char *text, const char *topic)
{
    struct explained *explained = NULL;
    struct mrc_url *url = parse(topic);
    bool result = routes(text, topic);

    ck_assert_int_eq(explain_compile(mrc_bytes_of(text), mrc_bytes_of(HUB), NULL, &explained),
                     MRC_OK);
    ck_assert_int_eq(result, explain_matches(explained, url));
    mrc_url_free(url);
    explain_free(explained);
    return result;
}

/* The reason for which TEXT is refused. */
static const char *refusal_of(const char *text, enum mrc_err want)
{
    static struct mrc_error error;
    struct mrc_urlpattern *pattern = NULL;
    enum mrc_err err;

    error.text[0] = '\0';
    err = mrc_urlpattern_compile(mrc_bytes_of(text), mrc_bytes_of(HUB), &error, &pattern);
    ck_assert_msg(err == want, "%.100s: %d, %s", text, err, error.text);
    ck_assert_ptr_null(pattern);
    return error.text;
}

START_TEST(routes_topics)
{
    ck_assert(matches("https://example.com/books/:id", "https://example.com/books/1"));
    ck_assert(!matches("https://example.com/books/:id", "https://example.com/books/1/2"));
    ck_assert(!matches("https://example.com/books/:id", "https://example.com/books/"));
    ck_assert(!matches("https://example.com/books/:id", "http://example.com/books/1"));
    ck_assert(!matches("https://example.com/books/:id", "https://example.com:444/books/1"));
    ck_assert(matches("https://example.com/books/:id", "https://example.com/books/1?a#b"));
    ck_assert(matches("https://example.com/books/*/x", "https://example.com/books/1/2/x"));
    ck_assert(matches("/books/:id", "/books/1"));
    ck_assert(matches("/books/:id", "https://hub.example.com/books/1"));
    ck_assert(!matches("/books/:id", "https://example.com/books/1"));
    ck_assert(matches("/.well-known/mercure/subscriptions/exact/:topic/:subscriber",
                      "/.well-known/mercure/subscriptions/exact/a%2Fb/urn%3Auuid%3A1"));
    ck_assert(matches("{*.}?example.com/x", ".well-known/example.com/x") == false);
    ck_assert(matches("https://{*.}?example.com/x", "https://a.b.example.com/x"));
    ck_assert(matches("https://{*.}?example.com/x", "https://example.com/x"));
    ck_assert(!matches("https://{*.}?example.com/x", "https://aexample.com/x"));
    ck_assert(matches("*://*/*", "https://example.com/"));
    ck_assert(matches("foo://*/x", "foo://bar/x"));
}
END_TEST

START_TEST(repeats_and_skips)
{
    ck_assert(matches("/a{b*}?*", "/ac"));
    ck_assert(matches("/a{b*}?*c", "/ac"));
    ck_assert(matches("/a*{*b}+c", "/axbxbc"));
    ck_assert(!matches("/a*{*b}+c", "/axbxc"));
    ck_assert(matches("/a{b}*b", "/abbb"));
    ck_assert(!matches("/a{b}+b", "/ab"));
    ck_assert(matches("/a{b}+b", "/abb"));
    ck_assert(matches("/x/:a+/y", "/x/1/2/3/y"));
    ck_assert(!matches("/x/:a+/y", "/x/1//3/y"));
    ck_assert(!matches("/x/:a+/y", "/x/y"));
    ck_assert(matches("/x/:a*/y", "/x/y"));
    ck_assert(matches("/:a-:b.:c", "/1-2-3.4.5"));
    ck_assert(!matches("/:a-:b.:c", "/1-2.3/4"));
    ck_assert(matches("/{:a,}*:z", "/1,2,3"));
    ck_assert(matches("/{aab}*{aa}?b", "/aabaaaabaab") == false);
    ck_assert(matches("/{aab}*{aa}?b", "/aabaabaab"));
    ck_assert(matches("/*{,}?*{;}?*", "/"));
    ck_assert(matches("/a(\\d){:x}*", "/a1"));
    ck_assert(matches("/a(\\d){:x}*", "/a1b"));
    ck_assert(!matches("/a(\\d){:x}+", "/a1"));
    ck_assert(matches("/a(\\d)/*?", "/a1"));
}
END_TEST

START_TEST(names_what_is_not_supported)
{
    static const struct {
        const char *pattern, *reason;
    } cases[] = {
        {"/(a\\2)",
         "not a supported regular expression: a backreference to a group that does not exist"},
        {"/(a)(\\10)",
         "not a supported regular expression: a backreference to a group that does not exist"},
        {"/(a\\k<n>)",
         "not a supported regular expression: a backreference to a group that does not exist"},
        {"/(a\\k<n)", "not a supported regular expression: the name of a group is not closed"},
        {"/((?:(?<n>a))*\\k<n>)",
         "not a supported regular expression: a backreference to a group that is repeated"},
        {"/((?<n>a){2}\\k<n>)",
         "not a supported regular expression: a backreference to a group that is repeated"},
        {"/((?:(?:(?<n>a)|b){1,2}c)?\\k<n>)",
         "not a supported regular expression: a backreference to a group that is repeated"},
        {"/(a)*(\\1)",
         "not a supported regular expression: a backreference to a group that is repeated"},
        {"/:x+(\\1)",
         "not a supported regular expression: a backreference to a group that is repeated"},
        {"/((?:(?<n>a)|(?<n>b))\\k<n>)",
         "not a supported regular expression: a backreference to a name that several groups have"},
        {"/(a)((?<=\\1)b)", "not a supported regular expression: a lookbehind of which an "
                            "alternative has no fixed length"},
        {"/((?R)a)",
         "not a supported regular expression: a group of a kind that ECMAScript does not have"},
        {"/((?1)a)",
         "not a supported regular expression: a group of a kind that ECMAScript does not have"},
        {"/((?&n)a)",
         "not a supported regular expression: a group of a kind that ECMAScript does not have"},
        {"/((?(1)a|b))", "not a URL Pattern: a capturing group inside a group (byte 4)"},
        {"/((?C)a)",
         "not a supported regular expression: a group of a kind that ECMAScript does not have"},
        {"/((?P<n>a))",
         "not a supported regular expression: a group of a kind that ECMAScript does not have"},
        {"/((?>a))",
         "not a supported regular expression: a group of a kind that ECMAScript does not have"},
        {"/((?|a))",
         "not a supported regular expression: a group of a kind that ECMAScript does not have"},
        {"/((?#a))",
         "not a supported regular expression: a group of a kind that ECMAScript does not have"},
        {"/(a\\Kb)",
         "not a supported regular expression: an escape that ECMAScript does not have (\\K)"},
        {"/(\\C)",
         "not a supported regular expression: an escape that ECMAScript does not have (\\C)"},
        {"/(\\Qa\\E)",
         "not a supported regular expression: an escape that ECMAScript does not have (\\Q)"},
        {"/(\\Aa\\z)",
         "not a supported regular expression: an escape that ECMAScript does not have (\\A)"},
        {"/(\\g1)",
         "not a supported regular expression: an escape that ECMAScript does not have (\\g)"},
        {"/(\\R)",
         "not a supported regular expression: an escape that ECMAScript does not have (\\R)"},
        {"/(\\01)",
         "not a supported regular expression: an escape that ECMAScript does not have (\\0)"},
        {"/(\\-)",
         "not a supported regular expression: an escape that ECMAScript does not have (\\-)"},
        {"/((?ii:a))",
         "not a supported regular expression: a group of a kind that ECMAScript does not have"},
        {"/((?i-i:a))",
         "not a supported regular expression: a group of a kind that ECMAScript does not have"},
        {"/((?-:a))",
         "not a supported regular expression: a group of a kind that ECMAScript does not have"},
        {"/((?x:a))",
         "not a supported regular expression: a group of a kind that ECMAScript does not have"},
        {"/((?i)a)",
         "not a supported regular expression: a group of a kind that ECMAScript does not have"},
        {"/((?i-m-s:a))",
         "not a supported regular expression: a group of a kind that ECMAScript does not have"},
        {"/((?=a)*b)", "not a supported regular expression: a quantifier with nothing to repeat"},
        {"/((?<=a)?b)", "not a supported regular expression: a quantifier with nothing to repeat"},
        {"/((?<=a+)b)", "not a supported regular expression: a lookbehind of which an alternative "
                        "has no fixed length"},
        {"/((?<=a{1,3})b)", "not a supported regular expression: a lookbehind of which an "
                            "alternative has no fixed length"},
        {"/((?<!(?:ab|c))b)", "not a supported regular expression: a lookbehind of which an "
                              "alternative has no fixed length"},
        {"/((?<>a))", "not a supported regular expression: the name of a group is empty"},
        {"/((?<n)a)",
         "not a supported regular expression: the name of a group is not an identifier"},
        {"/((?<1>a))",
         "not a supported regular expression: the name of a group is not an identifier"},
        {"/((?<\\ud800>a))",
         "not a supported regular expression: the name of a group is not an identifier"},
        {"/((?<n>a)(?<n>b))",
         "not a supported regular expression: two groups inside groups have the same name"},
        {"/((?<n>a(?<n>b)))",
         "not a supported regular expression: two groups inside groups have the same name"},
        {"/((?<n>a))/((?<\\u006e>b))",
         "not a supported regular expression: two groups inside groups have the same name"},
        {"/((?<n>a))+", "not a supported regular expression: a named group inside a group that is "
                        "repeated with its prefix or"},
        {"/(\\k)", "not a supported regular expression: a backreference without a name"},
        {"/(\\p)", "not a supported regular expression: a Unicode property that ECMAScript does "
                   "not have (\\p)"},
        {"/(\\pL)", "not a supported regular expression: a Unicode property that ECMAScript does "
                    "not have (\\p)"},
        {"/(\\p{l})", "not a supported regular expression: a Unicode property that ECMAScript does "
                      "not have (\\p)"},
        {"/(\\p{Latin})", "not a supported regular expression: a Unicode property that ECMAScript "
                          "does not have (\\p)"},
        {"/(\\p{Script=L})", "not a supported regular expression: a Unicode property that "
                             "ECMAScript does not have (\\p)"},
        {"/(\\p{Alpha=L})", "not a supported regular expression: a Unicode property that "
                            "ECMAScript does not have (\\p)"},
        {"/(\\p{^L})", "not a supported regular expression: a Unicode property that ECMAScript "
                       "does not have (\\p)"},
        {"/(\\P{RGI_Emoji})",
         "not a supported regular expression: a negated property of strings (\\P)"},
        {"/([^\\p{RGI_Emoji}])",
         "not a supported regular expression: a negated class holds strings"},
        {"/([^\\q{ab}])", "not a supported regular expression: a negated class holds strings"},
        {"/([^[[\\q{ab}c]--\\q{ab}]])",
         "not a supported regular expression: a negated class holds strings"},
        {"/([^\\q{}])", "not a supported regular expression: a negated class holds strings"},
        {"/([\\q{a/}])",
         "not a supported regular expression: a character in a class needs a backslash"},
        {"/([\\q{\\d}])", "not a supported regular expression: a class holds an unknown escape"},
        {"/([\\qa])", "not a supported regular expression: a class holds an unknown escape"},
        {"/([\\q{a)", "not a supported regular expression: a class is not closed"},
        {"/([a&&b--c])", "not a supported regular expression: a class mixes operations"},
        {"/([ab&&c])", "not a supported regular expression: a class mixes operations"},
        {"/([a-])", "not a supported regular expression: a character in a class needs a backslash"},
        {"/([b-a])", "not a supported regular expression: a range in a class is out of order"},
        {"/([a!!b])",
         "not a supported regular expression: a class holds a reserved pair of characters"},
        {"/([:alpha:])", NULL},
        {"/([[:alpha:]])", NULL},
        {"/(a**)", "not a supported regular expression: a quantifier with nothing to repeat"},
        {"/(a++)", "not a supported regular expression: a quantifier with nothing to repeat"},
        {"/(^*a)", "not a supported regular expression: a quantifier with nothing to repeat"},
        {"/(a{,2})", "not a supported regular expression: a brace that is not a quantifier"},
        {"/(a{2,1})",
         "not a supported regular expression: the bounds of a quantifier are out of order"},
        {"/(a{b})", "not a supported regular expression: a brace that is not a quantifier"},
        {"/(a]b)", "not a supported regular expression: a bracket or brace needs a backslash"},
        {"/(a}b)", "not a supported regular expression: a bracket or brace needs a backslash"},
        {"/([a)", "not a supported regular expression: a class is not closed"},
        {"/(\xc3\xa9)", "not a URL Pattern: a group is not ASCII (byte 2)"},
        {"/((a))", "not a URL Pattern: a capturing group inside a group (byte 2)"},
        {"/(?:a)", "not a URL Pattern: a group begins with ?"},
        {"/()", "not a URL Pattern: a group is empty (byte 1)"},
        {"/(a", "not a URL Pattern: a group is not closed (byte 1)"},
        {"/a\\", "not a URL Pattern: a backslash at the end (byte 2)"},
        {"/{a", "not a URL Pattern: braces are not closed, or hold more than one group"},
        {"/{{a}}", "not a URL Pattern: braces are not closed, or hold more than one group"},
        {"/a}", "not a URL Pattern: a modifier or brace is in the wrong place"},
        {"/:a/:a", "not a URL Pattern: two groups are named \"a\""},
        {"/{:}", "not a URL Pattern: a colon without a name (byte 2)"},
        {"/:a.b/../c", "dot segments in the path lead out of the text between two groups"},
        {"/\xff", "the pattern is not valid UTF-8"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (cases[i].reason) {
            const char *got = refusal_of(cases[i].pattern, MRC_EINVAL);

            ck_assert_msg(strstr(got, cases[i].reason) == got, "%s: %s", cases[i].pattern, got);
        } else { /* looks like PCRE syntax, but is valid ECMAScript */
            mrc_urlpattern_free(compile(cases[i].pattern));
        }
    }
}
END_TEST

START_TEST(properties_are_sets_of_ascii_characters)
{
    ck_assert(matches("/(\\p{L}+)", "/abcXYZ"));
    ck_assert(!matches("/(\\p{L}+)", "/abc1"));
    ck_assert(!matches("/(\\P{L}+)", "/abc"));
    ck_assert(matches("/(\\P{L}+)", "/1-2"));
    ck_assert(matches("/([\\p{Lu}\\p{Nd}]+)", "/A1"));
    ck_assert(!matches("/([\\p{Lu}\\p{Nd}]+)", "/a1"));
    ck_assert(matches("/(\\p{General_Category=Uppercase_Letter}\\p{gc=Ll})", "/Aa"));
    ck_assert(matches("/(\\p{Script=Latin}+)", "/abc"));
    ck_assert(matches("/(\\p{scx=Zyyy}+)", "/1-2"));
    ck_assert(!matches("/(\\p{sc=Greek})", "/a"));
    ck_assert(matches("/(\\P{sc=Greek})", "/a"));
    ck_assert(matches("/([\\p{L}--[a-y]]+)", "/zZA"));
    ck_assert(matches("/(\\p{Any}\\p{ASCII}\\p{AHex})", "/xyf"));
    ck_assert(matches("/([^\\p{L}])", "/1"));
    ck_assert(!matches("/([^\\p{L}])", "/a"));
    ck_assert(!matches("/(\\p{RGI_Emoji})", "/1"));
    ck_assert(matches("/(\\p{RGI_Emoji}|1)", "/1"));
    ck_assert(!matches("/(\\P{Any})", "/1"));
}
END_TEST

START_TEST(lookaround_looks_at_the_whole_component)
{
    ck_assert(matches("/((?=a)\\w+)", "/abc"));
    ck_assert(!matches("/((?=a)\\w+)", "/bc"));
    ck_assert(matches("/((?!admin)[^\\/]+)/*", "/users/1"));
    ck_assert(!matches("/((?!admin)[^\\/]+)/*", "/admin/1"));
    ck_assert(!matches("/((?!admin)[^\\/]+)/*", "/administrator/1"));
    ck_assert(matches("/((?!admin\\/)[^\\/]+)/*", "/administrator/1"));
    ck_assert(matches("/*((?<=\\d)a)", "/1a"));
    ck_assert(!matches("/*((?<=\\d)a)", "/ba"));
    ck_assert(matches("/x((?<!\\d|bc)a)", "/xa"));
    ck_assert(matches("/*((?<!\\d|bc)a)", "/xca"));
    ck_assert(!matches("/*((?<!\\d|bc)a)", "/bca"));
    ck_assert(!matches("/*((?<!\\d|bc)a)", "/1a"));
    ck_assert(matches("/((?:(?!--).)+)", "/a-b"));
    ck_assert(!matches("/((?:(?!--).)+)", "/a--b"));
    ck_assert(matches("/((?=.*\\d)(?=.*[A-Z]).{4,})", "/aA1x"));
    ck_assert(!matches("/((?=.*\\d)(?=.*[A-Z]).{4,})", "/aa1x"));
    ck_assert(matches("/((?=a$)a)", "/a"));
    ck_assert(!matches("/((?=a$)a)b", "/ab"));
    ck_assert(matches("/((?<=^\\/)a)", "/a"));
}
END_TEST

START_TEST(modifiers_apply_to_their_group)
{
    ck_assert(matches("/((?i:books)-x)", "/BooKs-x"));
    ck_assert(!matches("/((?i:books)-x)", "/BooKs-X"));
    ck_assert(matches("/((?i:a(?-i:b)c))", "/AbC"));
    ck_assert(!matches("/((?i:a(?-i:b)c))", "/aBc"));
    ck_assert(matches("/((?i:a|b)|c)", "/B"));
    ck_assert(!matches("/((?i:a|b)|c)", "/C"));
    ck_assert(matches("/((?i:[a-c]+))", "/aBC"));
    ck_assert(!matches("/((?i:[^a]))", "/A"));
    ck_assert(!matches("/((?i:[^A]))", "/a"));
    ck_assert(matches("/((?i:\\p{Lu}+))", "/aB"));
    ck_assert(!matches("/((?i:\\P{Lu}))", "/a"));
    ck_assert(matches("/((?i:\\u017F\\u212a))", "/Sk"));
    ck_assert(!matches("/(\\u017F)", "/s"));
    ck_assert(matches("/((?i:[\\u017F]))", "/S"));
    ck_assert(!matches("/((?i:[^\\u212a]))", "/k"));
    ck_assert(matches("/((?i:[\\q{Ab|c}]+))", "/aBC"));
    ck_assert(matches("/((?i:[\\w--k]+))", "/aJ"));
    ck_assert(!matches("/((?i:[\\w--k]+))", "/aK"));
    ck_assert(matches("/((?s-im:a.))", "/ab"));
    ck_assert(!matches("/((?s-im:a.))", "/Ab"));
    ck_assert(matches("/((?m:^a$))", "/a") == false);
    ck_assert(matches("/(a(?m:$))", "/a"));
    ck_assert(matches("/((?i-:a))", "/A"));
}
END_TEST

START_TEST(classes_hold_strings)
{
    ck_assert(matches("/([\\q{ab|c|de}x]+)", "/abcdex"));
    ck_assert(!matches("/([\\q{ab|c}]+)", "/a"));
    ck_assert(matches("/a([\\q{}])b", "/ab"));
    ck_assert(matches("/([\\q{ab|cd}--\\q{cd}])", "/ab"));
    ck_assert(!matches("/([\\q{ab|cd}--\\q{cd}])", "/cd"));
    ck_assert(matches("/([\\q{ab|cd}&&[\\q{cd|ef}g]])", "/cd"));
    ck_assert(!matches("/([\\q{ab|cd}&&[\\q{cd|ef}g]])", "/ab"));
    ck_assert(matches("/([^\\q{a|b}])", "/c"));
    ck_assert(!matches("/([^\\q{a|b}])", "/b"));
    ck_assert(matches("/([\\q{a\\|b|\\u0063d}])", "/cd"));
}
END_TEST

/* Groups are numbered in the whole component. A group that took no part is empty. */
START_TEST(backreferences_repeat_what_a_group_has_caught)
{
    ck_assert(matches("/(\\w+)/(\\1)", "/ab/ab"));
    ck_assert(!matches("/(\\w+)/(\\1)", "/ab/ac"));
    ck_assert(matches("/:x/:y/(\\2-\\1)", "/a/b/b-a"));
    ck_assert(!matches("/:x/:y/(\\2-\\1)", "/a/b/a-b"));
    ck_assert(matches("/*-(\\1)", "/ab-ab"));
    ck_assert(matches("/((?<c>\\w)\\k<c>)", "/aa"));
    ck_assert(!matches("/((?<c>\\w)\\k<c>)", "/ab"));
    ck_assert(matches("/((?<c>\\w)\\2)", "/aa"));
    ck_assert(matches("/((?<\\u0063>\\w)\\k<c>+)", "/aaaa"));
    ck_assert(!matches("/((?<c>\\w)(?i:\\k<c>))", "/ab"));
    ck_assert(matches("/((?<c>\\w)(?i:\\k<c>))", "/aA"));
    ck_assert(!matches("/((?<c>\\w)\\k<c>)", "/aA"));
    ck_assert(matches("/((?:(?<c>a)|b)\\k<c>)", "/b"));
    ck_assert(matches("/((?:(?<c>a)|b)\\k<c>)", "/aa"));
    ck_assert(!matches("/((?:(?<c>a)|b)\\k<c>)", "/a"));
    ck_assert(matches("/(\\k<c>(?<c>a))", "/a"));
    ck_assert(matches("/(a\\1)", "/a"));
    ck_assert(matches("/((?<c>a)?\\k<c>b)", "/b"));
    ck_assert(matches("/((?<c>a)(?<d>\\k<c>))?", "/aa"));
    ck_assert(matches("/(a)?(\\1)", "/aa"));
    ck_assert(matches("/((?=(?<c>[\\q{a|ab}]))\\k<c>c)", "/abc"));
    ck_assert(!matches("/((?=(?<c>[\\q{a|ab}]))\\k<c>bc)", "/abc"));
    ck_assert(matches("/((?!(?<c>a))\\k<c>b)", "/b"));
}
END_TEST

START_TEST(inner_groups_may_have_names)
{
    ck_assert(matches("/((?<year>\\d{4})-(?<month>\\d\\d))", "/2024-12"));
    ck_assert(!matches("/((?<year>\\d{4})-(?<month>\\d\\d))", "/24-12"));
    ck_assert(matches("/((?<n>a)|(?<n>b))", "/b"));
    ck_assert(matches("/((?:(?<n>a)|x(?<n>b))+)", "/axb"));
    ck_assert(matches("/((?<$_\\u{61}>a))", "/a"));
    ck_assert(matches("/x{((?<n>a))}*", "/xaa"));
    ck_assert(matches("/:year((?<year>\\d+))", "/2024"));
}
END_TEST

START_TEST(behaves_like_ecmascript)
{
    ck_assert(matches("/([[:alpha:]])", "/p"));
    ck_assert(matches("/([[:alpha:]])", "/:"));
    ck_assert(!matches("/([[:alpha:]])", "/z"));
    ck_assert(matches("/([\\w--[a-z]]+)", "/A_9"));
    ck_assert(!matches("/([\\w--[a-z]]+)", "/Aa"));
    ck_assert(matches("/([^\\d&&[3-7]]+)", "/1289x"));
    ck_assert(!matches("/([^\\d&&[3-7]])", "/5"));
    ck_assert(matches("/(\\u0061\\x62\\cA?\\u{63})", "/abc"));
    ck_assert(matches("/([\\u{1F600}a])", "/a"));
    ck_assert(!matches("/(\\u{1F600})", "/%F0%9F%98%80"));
    ck_assert(matches("/(a|b{2}|c{1,2}?|(?:de)+)", "/dede"));
    ck_assert(matches("/(a|b{2}|c{1,2}?|(?:de)+)", "/bb"));
    ck_assert(!matches("/(a|b{2}|c{1,2}?|(?:de)+)", "/b"));
    ck_assert(matches("/(\\ba\\b)", "/a"));
    ck_assert(!matches("/x(^a$)", "/xa"));
    ck_assert(matches("/x(\\/\\.\\*)", "/x/.*"));
    ck_assert(matches("/(a#b c)", "/a#b c") == false);
    ck_assert(matches("/([^])", "/a"));
    ck_assert(!matches("/([])", "/a"));
    ck_assert(!matches("/a([])?", "/ab"));
    ck_assert(matches("/a([])?", "/a"));
}
END_TEST

/* PREFIX, repetitions of FILL up to LEN bytes, and SUFFIX; the caller free()s it. */
static char *make_long(const char *prefix, const char *fill, size_t len, const char *suffix)
{
    struct mrc_buf buf;

    mrc_buf_init(&buf, len + 1000);
    mrc_buf_add_str(&buf, prefix);
    while (buf.len + strlen(fill) + strlen(suffix) <= len)
        mrc_buf_add_str(&buf, fill);
    mrc_buf_add_str(&buf, suffix);
    return mrc_buf_take(&buf, NULL);
}

/*
 * Patterns of four thousand bytes that are made to be expensive, and topics made for them. The
 * timeout of the test is the bound. A pattern may also be refused.
 */
#define TEN(text) text text text text text text text text text text
START_TEST(hostile_patterns_are_cheap)
{
    static const struct {
        const char *prefix, *fill, *suffix, *topic_fill;
    } cases[] = {
        {"/", "*", "b", "a"},
        {"/", "*a", "b", "a"},
        {"/", "{a}*", "b", "a"},
        {"/", "{a}*{aa}*", "b", "a"},
        {"/", "{a}?", "b", "a"},
        {"/", "{*a}*", "b", "a"},
        {"/", "{a*}+", "b", "a"},
        {"", "/:a+", "b", "/a"},
        {"/", "*{a}?", "b", "a"},
        {"/", "{:x}?", "b", "a"},
        {"/", "(a*)", "b", "a"},
        {"/", "(a*)*", "b", "a"},
        {"/", "(.*)a", "b", "a"},
        {"/(", "(?:", "", "a"},
        {"/(", "[", "", "a"},
        {"/(", "(?:(?:a|a)*)*", "b)", "a"},
        {"/(", "a{9}", ")", "a"},
        {"/((?:a{1000}){1000})", "a", "b", "a"},
        {"/((?:(?:a{100}){100}){100})", "a", "b", "a"},
        {"/((?:(?:(?:a+)+)+)+)", "", "b", "a"},
        {"/((?:a|aa|aaa)+)", "", "b", "a"},
        {"/((?:.*.*)*)", "", "b", "a"},
        {"/(", "a|", "b)", "a"},
        {"/((?:a|a|a|a|a|a|a|a|a|a|a|a|a|a|a|a|a|a|a|a|a|a|a|a|a|a|a|a|a)*)", "", "b", "a"},
        {"/((?:[ab]*c|[ab])*)d", "", "", "a"},
        {"/(", "(?:a|b)?", "b)", "a"},
        {"/(", "(?:a?){50}", "b)", "a"},
        /* Lookarounds, and loops in loops of which machine code would not count all steps. */
        {"/((?:" TEN("(?!.*b)") "a)*)([yz])", "", "", "a"},
        {"/((?:" TEN("(?![^b]*b)") "a)*)([yz])", "", "", "a"},
        {"/((?:(?!(?:.*b){50})a)*)([yz])", "", "", "a"},
        {"/((?:(?=(?:(?=(?:(?=(?:(?=.*a).)*).)*).)*)a)*)([yz])", "", "", "a"},
        {"/((?:(?!(?:(?!(?:(?!(?:(?!.*b)a)*c)a)*c)a)*c)a)*)([yz])", "", "", "a"},
        {"/((?:(?<=", "a", ")a|a)*)([yz])", "a"},
        {"/((?:(?<=[ab]{4000})a|a)*)([yz])", "", "", "a"},
        {"/(", "(?=.*b)", "a)", "a"},
        {"/((?:" TEN(".*b|") "a)*)([yz])", "", "", "a"},
        {"/((?:" TEN("(?:.*b)?") "a)*)([yz])", "", "", "a"},
        {"/((?:" TEN("\\w*b|") "a)*)([yz])", "", "", "a"},
        {"/((?i:", "[\\q{ab|cd}x]?", "))b", "a"},
        {"/(.*)(.*)(.*)(.*)((?:", "\\1\\2|", "a)*)([yz])", "a"},
        {"/((?<x>.*)(?<y>.*)(?:\\k<x>\\k<y>|a)*)([yz])", "", "", "a"},
        {"/((?<x>a*)", "\\k<x>", ")([yz])", "a"},
        {"/(", "\\p{L}?", ")b", "a"},
        {"/(", "(?<n>", "", "a"},
        {"https://", "\xc3\xa9.", "/", "a"},
        {"https://", "{\xc3\xa9}?", "/", "a"},
        {"", "(?:", "", "a"},
        {"", "{", "", "a"},
        {"", ":a", "", "a"},
        {"", "@", "", "a"},
        {"", "[", "", "a"},
        {"", "\\", "", "a"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *text = make_long(cases[i].prefix, cases[i].fill[0] ? cases[i].fill : "\n", 4096,
                               cases[i].suffix);
        char *topic = make_long("/", cases[i].topic_fill, 4096, "c");
        struct mrc_urlpattern *pattern = NULL;
        struct mrc_url *base = NULL, *url = NULL;

        mrc_url_parse(mrc_bytes_of(HUB), NULL, NULL, &base);
        mrc_url_parse(mrc_bytes_of(topic), base, NULL, &url);
        mrc_urlpattern_compile(mrc_bytes_of(text), mrc_bytes_of(HUB), NULL, &pattern);
        for (int j = 0; pattern && j < 100; j++)
            ck_assert(!explain_routes(pattern, url));
        mrc_urlpattern_free(pattern);
        mrc_url_free(url);
        mrc_url_free(base);
        free(topic);
        free(text);
    }
}
END_TEST

/* A match that exceeds the limits fails, although the pattern matches. */
START_TEST(too_expensive_does_not_match)
{
    char *topic = make_long("/", "a", 3000, "");
    char *many = make_long("/", "{aa}*{a}*", 4096, "");
    struct mrc_urlpattern *pattern = compile(many);
    struct mrc_url *base = NULL, *url = NULL;

    mrc_url_parse(mrc_bytes_of(HUB), NULL, NULL, &base);
    mrc_url_parse(mrc_bytes_of(topic), base, NULL, &url);
    ck_assert(!explain_routes(pattern, url));
    mrc_urlpattern_free(pattern);
    /* With 28 letters, 300,000 ways fail before the last alternative is tried. */
    ck_assert(matches("/((?:a|aa)*b|a*)", "/aaaaaaaaaa"));
    ck_assert(!routes("/((?:a|aa)*b|a*)", "/aaaaaaaaaaaaaaaaaaaaaaaaaaaa"));
    pattern = compile("/(a*)");
    ck_assert(explain_routes(pattern, url));
    mrc_urlpattern_free(pattern);
    mrc_url_free(url);
    mrc_url_free(base);
    free(many);
    free(topic);
}
END_TEST

/* A regular expression gets fewer steps for a longer subject, and none past the last limit. */
START_TEST(long_subjects_cost_no_more)
{
    static const struct {
        size_t len;
        bool matches;
    } cases[] = {
        {MRC_URLPATTERN_REGEXP_SHORT_BYTES, true},
        {MRC_URLPATTERN_REGEXP_SHORT_BYTES + 1, false},
        {MRC_URLPATTERN_REGEXP_MAX_BYTES, true},
        {MRC_URLPATTERN_REGEXP_MAX_BYTES + 1, false},
        {4 * MRC_URLPATTERN_REGEXP_SHORT_BYTES, true},
    };
    struct mrc_urlpattern *steps = compile("/((?:ab|a)+x|(?:ab|a)+y|(?:ab|a)+z|a*)");
    struct mrc_urlpattern *simple = compile("/(a*)");

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *topic = make_long("https://hub.example.com/", "a", 23 + cases[i].len, "");
        struct mrc_url *url = NULL;

        mrc_url_parse(mrc_bytes_of(topic), NULL, NULL, &url);
        ck_assert_uint_eq(url->path.len, cases[i].len);
        ck_assert_int_eq(explain_routes(i < 2 ? steps : simple, url), cases[i].matches);
        mrc_url_free(url);
        free(topic);
    }
    mrc_urlpattern_free(simple);
    mrc_urlpattern_free(steps);
}
END_TEST

START_TEST(bounds_its_input)
{
    char *text = make_long("/", "a", MRC_URLPATTERN_MAX_BYTES + 1, "");
    struct mrc_urlpattern_init init = {.base_url = {NULL, 0}};
    struct mrc_urlpattern *pattern = NULL;

    ck_assert_str_eq(refusal_of(text, MRC_ELIMIT), "the pattern is longer than 65536 bytes");
    init.components[MRC_URLPATTERN_SEARCH] = mrc_bytes_of(text);
    ck_assert_int_eq(mrc_urlpattern_compile_init(&init, NULL, &pattern), MRC_ELIMIT);
    text[MRC_URLPATTERN_MAX_BYTES] = '\0';
    pattern = compile(text);
    ck_assert_uint_gt(mrc_urlpattern_size(pattern), MRC_URLPATTERN_MAX_BYTES);
    mrc_urlpattern_free(pattern);
    free(text);
    text = make_long("/(", "(?:", 1000, "a");
    for (size_t i = 0; i < 332; i++) /* one step for each opened group, and one for the outermost */
        text = realloc(text, strlen(text) + 2), memcpy(text + strlen(text), ")", 2);
    ck_assert_str_eq(refusal_of(text, MRC_EINVAL),
                     "not a URL Pattern: a group is not closed (byte 1)");
    free(text);
}
END_TEST

START_TEST(bounds_nesting)
{
    char text[1000] = "/(";
    size_t len;

    for (int i = 0; i < 51; i++)
        memcpy(text + 2 + 3 * i, "(?:", 3);
    len = 2 + 3 * 51;
    memset(text + len, ')', 52);
    ck_assert_str_eq(refusal_of(text, MRC_ELIMIT), "groups are nested too deeply");
    memmove(text + 2, text + 5, len - 5);
    memset(text + len - 3, ')', 51);
    text[len - 3 + 51] = '\0';
    mrc_urlpattern_free(compile(text));
    memset(text + 2, '[', 51);
    memset(text + 53, ']', 51);
    memcpy(text + 104, ")", 2);
    ck_assert_str_eq(refusal_of(text, MRC_ELIMIT), "character classes are nested too deeply");
    memset(text, 0, sizeof(text));
    memcpy(text, "/(a", 3);
    for (int i = 0; i < MRC_URLPATTERN_TRANSLATE_MAX_ALTERNATIVES - 1; i++)
        memcpy(text + 3 + 2 * i, "|a", 2);
    memcpy(text + 3 + 2 * (MRC_URLPATTERN_TRANSLATE_MAX_ALTERNATIVES - 1), ")", 2);
    mrc_urlpattern_free(compile(text));
    memcpy(text + 3 + 2 * (MRC_URLPATTERN_TRANSLATE_MAX_ALTERNATIVES - 1), "|)", 3);
    ck_assert_str_eq(refusal_of(text, MRC_ELIMIT), "a group has more than 100 alternatives");
    ck_assert_str_eq(refusal_of("/(a{65536})", MRC_ELIMIT),
                     "a quantifier asks for more than 65535 repetitions");
    ck_assert(strstr(refusal_of("/((?:a{60000}){60000})", MRC_ELIMIT), "too large for PCRE2"));
}
END_TEST

START_TEST(reports_its_size)
{
    struct mrc_urlpattern *simple = compile("/books/:id");
    struct mrc_urlpattern *regexp = compile("/books/(\\d+)");

    ck_assert_uint_gt(mrc_urlpattern_size(simple), 100);
    ck_assert_uint_gt(mrc_urlpattern_size(regexp), mrc_urlpattern_size(simple));
    mrc_urlpattern_free(simple);
    mrc_urlpattern_free(regexp);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("urlpattern");
    TCase *vectors = tcase_create("vectors");
    TCase *tcase = tcase_create("urlpattern");

    tcase_add_loop_test(vectors, passes_the_vectors, 0, 230);
    suite_add_tcase(suite, vectors);
    tcase_set_timeout(tcase, 20);
    tcase_add_test(tcase, routes_topics);
    tcase_add_test(tcase, repeats_and_skips);
    tcase_add_test(tcase, names_what_is_not_supported);
    tcase_add_test(tcase, properties_are_sets_of_ascii_characters);
    tcase_add_test(tcase, lookaround_looks_at_the_whole_component);
    tcase_add_test(tcase, modifiers_apply_to_their_group);
    tcase_add_test(tcase, classes_hold_strings);
    tcase_add_test(tcase, inner_groups_may_have_names);
    tcase_add_test(tcase, backreferences_repeat_what_a_group_has_caught);
    tcase_add_test(tcase, behaves_like_ecmascript);
    tcase_add_test(tcase, hostile_patterns_are_cheap);
    tcase_add_test(tcase, too_expensive_does_not_match);
    tcase_add_test(tcase, long_subjects_cost_no_more);
    tcase_add_test(tcase, bounds_its_input);
    tcase_add_test(tcase, bounds_nesting);
    tcase_add_test(tcase, reports_its_size);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
