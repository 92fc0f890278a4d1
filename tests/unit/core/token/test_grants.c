#include "core/token/grants.h"

#include "core/base/quote.h"
#include "core/topic/matcher.h"
#include "tokens.h"

/* Small limits, which are easy to exceed. */
static const struct mrc_grants_limits limits = {3, 4, 32};

static enum mrc_err parse(const char *text, struct mrc_error *error, struct mrc_grants **ret_grants)
{
    json_t *details = json_loads(text, JSON_DECODE_ANY, NULL);
    enum mrc_err err;

    ck_assert_msg(details != NULL, "the test's own JSON is broken: %s", text);
    err = mrc_grants_parse(details, &limits, HUB, error, ret_grants);
    json_decref(details);
    return err;
}

static struct mrc_grants *accept(const char *text)
{
    struct mrc_error error = {""};
    struct mrc_grants *grants = NULL;

    ck_assert_msg(parse(text, &error, &grants) == MRC_OK, "refused: %s", error.text);
    return grants;
}

static void refuse(const char *text, enum mrc_err err, const char *words)
{
    struct mrc_error error = {""};
    struct mrc_grants *grants = NULL;

    ck_assert_int_eq(parse(text, &error, &grants), err);
    ck_assert_ptr_null(grants);
    ck_assert_words(error, words);
}

static bool may_publish(const struct mrc_grants *grants, const char *topic)
{
    return mrc_grants_allow(grants, MRC_ACTION_PUBLISH, mrc_bytes_of(topic));
}

static bool may_subscribe(const struct mrc_grants *grants, const char *topic)
{
    return mrc_grants_allow(grants, MRC_ACTION_SUBSCRIBE, mrc_bytes_of(topic));
}

#define GOOD ONE_DETAIL("\"actions\":[\"publish\"],\"topics\":[{\"match\":\"a\"}]")

START_TEST(no_details_grant_nothing)
{
    static const char *const texts[] = {
        "[]", "[{\"type\":\"other\"}]", "[{\"type\":\"" DETAIL "/\",\"actions\":7}]",
        "[{\"type\":\"HTTPS://mercure.rocks/authorization-detail\"}]"};
    struct mrc_grants *grants = NULL;

    ck_assert_int_eq(mrc_grants_parse(NULL, &limits, NULL, NULL, &grants), MRC_OK);
    ck_assert(!mrc_grants_allow_some(grants, MRC_ACTION_PUBLISH));
    ck_assert(!may_subscribe(grants, ""));
    ck_assert_uint_eq(mrc_grants_get_count(grants), 0);
    mrc_grants_free(grants);
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        grants = accept(texts[i]);
        ck_assert(!mrc_grants_allow_some(grants, MRC_ACTION_PUBLISH));
        ck_assert(!mrc_grants_allow_some(grants, MRC_ACTION_SUBSCRIBE));
        mrc_grants_free(grants);
    }
    mrc_grants_free(NULL);
}
END_TEST

START_TEST(the_claim_is_an_array_of_typed_objects)
{
    refuse("{}", MRC_EINVAL, "authorization_details must be an array");
    refuse("null", MRC_EINVAL, "must be an array");
    refuse("\"*\"", MRC_EINVAL, "must be an array");
    refuse("[" GOOD ",7]", MRC_EINVAL, "authorization_details[1] must be an object");
    refuse("[" GOOD ",[]]", MRC_EINVAL, "authorization_details[1] must be an object");
    refuse("[" GOOD ",{}]", MRC_EINVAL, "authorization_details[1].type must be a string");
    refuse("[" GOOD ",{\"type\":1}]", MRC_EINVAL, "[1].type must be a string");
}
END_TEST

START_TEST(actions_are_non_empty_lists_of_strings)
{
    refuse("[" ONE_DETAIL("\"topics\":[{\"match\":\"a\"}]") "]", MRC_EINVAL, ".actions must be");
    refuse("[" ONE_DETAIL("\"actions\":[],\"topics\":[{\"match\":\"a\"}]") "]", MRC_EINVAL,
           ".actions must be a non-empty array");
    refuse("[" ONE_DETAIL("\"actions\":\"publish\",\"topics\":[{\"match\":\"a\"}]") "]", MRC_EINVAL,
           ".actions must be");
    refuse("[" ONE_DETAIL("\"actions\":{\"publish\":1},\"topics\":[{\"match\":\"a\"}]") "]",
           MRC_EINVAL, ".actions must be");
    refuse("[" ONE_DETAIL("\"actions\":[\"publish\",1],\"topics\":[{\"match\":\"a\"}]") "]",
           MRC_EINVAL, ".actions[1] must be a string");
    refuse("[" ONE_DETAIL("\"actions\":[null],\"topics\":[{\"match\":\"a\"}]") "]", MRC_EINVAL,
           ".actions[0] must be a string");
}
END_TEST

START_TEST(unknown_actions_grant_nothing)
{
    struct mrc_grants *grants =
        accept("[" ONE_DETAIL("\"actions\":[\"Publish\",\"fly\"],\"topics\":[{\"match\":"
                              "\"*\"}]") "," ONE_DETAIL("\"actions\":[\"fly\",\"subscribe\"],"
                                                        "\"topics\":[{\"match\":\"a\"}]") "]");

    ck_assert(!mrc_grants_allow_some(grants, MRC_ACTION_PUBLISH));
    ck_assert(!may_publish(grants, "a"));
    ck_assert(may_subscribe(grants, "a"));
    ck_assert(!may_subscribe(grants, "b"));
    mrc_grants_free(grants);
    /* A detail that grants nothing is also validated. */
    refuse("[" ONE_DETAIL("\"actions\":[\"fly\"],\"topics\":[]") "]", MRC_EINVAL,
           ".topics must be");
}
END_TEST

START_TEST(topics_are_non_empty_lists_of_matchers)
{
    refuse("[" ONE_DETAIL("\"actions\":[\"publish\"]") "]", MRC_EINVAL, ".topics must be");
    refuse("[" ONE_DETAIL("\"actions\":[\"publish\"],\"topics\":[]") "]", MRC_EINVAL,
           ".topics must be a non-empty array");
    refuse("[" ONE_DETAIL("\"actions\":[\"publish\"],\"topics\":\"*\"") "]", MRC_EINVAL,
           ".topics must be");
    refuse("[" ONE_DETAIL("\"actions\":[\"publish\"],\"topics\":{\"match\":\"a\"}") "]", MRC_EINVAL,
           ".topics must be");
    refuse("[" ONE_DETAIL("\"actions\":[\"publish\"],\"topics\":[\"*\"]") "]", MRC_EINVAL,
           ".topics[0] must be an object");
    refuse("[" ONE_DETAIL("\"actions\":[\"publish\"],\"topics\":[{\"match\":\"a\"},{}]") "]",
           MRC_EINVAL, ".topics[1].match must be a string");
    refuse("[" ONE_DETAIL("\"actions\":[\"publish\"],\"topics\":[{\"match\":1}]") "]", MRC_EINVAL,
           ".topics[0].match must be a string");
    refuse("[" ONE_DETAIL("\"actions\":[\"publish\"],\"topics\":[{\"match\":\"a\\tb\"}]") "]",
           MRC_EINVAL, ".topics[0].match: the control character U+0009");
    refuse("[" ONE_DETAIL("\"actions\":[\"publish\"],\"topics\":[{\"match\":\"a\\u202eb\"}]") "]",
           MRC_EINVAL, "format character U+202E");
}
END_TEST

START_TEST(match_type_is_a_known_name)
{
    struct mrc_grants *grants = accept("[" ONE_DETAIL(
        "\"actions\":[\"publish\"],\"topics\":[{\"match\":\"a\",\"match_type\":\"exact\"}]") "]");

    ck_assert(may_publish(grants, "a"));
    mrc_grants_free(grants);
    refuse("[" ONE_DETAIL("\"actions\":[\"publish\"],\"topics\":[{\"match\":\"a\",\"match_type\":"
                          "\"Exact\"}]") "]",
           MRC_EUNSUPPORTED, ".topics[0].match_type \"Exact\" is not supported");
    refuse("[" ONE_DETAIL(
               "\"actions\":[\"publish\"],\"topics\":[{\"match\":\"a\",\"match_type\":\"\"}]") "]",
           MRC_EUNSUPPORTED, "is not supported");
    refuse("[" ONE_DETAIL(
               "\"actions\":[\"publish\"],\"topics\":[{\"match\":\"a\",\"match_type\":null}]") "]",
           MRC_EINVAL, ".match_type must be a string");
    refuse("[" ONE_DETAIL(
               "\"actions\":[\"publish\"],\"topics\":[{\"match\":\"*\",\"match_type\":1}]") "]",
           MRC_EINVAL, ".match_type must be a string");
}
END_TEST

START_TEST(the_wildcard_comes_before_the_type)
{
    static const char *const types[] = {"exact", "urlpattern", "unknown", "", "*"};
    char text[512];

    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        struct mrc_grants *grants;

        snprintf(text, sizeof(text),
                 "[" ONE_DETAIL("\"actions\":[\"publish\"],\"topics\":[{\"match\":\"*\",\"match_"
                                "type\":\"%s\"}]") "]",
                 types[i]);
        grants = accept(text);
        ck_assert(may_publish(grants, "anything"));
        ck_assert(mrc_grants_allow_every(grants, MRC_ACTION_PUBLISH));
        ck_assert(!mrc_grants_allow_every(grants, MRC_ACTION_SUBSCRIBE));
        ck_assert(!may_subscribe(grants, "anything"));
        mrc_grants_free(grants);
    }
}
END_TEST

START_TEST(one_bad_detail_refuses_all)
{
    refuse("[" GOOD "," ONE_DETAIL("\"actions\":[\"publish\"],\"topics\":[{\"match\":7}]") "]",
           MRC_EINVAL, "authorization_details[1].topics[0]");
    refuse("[" ONE_DETAIL("\"actions\":[7],\"topics\":[{\"match\":\"a\"}]") "," GOOD "]",
           MRC_EINVAL, "authorization_details[0].actions[0]");
    /* A bad detail for another API does not matter. */
    mrc_grants_free(accept("[" GOOD ",{\"type\":\"other\",\"actions\":7,\"topics\":7}]"));
}
END_TEST

START_TEST(payload_is_an_object)
{
    static const char *const bad[] = {"null", "\"x\"", "7", "[]", "true"};
    char text[512];

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        snprintf(text, sizeof(text),
                 "[" ONE_DETAIL(
                     "\"actions\":[\"publish\"],\"topics\":[{\"match\":\"a\"}],\"payload\":%s") "]",
                 bad[i]);
        refuse(text, MRC_EINVAL, ".payload must be an object");
    }
}
END_TEST

#define PAYLOADS                                                                                   \
    "[" ONE_DETAIL(                                                                                \
        "\"actions\":[\"publish\"],\"topics\":[{\"match\":\"a\"}],"                                \
        "\"payload\":{\"n\":0}") "," ONE_DETAIL("\"actions\":[\"subscribe\"],\"topics\":[{"        \
                                                "\"match\":\"x\"},{\"match\":\"a\"}],"             \
                                                "\"payload\":{\"n\":0.1,\"b\":[1,{}],\"a\":"       \
                                                "\"\\u00e9\\n\"}") "," ONE_DETAIL("\"actions\":["  \
                                                                                  "\"subscribe\"]" \
                                                                                  ",\"topics\":[{" \
                                                                                  "\"match\":\"*"  \
                                                                                  "\"}],"          \
                                                                                  "\"payload\":{"  \
                                                                                  "\"n\":2}") "]"

START_TEST(payload_of_the_first_subscribe_detail_that_matches)
{
    struct mrc_grants *grants = accept(PAYLOADS);

    ck_assert_str_eq(mrc_grants_find_payload(grants, mrc_bytes_of("a")),
                     "{\"n\":0.1,\"b\":[1,{}],\"a\":\"\xc3\xa9\\n\"}");
    ck_assert_str_eq(mrc_grants_find_payload(grants, mrc_bytes_of("b")), "{\"n\":2}");
    ck_assert_str_eq(mrc_grants_find_payload(grants, mrc_bytes_of("*")), "{\"n\":2}");
    mrc_grants_free(grants);
    /* The first one wins, even without a payload. */
    grants = accept(
        "[" ONE_DETAIL("\"actions\":[\"subscribe\"],\"topics\":[{\"match\":\"a\"}]") "," ONE_DETAIL(
            "\"actions\":[\"subscribe\"],\"topics\":[{\"match\":\"*\"}],\"payload\":{}") "]");
    ck_assert_ptr_null(mrc_grants_find_payload(grants, mrc_bytes_of("a")));
    ck_assert_str_eq(mrc_grants_find_payload(grants, mrc_bytes_of("b")), "{}");
    mrc_grants_free(grants);
    grants = accept("[" GOOD "]");
    ck_assert_ptr_null(mrc_grants_find_payload(grants, mrc_bytes_of("a")));
    mrc_grants_free(grants);
}
END_TEST

START_TEST(entries_can_be_listed)
{
    struct mrc_grants *grants = accept(PAYLOADS);
    struct mrc_grant grant;

    ck_assert_uint_eq(mrc_grants_get_count(grants), 4);
    grant = mrc_grants_get(grants, 0);
    ck_assert(grant.publish && !grant.subscribe);
    ck_assert_bytes_eq(mrc_matcher_get_value(grant.matcher), "a");
    grant = mrc_grants_get(grants, 3);
    ck_assert(!grant.publish && grant.subscribe);
    ck_assert_str_eq(grant.payload, "{\"n\":2}");
    mrc_grants_free(grants);
}
END_TEST

#define A_TOPIC    "{\"match\":\"a\"}"
#define THIRTY_TWO "12345678901234567890123456789012"

START_TEST(refuses_claims_past_the_limits)
{
    mrc_grants_free(accept("[" GOOD "," GOOD "," GOOD ",{\"type\":\"x\"},{\"type\":\"x\"}]"));
    refuse("[" GOOD "," GOOD "," GOOD "," GOOD "]", MRC_ELIMIT, "more than 3 Mercure details");
    mrc_grants_free(accept("[" GOOD "," ONE_DETAIL("\"actions\":[\"publish\"],\"topics\":[" A_TOPIC
                                                   "," A_TOPIC "," A_TOPIC "]") "]"));
    refuse("[" GOOD "," ONE_DETAIL("\"actions\":[\"publish\"],\"topics\":[" A_TOPIC "," A_TOPIC
                                   "," A_TOPIC "," A_TOPIC "]") "]",
           MRC_ELIMIT, "more than 4 topics");
    mrc_grants_free(accept("[" ONE_DETAIL(
        "\"actions\":[\"publish\"],\"topics\":[{\"match\":\"" THIRTY_TWO "\"}]") "]"));
    refuse("[" ONE_DETAIL("\"actions\":[\"publish\"],\"topics\":[{\"match\":\"" THIRTY_TWO
                          "3\"}]") "]",
           MRC_ELIMIT, ".match has 33 bytes; the maximum is 32");
}
END_TEST

START_TEST(quotes_are_short_and_printable)
{
    struct mrc_quote quote;
    char text[MRC_QUOTE_BYTES + 2];

    memset(text, 'x', sizeof(text));
    ck_assert_str_eq(mrc_quote(&quote, mrc_bytes_of("a\"\\\x1b\x7f\xc3\xa9~")), "\"a??????~\"");
    ck_assert_str_eq(mrc_quote(&quote, (struct mrc_bytes){NULL, 0}), "\"\"");
    mrc_quote(&quote, (struct mrc_bytes){text, MRC_QUOTE_BYTES});
    ck_assert_uint_eq(strlen(quote.text), MRC_QUOTE_BYTES + 2);
    mrc_quote(&quote, (struct mrc_bytes){text, MRC_QUOTE_BYTES + 1});
    ck_assert_uint_eq(strlen(quote.text), MRC_QUOTE_BYTES + 5);
    ck_assert_str_eq(quote.text + MRC_QUOTE_BYTES + 1, "...\"");
}
END_TEST

/* Entry I of MANY. Most are literal, in no order, and some occur twice; a few are patterns. */
static json_t *draw_detail(unsigned i)
{
    static const char *const actions[] = {"publish", "subscribe"};
    bool is_pattern = i % 50 == 49;
    char value[32];

    snprintf(value, sizeof(value), is_pattern ? "/%u/:x" : "/%u", i * 37 % 500 / (1 + i % 2));
    return json_pack("{s:s,s:[s],s:[{s:s,s:s}]}", "type", MRC_GRANTS_DETAIL_TYPE, "actions",
                     actions[i / 7 % 2], "topics", "match", value, "match_type",
                     is_pattern ? "urlpattern" : "exact");
}

/* The expected answer: checks one entry after the other. */
static bool is_allowed(const struct mrc_grants *grants, enum mrc_action action, const char *topic)
{
    for (size_t i = 0; i < mrc_grants_get_count(grants); i++) {
        struct mrc_grant grant = mrc_grants_get(grants, i);

        if ((action == MRC_ACTION_PUBLISH ? grant.publish : grant.subscribe) &&
            mrc_matcher_matches(grant.matcher, mrc_bytes_of(topic)))
            return true;
    }
    return false;
}

START_TEST(finds_one_of_many_entries)
{
    enum { MANY = 400 };
    const struct mrc_grants_limits many = {MANY, MANY, 32};
    struct mrc_grants *grants = NULL;
    json_t *details = json_array();
    unsigned allowed = 0;

    for (unsigned i = 0; i < MANY; i++)
        json_array_append_new(details, draw_detail(i));
    ck_assert_int_eq(mrc_grants_parse(details, &many, HUB, NULL, &grants), MRC_OK);
    json_decref(details);
    for (unsigned i = 0; i < 1000; i++) {
        char topic[32];

        snprintf(topic, sizeof(topic), i % 2 ? "/%u" : "/%u/x", i / 2);
        ck_assert_int_eq(may_publish(grants, topic), is_allowed(grants, MRC_ACTION_PUBLISH, topic));
        ck_assert_int_eq(may_subscribe(grants, topic),
                         is_allowed(grants, MRC_ACTION_SUBSCRIBE, topic));
        allowed += may_publish(grants, topic) + may_subscribe(grants, topic);
    }
    ck_assert_uint_gt(allowed, 200);
    ck_assert(!mrc_grants_are_costly(grants));
    mrc_grants_free(grants);
}
END_TEST

/* COUNT patterns, or one with a regular expression if REGEXP. */
static struct mrc_grants *accept_patterns(unsigned count, const char *regexp)
{
    const struct mrc_grants_limits many = {1, 1000, 32};
    struct mrc_grants *grants = NULL;
    json_t *topics = json_array(), *details;

    for (unsigned i = 0; i < count; i++) {
        char value[32];

        snprintf(value, sizeof(value), "/%u/:x", i);
        json_array_append_new(topics, json_pack("{s:s,s:s}", "match", regexp ? regexp : value,
                                                "match_type", "urlpattern"));
    }
    details = json_pack("[{s:s,s:[s],s:o}]", "type", MRC_GRANTS_DETAIL_TYPE, "actions", "subscribe",
                        "topics", topics);
    ck_assert_int_eq(mrc_grants_parse(details, &many, HUB, NULL, &grants), MRC_OK);
    json_decref(details);
    return grants;
}

START_TEST(knows_costly_grants)
{
    static const struct {
        unsigned count;
        const char *regexp;
        bool are_costly;
    } cases[] = {
        {1, NULL, false},
        {MRC_GRANTS_FEW_PATTERNS, NULL, false},
        {MRC_GRANTS_FEW_PATTERNS + 1, NULL, true},
        {1, "/(a)", true},
        {1, "*", false},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct mrc_grants *grants = accept_patterns(cases[i].count, cases[i].regexp);

        ck_assert_int_eq(mrc_grants_are_costly(grants), cases[i].are_costly);
        mrc_grants_free(grants);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("grants");
    TCase *tcase = tcase_create("grants");

    tcase_add_test(tcase, no_details_grant_nothing);
    tcase_add_test(tcase, finds_one_of_many_entries);
    tcase_add_test(tcase, knows_costly_grants);
    tcase_add_test(tcase, the_claim_is_an_array_of_typed_objects);
    tcase_add_test(tcase, actions_are_non_empty_lists_of_strings);
    tcase_add_test(tcase, unknown_actions_grant_nothing);
    tcase_add_test(tcase, topics_are_non_empty_lists_of_matchers);
    tcase_add_test(tcase, match_type_is_a_known_name);
    tcase_add_test(tcase, the_wildcard_comes_before_the_type);
    tcase_add_test(tcase, one_bad_detail_refuses_all);
    tcase_add_test(tcase, payload_is_an_object);
    tcase_add_test(tcase, payload_of_the_first_subscribe_detail_that_matches);
    tcase_add_test(tcase, entries_can_be_listed);
    tcase_add_test(tcase, refuses_claims_past_the_limits);
    tcase_add_test(tcase, quotes_are_short_and_printable);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
