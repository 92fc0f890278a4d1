/* The matchers of a subscription, from the parameters of a request: limits, and too little memory.
 */
#include "httpd/resource/matchers.h"

#include "core/protocol/form.h"
#include "failing_calls.h"
#include "httpd/config/settings.h"
#include "hub_unit.h"

#define RING         ((uint64_t)64 * 1024)
#define BASE         "https://example.com/"
#define PATTERNS_MAX 3

static const struct mrc_hub_spec spec = {
    .limits = {.dispatch_timeout_us = 1000000, .patterns_max = PATTERNS_MAX}};
static const struct mrc_hub_settings narrow = {
    .limits = {.patterns_max = PATTERNS_MAX}, .limit_matchers = 4, .limit_pattern_bytes = 100};
static const struct mrc_hub_spec wide_spec = {
    .limits = {.dispatch_timeout_us = 1000000, .patterns_max = 1000}};
static const struct mrc_hub_settings wide = {
    .limits = {.patterns_max = 1000}, .limit_matchers = 100, .limit_pattern_bytes = 8000};

static const struct mrc_hub_settings *settings = &narrow;
static struct hub_place place;
static struct mrc_form *query;
static struct mrc_subscription subscription;
static struct mrc_error error;

static void setup(void)
{
    place = hub_place_open(RING, &spec);
}

static void teardown(void)
{
    mrc_form_free(query);
    hub_place_close(&place);
}

static void set_query(const char *text)
{
    mrc_form_free(query);
    ck_assert_int_eq(mrc_form_parse(mrc_bytes_of(text), 1000, NULL, &query), MRC_OK);
}

/* Compiles the query into the subscription, which the caller clears. */
static enum mrc_err compile(bool is_legacy)
{
    const struct mrc_matchers_request request = {
        .query = query,
        .is_legacy = is_legacy,
        .base = BASE,
        .hub = place.hub,
        .settings = settings,
    };

    subscription = (struct mrc_subscription){.matchers = NULL};
    error = (struct mrc_error){""};
    return mrc_matchers_compile(&request, &error, &subscription);
}

static void clear(void)
{
    mrc_subscription_clear(place.hub, &subscription);
}

static void refuse(const char *text, enum mrc_err want, const char *words)
{
    set_query(text);
    ck_assert_int_eq(compile(false), want);
    ck_assert_msg(strstr(error.text, words) != NULL, "%s: %s", text, error.text);
    clear();
}

START_TEST(each_parameter_is_a_matcher)
{
    static const enum mrc_matcher_type types[] = {MRC_MATCHER_EXACT, MRC_MATCHER_URLPATTERN,
                                                  MRC_MATCHER_EXACT};
    static const char *const values[] = {"a", "/b/:id", "c"};

    set_query("match=a&match_urlpattern=/b/:id&x=y&match_exact=c&last_event_id=d");
    ck_assert_int_eq(compile(false), MRC_OK);
    ck_assert_uint_eq(subscription.matchers_count, 3);
    for (size_t i = 0; i < 3; i++) {
        ck_assert_int_eq(mrc_matcher_get_type(subscription.matchers[i]), types[i]);
        ck_assert_bytes_eq(mrc_matcher_get_value(subscription.matchers[i]), values[i]);
    }
    ck_assert_str_eq(mrc_matcher_get_base(subscription.matchers[1]), BASE);
    ck_assert(subscription.has_cursor);
    ck_assert_bytes_eq(subscription.cursor, "d");
    clear();

    set_query("match=a");
    ck_assert_int_eq(compile(false), MRC_OK);
    ck_assert(!subscription.has_cursor);
    clear();

    set_query("topic=/b/{id}");
    ck_assert_int_eq(compile(true), MRC_OK);
    ck_assert_int_eq(mrc_matcher_get_type(subscription.matchers[0]), MRC_MATCHER_TEMPLATE);
    clear();
}
END_TEST

START_TEST(matchers_have_limits)
{
    char text[200];

    set_query("match=a&match=b&match=c&match=d");
    ck_assert_int_eq(compile(false), MRC_OK);
    clear();
    refuse("match=a&match=b&match=c&match=d&match=e", MRC_ELIMIT, "4");
    memset(text, 'x', sizeof(text));
    memcpy(text, "match=", 6);
    text[6 + 100] = '\0';
    set_query(text);
    ck_assert_int_eq(compile(false), MRC_OK);
    clear();
    text[6 + 100] = 'x';
    text[6 + 101] = '\0';
    refuse(text, MRC_ELIMIT, "100");
    refuse("match_regexp=a", MRC_EINVAL, "names no matcher type");
    refuse("match_urlpattern=(", MRC_EINVAL, "");
}
END_TEST

/* A subscription that would fill the hub by itself is at fault; another one may try again. */
START_TEST(a_hub_may_be_full)
{
    struct mrc_subscription first;

    set_query("match_urlpattern=/a/:x&match_urlpattern=/b/:x&match_urlpattern=/c/:x&match=d");
    ck_assert_int_eq(compile(false), MRC_OK);
    first = subscription;
    refuse("match_urlpattern=/d/:x", MRC_EFULL, "");
    refuse("match_urlpattern=/a/:x&match_urlpattern=/d/:x", MRC_EFULL, "");
    refuse("match=a&match=b&match=c&match_urlpattern=/d/:x", MRC_EFULL, ""); /* one pattern */
    set_query("match_urlpattern=/a/:x&match_urlpattern=/b/:x");              /* it has them */
    ck_assert_int_eq(compile(false), MRC_OK);
    clear();
    mrc_subscription_clear(place.hub, &first);
    refuse("match_urlpattern=/a/:x&match_urlpattern=/b/:x&match_urlpattern=/c/:x"
           "&match_urlpattern=/d/:x",
           MRC_ELIMIT, "at most 3 URL Patterns");
}
END_TEST

/* A pattern of 4,000 bytes takes about 37 KB. */
START_TEST(the_patterns_of_a_subscription_have_a_limit_together)
{
    enum { COUNT = 40, STARS = 1980 };
    static char text[COUNT * (2 * STARS + 40)];
    size_t len = 0;

    hub_place_close(&place);
    place = hub_place_open(RING, &wide_spec);
    settings = &wide;
    for (unsigned i = 0; i < COUNT; i++) {
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%smatch_urlpattern=/%u/",
                                i ? "&" : "", i);
        for (unsigned star = 0; star < STARS; star++)
            len += (size_t)snprintf(text + len, sizeof(text) - len, "*a");
        if (i == COUNT / 2) {
            set_query(text);
            ck_assert_int_eq(compile(false), MRC_OK);
            clear();
        }
    }
    refuse(text, MRC_ELIMIT, "at most 1048576 bytes");
}
END_TEST

static bool compile_all(void)
{
    enum mrc_err err = compile(false);

    ck_assert(!err || err == MRC_ENOMEM);
    ck_assert(err || subscription.matchers_count == 3);
    clear();
    return !err;
}

/* A client that is refused for lack of memory has left nothing in the hub. */
START_TEST(each_allocation_may_fail)
{
    set_query(
        "match=a&match_urlpattern=/b/:id&match_urlpattern=https://*.example/c&last_event_id=d");
    fail_in_turn("compile", compile_all, 5);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("matchers");
    TCase *tcase = tcase_create("matchers");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, each_parameter_is_a_matcher);
    tcase_add_test(tcase, matchers_have_limits);
    tcase_add_test(tcase, a_hub_may_be_full);
    tcase_add_test(tcase, the_patterns_of_a_subscription_have_a_limit_together);
    tcase_add_test(tcase, each_allocation_may_fail);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
