#include "core/topic/matcher.h"
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

#define HUB "https://hub.example.com/.well-known/mercure"

static struct mrc_matcher *make_pattern(const char *value, const char *base)
{
    struct mrc_matcher *matcher = NULL;
    struct mrc_error error = {""};
    enum mrc_err err;

    err = mrc_matcher_create(MRC_MATCHER_URLPATTERN, mrc_bytes_of(value), base, &error, &matcher);
    ck_assert_msg(err == MRC_OK, "%s: %s", value, error.text);
    return matcher;
}

/* Whether the pattern VALUE with BASE matches TOPIC. */
static bool matches(const char *value, const char *base, const char *topic)
{
    struct mrc_matcher *matcher = make_pattern(value, base);
    bool result = mrc_matcher_matches(matcher, mrc_bytes_of(topic));

    mrc_matcher_free(matcher);
    return result;
}

START_TEST(relative_patterns_match_relative_topics)
{
    ck_assert(matches("/books/:id", HUB, "/books/1"));
    ck_assert(matches("/books/:id", HUB, "https://hub.example.com/books/1"));
    ck_assert(matches("https://hub.example.com/books/:id", HUB, "/books/1"));
    ck_assert(matches("https://hub.example.com/books/:id", HUB, "../books/1"));
    ck_assert(!matches("/books/:id", HUB, "https://example.com/books/1"));
    ck_assert(matches("/books/:id", "http://localhost:8080/hub", "/books/1"));
    ck_assert(matches("/.well-known/mercure/subscriptions/exact/:topic/:subscriber", HUB,
                      "/.well-known/mercure/subscriptions/exact/a%2Fb/urn:uuid:1"));
    ck_assert(!matches("https://example.com/:a", NULL, "/b"));
    ck_assert(matches("https://example.com/:a", NULL, "https://example.com/b"));
}
END_TEST

START_TEST(absolute_patterns_ignore_the_base)
{
    ck_assert(matches("urn\\:uuid\\:*", HUB, "urn:uuid:1"));
    ck_assert(matches("https://example.com/:a", HUB, "https://example.com/b"));
    ck_assert(!matches("https://example.com/:a", HUB, "/b"));
}
END_TEST

START_TEST(only_schemes_and_hosts_ignore_case)
{
    ck_assert(matches("HTTPS://HUB.Example.com/books/:id", HUB, "https://hub.EXAMPLE.com/books/1"));
    ck_assert(!matches("/Books/:id", HUB, "/books/1"));
    ck_assert(!matches("/books/:id", HUB, "/BOOKS/1"));
    ck_assert(!matches("/books/:id?x=A", HUB, "/books/1?x=a"));
    ck_assert(!matches("/books/([a-z])", HUB, "/books/A"));
}
END_TEST

START_TEST(topics_that_are_not_urls_match_no_pattern)
{
    static const char *const no_urls[] = {"https://[", "https://a b/", "https://a:b/", "//",
                                          "http://%"};

    for (size_t i = 0; i < sizeof(no_urls) / sizeof(no_urls[0]); i++) {
        ck_assert_msg(!matches("*:*", HUB, no_urls[i]), "%s", no_urls[i]);
        ck_assert_msg(!matches("*://*:*/*", HUB, no_urls[i]), "%s", no_urls[i]);
        ck_assert_msg(matches("*", HUB, no_urls[i]), "%s", no_urls[i]);
    }
    ck_assert(matches("*://*:*/*", HUB, "https://a/"));
}
END_TEST

START_TEST(reports_the_reason_of_a_refusal)
{
    struct mrc_matcher *matcher = NULL;
    struct mrc_error error = {""};

    ck_assert_int_eq(
        mrc_matcher_create(MRC_MATCHER_URLPATTERN, mrc_bytes_of("/(a"), HUB, &error, &matcher),
        MRC_EINVAL);
    ck_assert_str_eq(error.text, "not a URL Pattern: a group is not closed (byte 1)");
    ck_assert_int_eq(
        mrc_matcher_create(MRC_MATCHER_URLPATTERN, mrc_bytes_of("/a"), NULL, &error, &matcher),
        MRC_EINVAL);
    ck_assert_str_eq(error.text, "not a URL Pattern: it has no scheme, and there is no base");
    ck_assert_int_eq(
        mrc_matcher_create(MRC_MATCHER_URLPATTERN, mrc_bytes_of("/a"), "no URL", &error, &matcher),
        MRC_EINVAL);
    ck_assert_ptr_null(matcher);
}
END_TEST

static bool matches_topic(const struct mrc_matcher *matcher, struct mrc_topic *topic)
{
    bool matches;

    ck_assert_int_eq(mrc_matcher_match_topic(matcher, topic, &matches), MRC_OK);
    return matches;
}

START_TEST(topics_are_parsed_once)
{
    struct mrc_matcher *matcher = make_pattern("/a/:b", HUB);
    struct mrc_matcher *exact = make(MRC_MATCHER_EXACT, "/a/1");
    struct mrc_matcher *elsewhere = make_pattern("/a/:b", "https://other.example/");
    struct mrc_topic topic, absolute;
    const struct mrc_url *url, *again;

    mrc_topic_init(&topic, mrc_bytes_of("/a/1"), HUB);
    ck_assert(matches_topic(exact, &topic));
    ck_assert(!topic.is_parsed);
    ck_assert(matches_topic(matcher, &topic));
    ck_assert_int_eq(mrc_topic_get_url(&topic, &url), MRC_OK);
    ck_assert(matches_topic(matcher, &topic));
    ck_assert_int_eq(mrc_topic_get_url(&topic, &again), MRC_OK);
    ck_assert_ptr_eq(again, url);
    ck_assert(matches_topic(elsewhere, &topic)); /* relative to its own base */
    mrc_topic_init(&absolute, mrc_bytes_of("https://hub.example.com/a/1"), HUB);
    ck_assert(matches_topic(matcher, &absolute));
    ck_assert(!matches_topic(elsewhere, &absolute));
    mrc_topic_clear(&absolute);
    mrc_topic_clear(&topic);
    mrc_topic_init(&topic, mrc_bytes_of("https://no url"), HUB);
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(mrc_topic_get_url(&topic, &url), MRC_EINVAL);
    ck_assert(!matches_topic(matcher, &topic));
    mrc_topic_clear(&topic);
    mrc_matcher_free(elsewhere);
    mrc_matcher_free(exact);
    mrc_matcher_free(matcher);
}
END_TEST

/* Topics that have forgotten their matchers, which are freed, are like new to other matchers. */
START_TEST(topics_outlive_the_matchers_that_they_forget)
{
    const struct mrc_bytes texts[] = {mrc_bytes_of("/a/1"), mrc_bytes_of("https://no url")};
    struct mrc_topics topics;

    ck_assert_int_eq(mrc_topics_init(&topics, texts, 2), MRC_OK);
    for (int i = 0; i < 2; i++) {
        struct mrc_matcher *matcher =
            make_pattern("/a/:b", i ? HUB : "https://other.example/which/is/not/that/long");

        ck_assert_ptr_null(topics.all[0].base);
        ck_assert(!topics.all[0].is_parsed);
        ck_assert(matches_topic(matcher, &topics.all[0]));
        ck_assert(!matches_topic(matcher, &topics.all[1]));
        ck_assert_str_eq(topics.all[0].base, mrc_matcher_get_base(matcher));
        mrc_topics_forget(&topics);
        mrc_matcher_free(matcher);
    }
    mrc_topics_clear(&topics);
    mrc_topics_forget(&topics); /* no topic is left */
}
END_TEST

START_TEST(reports_its_base_and_size)
{
    struct mrc_matcher *matcher = make_pattern("/a/:b", HUB);
    struct mrc_matcher *star = make_pattern("*", HUB);

    ck_assert_str_eq(mrc_matcher_get_base(matcher), HUB);
    ck_assert_ptr_null(mrc_matcher_get_base(star));
    ck_assert_bytes_eq(mrc_matcher_get_value(matcher), "/a/:b");
    ck_assert_uint_gt(mrc_matcher_size(matcher), mrc_matcher_size(star));
    mrc_matcher_free(star);
    mrc_matcher_free(matcher);
}
END_TEST

START_TEST(templates_match_expansions_and_themselves)
{
    struct mrc_matcher *matcher = make(MRC_MATCHER_TEMPLATE, "/books/{id}");

    ck_assert(mrc_matcher_matches(matcher, mrc_bytes_of("/books/1")));
    ck_assert(mrc_matcher_matches(matcher, mrc_bytes_of("/books/{id}")));
    ck_assert(!mrc_matcher_matches(matcher, mrc_bytes_of("/books/1/2")));
    ck_assert(!mrc_matcher_is_literal(matcher));
    mrc_matcher_free(matcher);
    matcher = make(MRC_MATCHER_TEMPLATE, "*");
    ck_assert(mrc_matcher_is_wildcard(matcher));
    ck_assert(!mrc_matcher_is_literal(matcher));
    ck_assert(mrc_matcher_matches(matcher, mrc_bytes_of("/books/1")));
    mrc_matcher_free(matcher);
}
END_TEST

START_TEST(invalid_templates_are_literal)
{
    static const char *const values[] = {"/books/1", "/books/{id", "{!a}", ""};

    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        struct mrc_matcher *matcher = make(MRC_MATCHER_TEMPLATE, values[i]);
        struct mrc_matcher *exact = make(MRC_MATCHER_EXACT, values[i]);

        ck_assert(mrc_matcher_is_literal(matcher));
        ck_assert(mrc_matcher_is_same(matcher, exact));
        ck_assert(mrc_matcher_matches(matcher, mrc_bytes_of(values[i])));
        ck_assert(!mrc_matcher_matches(matcher, mrc_bytes_of("/books/2")));
        mrc_matcher_free(exact);
        mrc_matcher_free(matcher);
    }
}
END_TEST

START_TEST(templates_differ_from_other_types)
{
    struct mrc_matcher *template = make(MRC_MATCHER_TEMPLATE, "/{a}");
    struct mrc_matcher *exact = make(MRC_MATCHER_EXACT, "/{a}");
    struct mrc_matcher *pattern = make_pattern("/{a}", HUB);
    enum mrc_matcher_type type;

    ck_assert(!mrc_matcher_is_same(template, exact));
    ck_assert(!mrc_matcher_is_same(template, pattern));
    ck_assert_uint_gt(mrc_matcher_size(template), mrc_matcher_size(exact));
    ck_assert_int_eq(mrc_matcher_type_parse(mrc_bytes_of("template"), &type), MRC_ENOTFOUND);
    mrc_matcher_free(pattern);
    mrc_matcher_free(exact);
    mrc_matcher_free(template);
}
END_TEST

/* Regular expressions, and patterns with many ways to match, may take long. */
START_TEST(knows_costly_matchers)
{
    static const struct {
        enum mrc_matcher_type type;
        const char *value;
        bool is_costly;
    } cases[] = {
        {MRC_MATCHER_EXACT, "a", false},
        {MRC_MATCHER_URLPATTERN, "*", false},
        {MRC_MATCHER_URLPATTERN, "/:a/:b/something/longer/than/thirty-two/:c/operations", false},
        {MRC_MATCHER_URLPATTERN, "http{s}?://{*.}?example.com/:path+", false},
        {MRC_MATCHER_URLPATTERN, "/*/reviews/*", false},
        {MRC_MATCHER_URLPATTERN, "/(a)", true},
        {MRC_MATCHER_URLPATTERN, "/x#(a)", true},
        {MRC_MATCHER_URLPATTERN, "/*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b", false}, /* 32 with the end */
        {MRC_MATCHER_URLPATTERN, "/*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b", true},
        {MRC_MATCHER_TEMPLATE, "/{a}", false},
        {MRC_MATCHER_TEMPLATE, "/{;a*}{;b*}{;c*}", true},
        {MRC_MATCHER_TEMPLATE, "/a", false},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct mrc_matcher *matcher = NULL;

        ck_assert_int_eq(
            mrc_matcher_create(cases[i].type, mrc_bytes_of(cases[i].value), HUB, NULL, &matcher),
            MRC_OK);
        ck_assert_msg(mrc_matcher_is_costly(matcher) == cases[i].is_costly, "%s", cases[i].value);
        mrc_matcher_free(matcher);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("matcher");
    TCase *tcase = tcase_create("matcher");

    tcase_add_test(tcase, exact_compares_bytes);
    tcase_add_test(tcase, star_is_a_wildcard_of_any_type);
    tcase_add_test(tcase, types_have_one_spelling);
    tcase_add_test(tcase, relative_patterns_match_relative_topics);
    tcase_add_test(tcase, absolute_patterns_ignore_the_base);
    tcase_add_test(tcase, only_schemes_and_hosts_ignore_case);
    tcase_add_test(tcase, topics_that_are_not_urls_match_no_pattern);
    tcase_add_test(tcase, reports_the_reason_of_a_refusal);
    tcase_add_test(tcase, topics_are_parsed_once);
    tcase_add_test(tcase, topics_outlive_the_matchers_that_they_forget);
    tcase_add_test(tcase, reports_its_base_and_size);
    tcase_add_test(tcase, templates_match_expansions_and_themselves);
    tcase_add_test(tcase, invalid_templates_are_literal);
    tcase_add_test(tcase, templates_differ_from_other_types);
    tcase_add_test(tcase, knows_costly_matchers);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
