#include "core/protocol/form.h"
#include "core/protocol/subscription.h"
#include "failing_alloc.h"
#include "unit.h"

#define MATCHERS_MAX 3
#define VALUE_MAX    20

/* A request and the forms that its views point into. */
struct read {
    struct mrc_form *query, *body;
    struct mrc_subscription_request request;
    struct mrc_error error;
    enum mrc_err err;
};

static struct mrc_form *parse_form(const char *text)
{
    struct mrc_form *form = NULL;

    if (text)
        ck_assert_int_eq(mrc_form_parse(mrc_bytes_of(text), 100, NULL, &form), MRC_OK);
    return form;
}

static void read_again(struct read *read, bool is_legacy)
{
    struct mrc_subscription_rules rules = {MATCHERS_MAX, VALUE_MAX, is_legacy};

    mrc_subscription_request_clear(&read->request);
    read->error.text[0] = '\0';
    read->err =
        mrc_subscription_parse(read->query, read->body, &rules, &read->error, &read->request);
}

/* QUERY and BODY may be NULL. */
static struct read read_parts(const char *query, const char *body, bool is_legacy)
{
    struct read read = {.query = parse_form(query), .body = parse_form(body)};

    read_again(&read, is_legacy);
    return read;
}

static void done(struct read *read)
{
    mrc_subscription_request_clear(&read->request);
    mrc_form_free(read->query);
    mrc_form_free(read->body);
}

/* Fails unless QUERY is refused with ERR and words that hold WORD, and REQUEST stays untouched. */
static void check_refused(const char *query, bool is_legacy, enum mrc_err err, const char *word)
{
    struct read read = read_parts(query, NULL, is_legacy);

    ck_assert_msg(read.err == err, "%s: %d, want %d", query, read.err, err);
    ck_assert_msg(strstr(read.error.text, word) != NULL, "%s: \"%s\" lacks \"%s\"", query,
                  read.error.text, word);
    ck_assert_ptr_null(read.request.matchers);
    ck_assert_uint_eq(read.request.matchers_count, 0);
    done(&read);
}

#define ck_assert_matcher(read, i, want_type, want_value)                                          \
    do {                                                                                           \
        ck_assert_uint_lt((i), (read).request.matchers_count);                                     \
        ck_assert_bytes_eq((read).request.matchers[i].type, want_type);                            \
        ck_assert_bytes_eq((read).request.matchers[i].value, want_value);                          \
    } while (0)

START_TEST(returns_types_and_values_in_their_order)
{
    struct read read =
        read_parts("match=a%20b&other=1&match_urlpattern=/x/:id&match_new=", NULL, false);

    ck_assert_int_eq(read.err, MRC_OK);
    ck_assert_uint_eq(read.request.matchers_count, 3);
    ck_assert_matcher(read, 0, "exact", "a b");
    ck_assert_matcher(read, 1, "urlpattern", "/x/:id");
    ck_assert_matcher(read, 2, "new", ""); /* the caller decides whether the type exists */
    ck_assert(!read.request.has_cursor);
    done(&read);
    read = read_parts("match_exact=a&match_=b", NULL, false);
    ck_assert_matcher(read, 0, "exact", "a");
    ck_assert_matcher(read, 1, "", "b");
    ck_assert_ptr_nonnull(read.request.matchers[1].type.ptr);
    done(&read);
}
END_TEST

START_TEST(joins_query_and_body)
{
    struct read read = read_parts("match=a", "match=b&match_urlpattern=c", false);

    ck_assert_int_eq(read.err, MRC_OK);
    ck_assert_uint_eq(read.request.matchers_count, 3);
    ck_assert_matcher(read, 0, "exact", "a");
    ck_assert_matcher(read, 1, "exact", "b");
    ck_assert_matcher(read, 2, "urlpattern", "c");
    done(&read);
    read = read_parts(NULL, "match=b", false);
    ck_assert_int_eq(read.err, MRC_OK);
    ck_assert_matcher(read, 0, "exact", "b");
    done(&read);
    read = read_parts("match=a&match=b", "match=c&match=d", false);
    ck_assert_int_eq(read.err, MRC_ELIMIT);
    done(&read);
}
END_TEST

START_TEST(refuses_other_names_that_begin_with_match)
{
    static const char *const names[] = {"MATCH=a",      "Match_exact=a", "matcher=a",
                                        "matchexact=a", "match-exact=a", "mAtCh_urlpattern=a",
                                        "match%00=a"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char query[64];

        snprintf(query, sizeof(query), "match=b&%s", names[i]);
        check_refused(query, i % 2, MRC_EINVAL, "begins with match");
    }
}
END_TEST

START_TEST(ignores_other_parameters)
{
    struct read read = read_parts("mat=1&matc=2&=3&-atch=4&\x0d"
                                  "atch=5&xmatch=6&Topic=7&match=a&data=8",
                                  NULL, false);

    ck_assert_int_eq(read.err, MRC_OK);
    ck_assert_uint_eq(read.request.matchers_count, 1);
    ck_assert_matcher(read, 0, "exact", "a");
    done(&read);
}
END_TEST

START_TEST(needs_a_matcher)
{
    check_refused("", false, MRC_EINVAL, "names no topic");
    check_refused("last_event_id=1&x=y", true, MRC_EINVAL, "names no topic");
}
END_TEST

START_TEST(keeps_to_the_limits)
{
    struct read read = read_parts("match=12345678901234567890&match=&match=c", NULL, false);

    ck_assert_int_eq(read.err, MRC_OK);
    ck_assert_uint_eq(read.request.matchers_count, MATCHERS_MAX);
    done(&read);
    check_refused("match=123456789012345678901", false, MRC_ELIMIT, "at most 20 bytes");
    check_refused("match=a&match=b&match=c&match=d", false, MRC_ELIMIT, "at most 3 topic matchers");
    check_refused("topic=123456789012345678901", true, MRC_ELIMIT, "at most 20 bytes");
    check_refused("topic=a&match=b&topic=c&topic=d", true, MRC_ELIMIT, "at most 3 topic matchers");
}
END_TEST

START_TEST(refuses_values_that_are_not_text)
{
    check_refused("match=%FF", false, MRC_EINVAL, "UTF-8 at byte 0");
    check_refused("match=a%0Ab", false, MRC_EINVAL, "U+000A at byte 1");
    check_refused("match_urlpattern=%E2%80%8D", false, MRC_EINVAL, "U+200D");
    check_refused("topic=%00", true, MRC_EINVAL, "U+0000");
}
END_TEST

START_TEST(takes_the_first_cursor)
{
    struct read read =
        read_parts("match=a&last_event_id=1&last_event_id=2", "last_event_id=3", false);

    ck_assert(read.request.has_cursor);
    ck_assert_bytes_eq(read.request.cursor, "1");
    done(&read);
    read = read_parts("match=a", "last_event_id=3&last_event_id=2", false);
    ck_assert(read.request.has_cursor);
    ck_assert_bytes_eq(read.request.cursor, "3");
    done(&read);
    read = read_parts("match=a&last_event_id=", "last_event_id=3", false);
    ck_assert(read.request.has_cursor);
    ck_assert_bytes_eq(read.request.cursor, "");
    done(&read);
    read = read_parts("match=a&lastEventID=1&Last-Event-ID=2&lastEventId=3", NULL, false);
    ck_assert(!read.request.has_cursor);
    done(&read);
}
END_TEST

START_TEST(takes_the_first_cursor_of_protocol_0_that_is_not_empty)
{
    static const char *const names[] = {"lastEventID", "Last-Event-ID", "lastEventId",
                                        "last_event_id"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct read read;
        char query[80];

        snprintf(query, sizeof(query), "last_event_id=&%s=1&topic=a&last_event_id=2", names[i]);
        read = read_parts(query, NULL, true);
        ck_assert_int_eq(read.err, MRC_OK);
        ck_assert(read.request.has_cursor);
        ck_assert_bytes_eq(read.request.cursor, "1");
        done(&read);
    }
}
END_TEST

START_TEST(takes_topics_of_protocol_0_if_it_is_spoken)
{
    struct read read = read_parts("topic=/a/{id}&match=b", "topic=c", true);

    ck_assert_int_eq(read.err, MRC_OK);
    ck_assert_uint_eq(read.request.matchers_count, 3);
    ck_assert_ptr_null(read.request.matchers[0].type.ptr);
    ck_assert_bytes_eq(read.request.matchers[0].value, "/a/{id}");
    ck_assert_matcher(read, 1, "exact", "b");
    ck_assert_ptr_null(read.request.matchers[2].type.ptr);
    done(&read);
    check_refused("match=b&topic=a", false, MRC_EINVAL, "MercureLegacy On");
}
END_TEST

START_TEST(field_may_be_in_utf_8_or_iso_8859_1)
{
    static const struct {
        const char *field, *want;
    } rows[] = {
        {"", ""},
        {"urn:x", "urn:x"},
        {"\xc3\xa9 \xe2\x82\xac", "\xc3\xa9 \xe2\x82\xac"},
        {"\xe9", "\xc3\xa9"},
        {"a\xff\x80z", "a\xc3\xbf\xc2\x80z"},
        {"\xc3\xa9\xe9", "\xc3\x83\xc2\xa9\xc3\xa9"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct mrc_bytes field = mrc_bytes_of(rows[i].field);
        char *room = malloc(2 * field.len + 1);

        ck_assert_bytes_eq(mrc_subscription_cursor_of_field(field, room), rows[i].want);
        free(room);
    }
}
END_TEST

START_TEST(says_when_memory_runs_out)
{
    struct read read = read_parts("match=a", NULL, false);

    alloc_left = 0;
    read_again(&read, false);
    alloc_left = -1;
    ck_assert_int_eq(read.err, MRC_ENOMEM);
    ck_assert_ptr_null(read.request.matchers);
    done(&read);
    mrc_subscription_request_clear(NULL);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("subscription");
    TCase *tcase = tcase_create("subscription");

    tcase_add_test(tcase, returns_types_and_values_in_their_order);
    tcase_add_test(tcase, joins_query_and_body);
    tcase_add_test(tcase, refuses_other_names_that_begin_with_match);
    tcase_add_test(tcase, ignores_other_parameters);
    tcase_add_test(tcase, needs_a_matcher);
    tcase_add_test(tcase, keeps_to_the_limits);
    tcase_add_test(tcase, refuses_values_that_are_not_text);
    tcase_add_test(tcase, takes_the_first_cursor);
    tcase_add_test(tcase, takes_the_first_cursor_of_protocol_0_that_is_not_empty);
    tcase_add_test(tcase, field_may_be_in_utf_8_or_iso_8859_1);
    tcase_add_test(tcase, takes_topics_of_protocol_0_if_it_is_spoken);
    tcase_add_test(tcase, says_when_memory_runs_out);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
