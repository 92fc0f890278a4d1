#include "hub/hub/patterns.h"

#include <pthread.h>
#include <stdatomic.h>

#include "failing_alloc.h"
#include "hub_unit.h"
#include "interrupted.h"

#define BASE "https://example.com/hub"

static struct mrc_hub_spec spec;
static struct hub_place place;
static struct mrc_hub *other; /* the same hub in another child */

static void setup(void)
{
    spec = (struct mrc_hub_spec){.limits.patterns_max = 3};
}

/* Opens the hub, with SPEC as it is now. */
static void start(void)
{
    place = hub_place_open(65536, &spec);
    other = mrc_hub_open(place.pool, place.segment, place.notify, 0, 0, &spec,
                         MRC_HISTORY_OPEN_WAIT_US, NULL);
}

static void finish(void)
{
    ck_assert_uint_eq(mrc_numbers_gauge(mrc_hub_numbers(place.hub), MRC_GAUGE_PATTERNS), 0);
    ck_assert_uint_eq(mrc_numbers_gauge(mrc_hub_numbers(place.hub), MRC_GAUGE_PATTERN_BYTES), 0);
    hub_place_close(&place);
}

static enum mrc_err try_get(struct mrc_hub *hub, const char *value, const char *base,
                            struct mrc_matcher **ret_matcher)
{
    return mrc_patterns_get(mrc_hub_patterns(hub), MRC_MATCHER_URLPATTERN, mrc_bytes_of(value),
                            base, NULL, ret_matcher);
}

static struct mrc_matcher *get(struct mrc_hub *hub, const char *value)
{
    struct mrc_matcher *matcher = NULL;

    ck_assert_int_eq(try_get(hub, value, BASE, &matcher), MRC_OK);
    return matcher;
}

static void put(struct mrc_hub *hub, struct mrc_matcher *matcher)
{
    mrc_patterns_put(mrc_hub_patterns(hub), matcher);
}

static uint64_t count(void)
{
    return mrc_numbers_gauge(mrc_hub_numbers(place.hub), MRC_GAUGE_PATTERNS);
}

static uint64_t bytes(void)
{
    return mrc_numbers_gauge(mrc_hub_numbers(place.hub), MRC_GAUGE_PATTERN_BYTES);
}

START_TEST(a_pattern_is_kept_once)
{
    struct mrc_matcher *first, *second, *elsewhere = NULL;

    start();
    first = get(place.hub, "/:x");
    second = get(place.hub, "/:x");
    ck_assert_ptr_eq(first, second);
    ck_assert_uint_eq(count(), 1);
    ck_assert_uint_eq(bytes(), mrc_matcher_size(first));
    ck_assert_int_eq(try_get(place.hub, "/:x", "https://other.example/", &elsewhere), MRC_OK);
    ck_assert_ptr_ne(elsewhere, first); /* its base differs */
    ck_assert_uint_eq(count(), 2);
    put(place.hub, first);
    ck_assert_uint_eq(count(), 2);
    ck_assert(mrc_matcher_matches(second, mrc_bytes_of("https://example.com/1")));
    put(place.hub, second);
    put(place.hub, elsewhere);
    put(place.hub, NULL);
    ck_assert_uint_eq(count(), 0);
    finish();
}
END_TEST

START_TEST(only_patterns_are_counted)
{
    static const char *const values[] = {"*", "https://example.com/a"};
    struct mrc_matcher *matchers[4];

    start();
    matchers[0] = get(place.hub, "*");
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(mrc_patterns_get(mrc_hub_patterns(place.hub), MRC_MATCHER_EXACT,
                                          mrc_bytes_of(values[i]), BASE, NULL, &matchers[1 + i]),
                         MRC_OK);
    ck_assert_int_eq(mrc_patterns_get(mrc_hub_patterns(place.hub), MRC_MATCHER_TEMPLATE,
                                      mrc_bytes_of(values[1]), BASE, NULL, &matchers[3]),
                     MRC_OK);
    ck_assert_uint_eq(count(), 0);
    ck_assert_uint_eq(bytes(), 0);
    for (int i = 0; i < 4; i++)
        put(place.hub, matchers[i]);
    finish();
}
END_TEST

START_TEST(a_template_has_no_base)
{
    struct mrc_matcher *matchers[2];

    start();
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(mrc_patterns_get(mrc_hub_patterns(place.hub), MRC_MATCHER_TEMPLATE,
                                          mrc_bytes_of("https://example.com/{id}"), i ? BASE : NULL,
                                          NULL, &matchers[i]),
                         MRC_OK);
    ck_assert_ptr_eq(matchers[0], matchers[1]);
    ck_assert_uint_eq(count(), 1);
    for (int i = 0; i < 2; i++)
        put(place.hub, matchers[i]);
    finish();
}
END_TEST

START_TEST(a_malformed_pattern_is_not_counted)
{
    struct mrc_matcher *matcher = NULL;
    struct mrc_error error = {""};

    start();
    ck_assert_int_eq(mrc_patterns_get(mrc_hub_patterns(place.hub), MRC_MATCHER_URLPATTERN,
                                      mrc_bytes_of("/("), BASE, &error, &matcher),
                     MRC_EINVAL);
    ck_assert_str_ne(error.text, "");
    ck_assert_ptr_null(matcher);
    ck_assert_uint_eq(count(), 0);
    finish();
}
END_TEST

/* The limit applies to both children together. */
START_TEST(the_number_is_limited_over_all_children)
{
    struct mrc_matcher *here[2], *there, *more = NULL;

    start();
    here[0] = get(place.hub, "/a/:x");
    here[1] = get(place.hub, "/b/:x");
    there = get(other, "/a/:x"); /* each child has patterns of its own */
    ck_assert_uint_eq(count(), 3);
    ck_assert_int_eq(try_get(place.hub, "/c/:x", BASE, &more), MRC_EFULL);
    ck_assert_int_eq(try_get(other, "/c/:x", BASE, &more), MRC_EFULL);
    ck_assert_ptr_null(more);
    ck_assert_uint_eq(count(), 3);
    ck_assert_uint_eq(bytes(), 3 * mrc_matcher_size(there));
    more = get(place.hub, "/a/:x"); /* it is there already */
    put(place.hub, more);
    put(place.hub, here[1]);
    more = get(other, "/c/:x");
    put(other, more);
    put(other, there);
    put(place.hub, here[0]);
    finish();
}
END_TEST

static size_t size_of(const char *value)
{
    struct mrc_matcher *matcher = hub_matcher(MRC_MATCHER_URLPATTERN, value, BASE);
    size_t size = mrc_matcher_size(matcher);

    mrc_matcher_free(matcher);
    return size;
}

/* With the bytes that two patterns need, and with one byte less. */
START_TEST(the_bytes_are_limited)
{
    struct mrc_matcher *small, *large = NULL, *more = NULL;

    spec.limits.patterns_max = 0;
    spec.limits.pattern_bytes_max = size_of("/:x") + size_of("/([a-z]+)/:x") - (size_t)_i;
    start();
    small = get(place.hub, "/:x");
    ck_assert_int_eq(try_get(place.hub, "/([a-z]+)/:x", BASE, &large), _i ? MRC_EFULL : MRC_OK);
    ck_assert_int_eq(try_get(place.hub, "/([0-9]+)/:y/:z", BASE, &more), MRC_EFULL);
    put(place.hub, large);
    put(place.hub, small);
    finish();
}
END_TEST

/* Folding the slot of a dead child takes its patterns out of the sums. */
START_TEST(a_dead_child_has_no_patterns)
{
    struct mrc_matcher *there[3], *here;

    start();
    there[0] = get(other, "/a/:x");
    there[1] = get(other, "/b/:x");
    there[2] = get(other, "/c/:x");
    ck_assert_int_eq(try_get(place.hub, "/d/:x", BASE, &here), MRC_EFULL);
    ck_assert(mrc_patterns_should_report(mrc_hub_patterns(other)));
    mrc_hub_segment_fold(place.segment, 0);
    ck_assert_uint_eq(count(), 0);
    ck_assert_uint_eq(bytes(), 0);
    here = get(place.hub, "/d/:x");
    ck_assert(mrc_patterns_should_report(mrc_hub_patterns(place.hub)));
    put(place.hub, here);
    for (int i = 0; i < 3; i++) /* the patterns of the dead child do not count */
        put(other, there[i]);
    finish();
}
END_TEST

START_TEST(a_full_table_is_reported_once)
{
    struct mrc_patterns *mine, *theirs;
    struct mrc_matcher *matchers[3], *more;

    spec.limits.patterns_max = 4;
    start();
    mine = mrc_hub_patterns(place.hub);
    theirs = mrc_hub_patterns(other);
    matchers[0] = get(place.hub, "/a/:x");
    matchers[1] = get(place.hub, "/b/:x");
    matchers[2] = get(place.hub, "/c/:x");
    ck_assert(mrc_patterns_should_report(mine));
    ck_assert(!mrc_patterns_should_report(mine));
    ck_assert(!mrc_patterns_should_report(theirs)); /* the other child has reported it */
    more = get(place.hub, "/d/:x");
    put(place.hub, more);
    ck_assert(!mrc_patterns_should_report(mine)); /* more than half of the limit is still in use */
    put(place.hub, matchers[1]);
    put(place.hub, matchers[2]);
    more = get(place.hub, "/d/:x"); /* the limit leaves room again */
    ck_assert(mrc_patterns_should_report(theirs));
    ck_assert(!mrc_patterns_should_report(mine));
    put(place.hub, more);
    put(place.hub, matchers[0]);
    finish();
}
END_TEST

START_TEST(no_memory_leaves_nothing)
{
    struct mrc_matcher *matcher = NULL;
    unsigned failures = 0;
    char value[32];

    spec.limits.patterns_max = 0;
    start();
    for (unsigned i = 0; i < 130; i++) { /* more than its first size */
        snprintf(value, sizeof(value), "/%u/:x", i);
        for (long left = 0;; left++) {
            enum mrc_err err;

            alloc_left = left;
            err = try_get(place.hub, value, BASE, &matcher);
            alloc_left = -1;
            if (!err)
                break;
            failures++;
            ck_assert_int_eq(err, MRC_ENOMEM);
            ck_assert_uint_eq(count(), i);
        }
    }
    ck_assert_uint_gt(failures, 130);
    for (unsigned i = 0; i < 130; i++) {
        struct mrc_matcher *again;

        snprintf(value, sizeof(value), "/%u/:x", i);
        again = get(place.hub, value);
        put(place.hub, again);
        put(place.hub, again);
        ck_assert_uint_eq(count(), 129 - i);
    }
    finish();
}
END_TEST

/* ---- threads ----------------------------------------------------------------------------------*/

#define THREADS 4

static atomic_uint refused;

static void *come_and_go(void *arg)
{
    uint64_t random = (uint64_t)(uintptr_t)arg;
    struct mrc_hub *hub = random % 2 ? place.hub : other;
    char value[32];

    for (int i = 0; i < 3000; i++) {
        struct mrc_matcher *matcher;

        snprintf(value, sizeof(value), "/%u/:x", hub_random_below(&random, 5));
        if (try_get(hub, value, BASE, &matcher) == MRC_OK) {
            ck_assert(mrc_bytes_eq_str(mrc_matcher_get_value(matcher), value));
            put(hub, matcher);
        } else {
            atomic_fetch_add(&refused, 1);
        }
    }
    return NULL;
}

/* Threads add and remove patterns: never more than allowed, and none in the end. */
START_TEST(threads_share)
{
    pthread_t threads[THREADS];

    spec.limits.patterns_max = 2;
    start();
    for (uintptr_t i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, come_and_go, (void *)(i + 1));
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    finish();
}
END_TEST

/* A pattern that is there: nothing is allocated. */
static bool get_and_put(void *value)
{
    struct mrc_matcher *matcher;

    if (try_get(place.hub, value, BASE, &matcher) != MRC_OK)
        return false;
    put(place.hub, matcher);
    return true;
}

START_TEST(no_thread_waits_for_an_interrupted_one)
{
    struct mrc_matcher *matcher;

    start();
    matcher = get(place.hub, "/a/*");
    interrupted_run(get_and_put, (void *)"/a/*");
    put(place.hub, matcher);
    finish();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("patterns");
    TCase *tcase = tcase_create("patterns");

    tcase_set_timeout(tcase, 120);
    tcase_add_checked_fixture(tcase, setup, NULL);
    tcase_add_test(tcase, a_pattern_is_kept_once);
    tcase_add_test(tcase, only_patterns_are_counted);
    tcase_add_test(tcase, a_template_has_no_base);
    tcase_add_test(tcase, a_malformed_pattern_is_not_counted);
    tcase_add_test(tcase, the_number_is_limited_over_all_children);
    tcase_add_loop_test(tcase, the_bytes_are_limited, 0, 2);
    tcase_add_test(tcase, a_dead_child_has_no_patterns);
    tcase_add_test(tcase, a_full_table_is_reported_once);
    tcase_add_test(tcase, no_memory_leaves_nothing);
    tcase_add_test(tcase, threads_share);
    tcase_add_test(tcase, no_thread_waits_for_an_interrupted_one);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
