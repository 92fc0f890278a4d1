#include "hub/index/index.h"

#include <inttypes.h>
#include <stdlib.h>

#include "failing_alloc.h"
#include "hub/index/cache.h"
#include "hub_unit.h"
#include "pattern_gen.h"

#define BASE  "https://example.com/hub"
#define OTHER "https://other.example/hub"

static const uint64_t key[2] = {1, 2};

#define MATCHERS_MAX 4

/* A listener that owns its matchers. */
struct ear {
    struct mrc_listener listener; /* the first member */
    struct mrc_matcher *matchers[MATCHERS_MAX];
    size_t count;
    bool is_in;
    unsigned found;
};

static void heard(struct mrc_listener *listener, void *ctx)
{
    ((struct ear *)listener)->found++;
}

static void drop_matchers(struct ear *ear)
{
    for (size_t i = 0; i < ear->count; i++)
        mrc_matcher_free(ear->matchers[i]);
    ear->count = 0;
}

static long held; /* bytes that indexes hold, as counted by the functions below */

static void listen_to(struct mrc_index *index, struct ear *ear)
{
    apr_status_t status;

    held -= alloc_bytes;
    status = mrc_index_add(index, &ear->listener, ear->matchers, ear->count);
    held += alloc_bytes;
    ck_assert_int_eq(status, APR_SUCCESS);
    ear->is_in = true;
}

static void leave(struct mrc_index *index, struct ear *ear)
{
    held -= alloc_bytes;
    mrc_index_remove(index, &ear->listener);
    held += alloc_bytes;
    ear->is_in = false;
    drop_matchers(ear);
}

/* Adds EAR with one matcher: a URL Pattern if BASE is given, else exact. */
static void listen_to_one(struct mrc_index *index, struct ear *ear, const char *value,
                          const char *base)
{
    ear->matchers[0] = hub_matcher(base ? MRC_MATCHER_URLPATTERN : MRC_MATCHER_EXACT, value, base);
    ear->count = 1;
    listen_to(index, ear);
}

static void collect_one(struct mrc_index *index, struct mrc_bytes topic)
{
    apr_status_t status;

    held -= alloc_bytes;
    status = mrc_index_collect(index, &topic, 1, heard, NULL);
    held += alloc_bytes;
    ck_assert_int_eq(status, APR_SUCCESS);
}

/* How many times EAR is found for TOPIC. */
static unsigned found_for(struct mrc_index *index, struct ear *ear, const char *topic)
{
    ear->found = 0;
    collect_one(index, mrc_bytes_of(topic));
    return ear->found;
}

START_TEST(finds_what_each_kind_matches)
{
    struct mrc_index *index = mrc_index_create(key);
    struct ear exact = {.count = 0}, all = {.count = 0}, pattern = {.count = 0};

    ck_assert_uint_eq(found_for(index, &all, "https://example.com/a"), 0);
    listen_to_one(index, &exact, "https://example.com/a", NULL);
    listen_to_one(index, &all, "*", NULL);
    listen_to_one(index, &pattern, "https://example.com/:x", BASE);
    ck_assert_uint_eq(found_for(index, &exact, "https://example.com/a"), 1);
    ck_assert_uint_eq(found_for(index, &all, "https://example.com/a"), 1);
    ck_assert_uint_eq(found_for(index, &pattern, "https://example.com/a"), 1);
    ck_assert_uint_eq(found_for(index, &exact, "https://example.com/b"), 0);
    ck_assert_uint_eq(found_for(index, &exact, "https://example.com/a/"), 0);
    ck_assert_uint_eq(found_for(index, &pattern, "https://example.com/a/b"), 0);
    ck_assert_uint_eq(found_for(index, &all, ""), 1);
    leave(index, &all);
    ck_assert_uint_eq(found_for(index, &all, "https://example.com/a"), 0);
    ck_assert_uint_eq(found_for(index, &exact, "https://example.com/a"), 1);
    leave(index, &exact);
    leave(index, &pattern);
    mrc_index_remove(index, &pattern.listener); /* it is not in */
    mrc_index_free(index);
    mrc_index_free(NULL);
}
END_TEST

static void listen_to_template(struct mrc_index *index, struct ear *ear, const char *value)
{
    ear->matchers[0] = hub_matcher(MRC_MATCHER_TEMPLATE, value, NULL);
    ear->count = 1;
    listen_to(index, ear);
}

/* A template is a pattern; one without an expression is an exact string. */
START_TEST(finds_templates)
{
    struct mrc_index *index = mrc_index_create(key);
    struct ear template = {.count = 0}, literal = {.count = 0}, exact = {.count = 0};
    struct ear pattern = {.count = 0}, all = {.count = 0};

    listen_to_template(index, &template, "https://example.com/{x}");
    listen_to_template(index, &literal, "https://example.com/a");
    listen_to_template(index, &all, "*");
    listen_to_one(index, &exact, "https://example.com/a", NULL);
    listen_to_one(index, &pattern, "/:x", BASE);
    ck_assert_uint_eq(found_for(index, &template, "https://example.com/a"), 1);
    ck_assert_uint_eq(found_for(index, &literal, "https://example.com/a"), 1);
    ck_assert_uint_eq(found_for(index, &exact, "https://example.com/a"), 1);
    ck_assert_uint_eq(found_for(index, &pattern, "https://example.com/a"), 1);
    ck_assert_uint_eq(found_for(index, &all, "https://example.com/a"), 1);
    ck_assert_uint_eq(found_for(index, &template, "https://example.com/a/b"), 0);
    ck_assert_uint_eq(found_for(index, &template, "https://example.com/{x}"), 1);
    ck_assert_uint_eq(found_for(index, &literal, "https://example.com/b"), 0);
    leave(index, &literal);
    ck_assert_uint_eq(found_for(index, &exact, "https://example.com/a"), 1);
    leave(index, &exact);
    leave(index, &template);
    ck_assert_uint_eq(found_for(index, &template, "https://example.com/a"), 0);
    leave(index, &pattern);
    leave(index, &all);
    mrc_index_free(index);
}
END_TEST

START_TEST(finds_each_listener_once)
{
    static const char *const topics[] = {"https://example.com/a", "https://example.com/b",
                                         "https://example.com/a"};
    struct mrc_index *index = mrc_index_create(key);
    struct mrc_bytes views[3];
    struct ear ear = {.count = 4};

    ear.matchers[0] = hub_matcher(MRC_MATCHER_EXACT, topics[0], NULL);
    ear.matchers[1] = hub_matcher(MRC_MATCHER_EXACT, topics[0], NULL); /* the same one twice */
    ear.matchers[2] = hub_matcher(MRC_MATCHER_URLPATTERN, "/*", BASE);
    ear.matchers[3] = hub_matcher(MRC_MATCHER_EXACT, "*", NULL);
    listen_to(index, &ear);
    for (size_t i = 0; i < 3; i++)
        views[i] = mrc_bytes_of(topics[i]);
    for (unsigned i = 1; i < 4; i++) {
        mrc_index_collect(index, views, 3, heard, NULL);
        ck_assert_uint_eq(ear.found, i);
    }
    leave(index, &ear);
    mrc_index_collect(index, views, 3, heard, NULL);
    ck_assert_uint_eq(ear.found, 3);
    mrc_index_free(index);
}
END_TEST

START_TEST(equal_patterns_with_other_bases_differ)
{
    struct mrc_index *index = mrc_index_create(key);
    struct ear here = {.count = 0}, there = {.count = 0}, again = {.count = 0};

    listen_to_one(index, &here, "/:x", BASE);
    listen_to_one(index, &there, "/:x", OTHER);
    listen_to_one(index, &again, "/:x", BASE);
    for (int i = 0; i < 2; i++) { /* the second time, from the cache */
        ck_assert_uint_eq(found_for(index, &here, "https://example.com/1"), 1);
        ck_assert_uint_eq(found_for(index, &there, "https://example.com/1"), 0);
        ck_assert_uint_eq(found_for(index, &here, "https://other.example/1"), 0);
        ck_assert_uint_eq(found_for(index, &there, "https://other.example/1"), 1);
        ck_assert_uint_eq(found_for(index, &here, "/1"), 1); /* each by its own pattern */
        ck_assert_uint_eq(found_for(index, &there, "/1"), 1);
    }
    leave(index, &here); /* its node stays, with the matcher of another listener */
    ck_assert_uint_eq(found_for(index, &again, "https://example.com/1"), 1);
    ck_assert_uint_eq(found_for(index, &again, "https://example.com/2"), 1);
    leave(index, &there);
    ck_assert_uint_eq(found_for(index, &again, "/1"), 1);
    leave(index, &again);
    mrc_index_free(index);
}
END_TEST

START_TEST(cached_results_are_never_stale)
{
    struct mrc_index *index = mrc_index_create(key);
    struct ear first = {.count = 0}, second = {.count = 0};

    listen_to_one(index, &first, "/a/*", BASE);
    ck_assert_uint_eq(found_for(index, &first, "https://example.com/a/1"), 1);
    ck_assert_uint_eq(found_for(index, &first, "https://example.com/b/1"), 0);
    listen_to_one(index, &second, "/b/*", BASE); /* one more pattern */
    ck_assert_uint_eq(found_for(index, &second, "https://example.com/b/1"), 1);
    ck_assert_uint_eq(found_for(index, &first, "https://example.com/a/1"), 1);
    leave(index, &first); /* a pattern less, then as many as before, but different ones */
    ck_assert_uint_eq(found_for(index, &first, "https://example.com/a/1"), 0);
    listen_to_one(index, &first, "/*/1", BASE);
    ck_assert_uint_eq(found_for(index, &first, "https://example.com/a/1"), 1);
    ck_assert_uint_eq(found_for(index, &first, "https://example.com/b/1"), 1);
    leave(index, &first);
    leave(index, &second);
    ck_assert_uint_eq(found_for(index, &second, "https://example.com/b/1"), 0);
    listen_to_one(index, &second, "/b/*", BASE);
    ck_assert_uint_eq(found_for(index, &second, "https://example.com/b/1"), 1);
    leave(index, &second);
    mrc_index_free(index);
}
END_TEST

/* Topics just below and above the longest that the cache takes. */
START_TEST(long_topics_are_matched_too)
{
    struct mrc_index *index = mrc_index_create(key);
    struct ear yes = {.count = 0}, no = {.count = 0};
    char topic[1024];

    listen_to_one(index, &yes, "/:x(1+)", BASE);
    listen_to_one(index, &no, "/:x(2+)", BASE);
    for (size_t len = 500; len < 530; len++) {
        memset(topic, '1', sizeof(topic));
        memcpy(topic, "https://example.com/", 20);
        topic[len] = '\0';
        for (int i = 0; i < 3; i++) {
            no.found = 0;
            ck_assert_uint_eq(found_for(index, &yes, topic), 1);
            ck_assert_uint_eq(no.found, 0);
        }
        topic[len - 1] = '2';
        for (int i = 0; i < 3; i++)
            ck_assert_uint_eq(found_for(index, &yes, topic), 0);
    }
    leave(index, &yes);
    leave(index, &no);
    mrc_index_free(index);
}
END_TEST

/* With more topics than entries in the cache, an entry holds one topic after the other. */
START_TEST(topics_share_entries_of_the_cache)
{
    struct mrc_index *index = mrc_index_create(key);
    struct ear even = {.count = 0};
    char topic[64];

    listen_to_one(index, &even, "/:x([0-9]*[02468])", BASE);
    for (int round = 0; round < 2; round++) {
        for (unsigned i = 0; i < 12000; i++) {
            snprintf(topic, sizeof(topic), "https://example.com/%u", i);
            ck_assert_uint_eq(found_for(index, &even, topic), i % 2 == 0);
            if (i % 7 == 0)
                ck_assert_uint_eq(found_for(index, &even, topic), i % 2 == 0);
        }
    }
    leave(index, &even);
    mrc_index_free(index);
}
END_TEST

START_TEST(grows_with_its_nodes)
{
    enum { EARS = 3000 };
    struct mrc_index *index = mrc_index_create(key);
    struct ear *ears = calloc(EARS, sizeof(*ears));
    char value[64];

    for (unsigned i = 0; i < EARS; i++) {
        snprintf(value, sizeof(value), i % 10 ? "https://example.com/%u" : "/%u/*", i);
        listen_to_one(index, &ears[i], value, i % 10 ? NULL : BASE);
    }
    for (unsigned leaving = 0; leaving < 2; leaving++) {
        for (unsigned i = 0; i < EARS; i++) {
            snprintf(value, sizeof(value), "https://example.com/%u%s", i, i % 10 ? "" : "/x");
            ck_assert_uint_eq(found_for(index, &ears[i], value), ears[i].is_in);
        }
        for (unsigned i = 0; i < EARS && leaving == 0; i += 3) /* the others stay */
            leave(index, &ears[i]);
    }
    for (unsigned i = 0; i < EARS; i++) {
        if (ears[i].is_in)
            leave(index, &ears[i]);
    }
    mrc_index_free(index);
    free(ears);
}
END_TEST

/* Adds COUNT patterns that match every topic: each adds a pointer to the cache entry of a topic. */
static struct ear *many_for_all(struct mrc_index *index, unsigned count)
{
    struct ear *ears = calloc(count, sizeof(*ears));
    char value[64];

    for (unsigned i = 0; i < count; i++) {
        snprintf(value, sizeof(value), "/{x%u}?*", i);
        listen_to_one(index, &ears[i], value, BASE);
    }
    return ears;
}

static void drop_all(struct mrc_index *index, struct ear *ears, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        leave(index, &ears[i]);
    free(ears);
    mrc_index_free(index);
}

/* With results for twice its size, the cache stays within its limit and remains correct. */
START_TEST(the_cache_has_a_limit)
{
    enum { EARS = 8000, TOPICS = 2 * MRC_INDEX_CACHE_BYTES / (EARS * sizeof(void *)) };
    struct mrc_index *index = mrc_index_create(key);
    struct ear *ears = many_for_all(index, EARS);
    size_t most = 0;
    char topic[64];

    for (unsigned i = 0; i < TOPICS; i++) {
        snprintf(topic, sizeof(topic), "https://example.com/%u", i);
        ck_assert_uint_eq(found_for(index, &ears[EARS - 1], topic), 1);
        ck_assert_uint_le(mrc_index_get_cache_bytes(index), MRC_INDEX_CACHE_BYTES);
        if (most < mrc_index_get_cache_bytes(index))
            most = mrc_index_get_cache_bytes(index);
        if (i % 10 ==
            0) /* the newest result is cached, even if it had to take the place of another one */
            ck_assert_uint_eq(found_for(index, &ears[0], topic), 1);
    }
    ck_assert_uint_gt(most, MRC_INDEX_CACHE_BYTES * 3 / 4);
    drop_all(index, ears, EARS);
}
END_TEST

/* The most patterns that the cache accepts for one topic, and one more. */
START_TEST(one_topic_cannot_fill_the_cache)
{
    enum { EARS = (int)(MRC_INDEX_CACHE_ONE_BYTES / sizeof(void *)) + 1 };
    struct mrc_index *index = mrc_index_create(key);
    struct ear *ears = many_for_all(index, EARS);
    unsigned count = EARS;

    for (int i = 0; i < 2; i++)
        ck_assert_uint_eq(found_for(index, &ears[0], "https://example.com/a"), 1);
    ck_assert_uint_eq(mrc_index_get_cache_bytes(index), 0);
    while (count > EARS - 20)
        leave(index, &ears[--count]);
    ck_assert_uint_eq(found_for(index, &ears[0], "https://example.com/a"), 1);
    ck_assert_uint_gt(mrc_index_get_cache_bytes(index), 0);
    drop_all(index, ears, count);
}
END_TEST

/* ---- no memory --------------------------------------------------------------------------------*/

static void fill(struct ear *ear, unsigned n)
{
    char value[64];

    snprintf(value, sizeof(value), "https://example.com/%u", n);
    ear->matchers[0] = hub_matcher(MRC_MATCHER_EXACT, value, NULL);
    snprintf(value, sizeof(value), "/%u/*", n);
    ear->matchers[1] = hub_matcher(MRC_MATCHER_URLPATTERN, value, BASE);
    ear->matchers[2] = hub_matcher(MRC_MATCHER_EXACT, "*", NULL);
    ear->matchers[3] = hub_matcher(MRC_MATCHER_EXACT, "shared", NULL);
    ear->count = 4;
}

/* Wherever an addition runs out of memory, nothing of it stays. */
START_TEST(an_addition_without_memory_leaves_nothing)
{
    enum { EARS = 150 }; /* more than any initial size */
    struct mrc_index *index = mrc_index_create(key);
    struct ear *ears = calloc(EARS, sizeof(*ears));
    unsigned failures = 0;
    char topic[64];

    for (unsigned i = 0; i < EARS; i++) {
        apr_status_t status;

        fill(&ears[i], i);
        for (long left = 0;; left++) {
            alloc_left = left;
            status = mrc_index_add(index, &ears[i].listener, ears[i].matchers, ears[i].count);
            alloc_left = -1;
            if (status == APR_SUCCESS)
                break;
            failures++;
            ck_assert_int_eq(status, APR_ENOMEM);
            ck_assert_ptr_null(ears[i].listener.registrations);
            snprintf(topic, sizeof(topic), "https://example.com/%u", i);
            ck_assert_uint_eq(found_for(index, &ears[i], topic), 0);
            ck_assert_uint_eq(found_for(index, &ears[0], "shared"), i > 0);
        }
        ears[i].is_in = true;
        ck_assert_uint_eq(found_for(index, &ears[i], "shared"), 1);
        snprintf(topic, sizeof(topic), "https://example.com/%u/x", i);
        ck_assert_uint_eq(found_for(index, &ears[i], topic), 1);
    }
    ck_assert_uint_ge(failures, 2 * EARS);
    for (unsigned i = 0; i < EARS; i++)
        leave(index, &ears[i]);
    mrc_index_free(index);
    free(ears);
}
END_TEST

/*
 * A topic that could not be matched for lack of memory is an error, and is not cached as one
 * without listeners.
 */
START_TEST(no_memory_is_no_result)
{
    struct mrc_index *index = mrc_index_create(key);
    struct ear parsed = {.count = 0}, long_one = {.count = 0}, other_base = {.count = 0};
    const struct mrc_bytes topic = mrc_bytes_of("https://example.com/a");
    char value[2048] = "/";
    unsigned failures = 0;
    apr_status_t status;

    /* Its automaton is so large that it allocates memory. */
    for (int i = 0; i < 200; i++)
        memcpy(value + 1 + 4 * i, "{b}?", 4);
    value[801] = '*';
    listen_to_one(index, &parsed, "/:x", BASE);
    listen_to_one(index, &other_base, "https://*/a", OTHER);
    listen_to_one(index, &long_one, value, BASE);
    for (long left = 0;; left++) {
        parsed.found = other_base.found = 0;
        alloc_left = left;
        status = mrc_index_collect(index, &topic, 1, heard, NULL);
        alloc_left = -1;
        if (status == APR_SUCCESS)
            break;
        ck_assert_int_eq(status, APR_ENOMEM);
        failures++;
        ck_assert_uint_eq(mrc_index_get_cache_bytes(index), 0);
    }
    ck_assert_uint_eq(parsed.found, 1);
    ck_assert_uint_eq(other_base.found, 1);
    ck_assert_uint_ge(failures, 4); /* the two topics, their bases, the automaton */
    ck_assert_uint_eq(found_for(index, &parsed, "https://example.com/a"), 1);
    leave(index, &parsed);
    leave(index, &other_base);
    leave(index, &long_one);
    mrc_index_free(index);
}
END_TEST

START_TEST(no_index_without_memory)
{
    struct mrc_index *index = NULL;
    long left = 0;

    while (!index) {
        alloc_left = left++;
        index = mrc_index_create(key);
        alloc_left = -1;
    }
    ck_assert_int_gt(left, 2);
    mrc_index_free(index);
}
END_TEST

/* ---- against a model --------------------------------------------------------------------------*/

#define EARS 60

static const char *const exacts[] = {"https://example.com/1", "https://example.com/2/a",
                                     "https://other.example/1", "x", "*"};
static const char *const patterns[] = {
    "/:x",
    "/:x/a",
    "/:x([0-9]+)",
    "https://example.com/*",
    "https\\://*.example/*",
    "/2/{a}?",
    "?only=query",
    "/1",
    "*",
    "https://example.com/:x/:y",
};
static const char *const bases[] = {BASE, OTHER};
static const char *const topics[] = {
    "https://example.com/1",
    "https://example.com/2",
    "https://example.com/2/a",
    "https://other.example/1",
    "https://other.example/2/a",
    "x",
    "/1",
    "https://example.com/x/y",
    "https://example.com/hub?only=query",
    "https://not a url",
    "https://example.com/1#hash",
    "HTTPS://EXAMPLE.com/1",
};

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))
#define ONE_OF(array)   (array)[hub_random_below((random), (unsigned)COUNT_OF(array))]

static void draw_matchers(struct ear *ear, uint64_t *random)
{
    ear->count = 1 + hub_random_below(random, MATCHERS_MAX);
    for (size_t i = 0; i < ear->count; i++) {
        if (hub_random_below(random, 3) == 0)
            ear->matchers[i] = hub_matcher(MRC_MATCHER_EXACT, ONE_OF(exacts), NULL);
        else
            ear->matchers[i] = hub_matcher(MRC_MATCHER_URLPATTERN, ONE_OF(patterns), ONE_OF(bases));
    }
}

static bool should_hear(const struct ear *ear, const struct mrc_bytes *views, size_t count)
{
    for (size_t m = 0; ear->is_in && m < ear->count; m++) {
        for (size_t t = 0; t < count; t++) {
            if (mrc_matcher_matches(ear->matchers[m], views[t]))
                return true;
        }
    }
    return false;
}

static void compare(struct mrc_index *index, struct ear *ears, uint64_t *random, uint64_t seed)
{
    size_t count = 1 + hub_random_below(random, 3);
    struct mrc_bytes views[3];

    for (size_t i = 0; i < count; i++)
        views[i] = mrc_bytes_of(ONE_OF(topics));
    for (size_t i = 0; i < EARS; i++)
        ears[i].found = 0;
    mrc_index_collect(index, views, count, heard, NULL);
    for (size_t i = 0; i < EARS; i++) { /* without ck_assert, which writes to a file each time */
        unsigned want = should_hear(&ears[i], views, count);

        if (ears[i].found != want)
            ck_abort_msg("seed %" PRIu64 ": %zu was found %u times, not %u", seed, i, ears[i].found,
                         want);
    }
}

START_TEST(random_changes_against_a_model)
{
    struct mrc_index *index = mrc_index_create(key);
    struct ear *ears = calloc(EARS, sizeof(*ears));
    uint64_t seed = (uint64_t)_i + 1;
    uint64_t random = seed;

    for (int step = 0; step < 2500; step++) {
        struct ear *ear = &ears[hub_random_below(&random, EARS)];

        /* Sometimes few listeners, sometimes many. */
        if (!ear->is_in && (step / 500 % 2 == 0 || hub_random_below(&random, 10) == 0)) {
            draw_matchers(ear, &random);
            listen_to(index, ear);
        } else if (ear->is_in && (step / 500 % 2 || hub_random_below(&random, 4) == 0)) {
            leave(index, ear);
        }
        compare(index, ears, &random, seed);
    }
    for (size_t i = 0; i < EARS; i++) {
        if (ears[i].is_in)
            leave(index, &ears[i]);
    }
    mrc_index_free(index);
    free(ears);
}
END_TEST

/* ---- against all patterns, one by one ---------------------------------------------------------*/

/* Patterns with every feature come and go, some of them with the same literal text. */
START_TEST(generated_patterns_against_a_scan)
{
    enum { MANY = 400 };
    struct mrc_index *index = mrc_index_create(key);
    struct ear *ears = calloc(MANY, sizeof(*ears));
    struct gen gen = {.random = (uint64_t)_i + 1};
    unsigned heard_of = 0;

    for (unsigned step = 0; step < 4000; step++) {
        struct ear *ear = &ears[gen_below(&gen, MANY)];
        char topic[GEN_BYTES];

        if (ear->is_in && gen_below(&gen, 3) == 0) {
            leave(index, ear);
        } else if (!ear->is_in) {
            ear->matchers[0] = gen_matcher(&gen, bases[gen_below(&gen, COUNT_OF(bases))]);
            ear->count = ear->matchers[0] != NULL;
            listen_to(index, ear);
        }
        gen_topic(&gen, topic);
        for (unsigned i = 0; i < MANY; i++)
            ears[i].found = 0;
        collect_one(index, mrc_bytes_of(topic));
        for (unsigned i = 0; i < MANY; i++) {
            bool want = ears[i].is_in && ears[i].count &&
                        mrc_matcher_matches(ears[i].matchers[0], mrc_bytes_of(topic));

            if (ears[i].found != want)
                ck_abort_msg("seed %d: %s for %.*s: %u", _i + 1, topic,
                             (int)mrc_matcher_get_value(ears[i].matchers[0]).len,
                             mrc_matcher_get_value(ears[i].matchers[0]).ptr, ears[i].found);
            heard_of += want;
        }
    }
    ck_assert_uint_gt(heard_of, 4000);
    for (unsigned i = 0; i < MANY; i++)
        if (ears[i].is_in)
            leave(index, &ears[i]);
    mrc_index_free(index);
    free(ears);
}
END_TEST

/* A collection in pieces: its time is up as soon as a listener is found. */
struct pieces {
    struct ear *first, *end; /* all listeners */
    int64_t left_us;
};

static void heard_piece(struct mrc_listener *listener, void *ctx)
{
    struct pieces *pieces = ctx;
    const struct ear *ear = (const struct ear *)listener;

    ck_assert(ear >= pieces->first && ear < pieces->end && ear->is_in);
    heard(listener, NULL);
    pieces->left_us = 0;
}

/*
 * Listeners come and go between the pieces. Those that stay are found once, as in one collection.
 * Those that come may be found, if they listen to the topic.
 */
START_TEST(pieces_find_what_one_collection_finds)
{
    enum { MANY = 200 };
    struct mrc_index *index = mrc_index_create(key);
    struct ear *ears = calloc(MANY, sizeof(*ears));
    bool *stays = calloc(MANY, sizeof(*stays));
    struct pieces pieces = {.first = ears, .end = ears + MANY};
    struct gen gen = {.random = (uint64_t)_i + 1};
    unsigned done = 0, count = 0, moved = 0;

    held = 0;
    while (done < 1500) {
        char texts[2][GEN_BYTES];
        struct mrc_bytes views[2];
        apr_status_t status = APR_INCOMPLETE;

        for (unsigned i = 0; i < 2; i++) {
            gen_topic(&gen, texts[i]);
            views[i] = mrc_bytes_of(texts[i]);
        }
        for (unsigned i = 0; i < MANY; i++) {
            ears[i].found = 0;
            stays[i] = ears[i].is_in;
        }
        mrc_index_begin(index, views, 2);
        while (APR_STATUS_IS_INCOMPLETE(status)) {
            struct ear *ear = &ears[gen_below(&gen, MANY)];

            pieces.left_us = 1;
            held -= alloc_bytes;
            status = mrc_index_go_on(index, &pieces.left_us, heard_piece, &pieces);
            held += alloc_bytes;
            count++;
            if (ear->is_in && gen_below(&gen, 2) == 0) {
                leave(index, ear);
                stays[ear - ears] = false;
                moved++;
            } else if (!ear->is_in) {
                ear->matchers[0] =
                    gen_below(&gen, 2)
                        ? gen_matcher(&gen, BASE)
                        : hub_matcher(MRC_MATCHER_URLPATTERN,
                                      patterns[gen_below(&gen, COUNT_OF(patterns))], BASE);
                ear->count = ear->matchers[0] != NULL;
                ear->found = 0;
                listen_to(index, ear);
            }
            if (gen_below(&gen, 500) == 0) { /* the collection is stopped */
                mrc_index_stop(index);
                break;
            }
        }
        done++;
        for (unsigned i = 0; i < MANY; i++) {
            bool want = ears[i].is_in && should_hear(&ears[i], views, 2);
            bool is_complete = stays[i] && status == APR_SUCCESS;
            unsigned most = want || !stays[i];

            if (ears[i].found > most || (is_complete && ears[i].found != want))
                ck_abort_msg("seed %d: %u times", _i + 1, ears[i].found);
        }
    }
    ck_assert_uint_gt(count, 2 * done);
    ck_assert_uint_gt(moved, done / 4);
    for (unsigned i = 0; i < MANY; i++)
        if (ears[i].is_in)
            leave(index, &ears[i]);
    ck_assert_int_lt(held, 72);
    mrc_index_free(index);
    free(ears);
    free(stays);
}
END_TEST

/* Patterns that have no literal text of their own, up to the limit and one more. */
START_TEST(a_crowd_is_reported)
{
    struct mrc_index *index = mrc_index_create(key);
    struct ear *ears = calloc(MRC_INDEX_CROWD, sizeof(*ears));
    struct mrc_matcher *next = hub_matcher(MRC_MATCHER_TEMPLATE, "{next}", NULL);
    struct mrc_matcher *same = hub_matcher(MRC_MATCHER_TEMPLATE, "{x0}", NULL);
    struct mrc_matcher *text = hub_matcher(MRC_MATCHER_TEMPLATE, "{next}a", NULL);
    struct mrc_matcher *pattern = hub_matcher(MRC_MATCHER_URLPATTERN, "*://*/*", NULL);
    struct mrc_matcher *exact = hub_matcher(MRC_MATCHER_EXACT, "a", NULL);
    struct mrc_matcher *all = hub_matcher(MRC_MATCHER_EXACT, "*", NULL);
    char value[32];

    for (unsigned i = 0; i < MRC_INDEX_CROWD; i++) {
        ck_assert(!mrc_index_is_crowded(index, &next, 1));
        snprintf(value, sizeof(value), "{x%u}", i);
        listen_to_template(index, &ears[i], value);
    }
    ck_assert(mrc_index_is_crowded(index, &next, 1));
    ck_assert(mrc_index_is_crowded(index, (struct mrc_matcher *[]){exact, next}, 2));
    ck_assert(!mrc_index_is_crowded(index, &same, 1));
    ck_assert(!mrc_index_is_crowded(index, &text, 1));
    ck_assert(!mrc_index_is_crowded(index, &pattern, 1));
    ck_assert(!mrc_index_is_crowded(index, &exact, 1));
    ck_assert(!mrc_index_is_crowded(index, &all, 1));
    leave(index, &ears[1]);
    ck_assert(!mrc_index_is_crowded(index, &next, 1));
    listen_to_template(index, &ears[1], "{x1}");
    mrc_matcher_free(next);
    mrc_matcher_free(same);
    mrc_matcher_free(text);
    mrc_matcher_free(pattern);
    mrc_matcher_free(exact);
    mrc_matcher_free(all);
    drop_all(index, ears, MRC_INDEX_CROWD);
}
END_TEST

/* ---- what comes and goes ----------------------------------------------------------------------*/

/* An index that is empty again holds as much memory as a new one. */
START_TEST(listeners_that_leave_free_their_memory)
{
    enum { CROWD = 3000 };
    struct mrc_index *index = mrc_index_create(key);
    struct ear *ears = calloc(CROWD, sizeof(*ears));
    long full;

    held = 0;
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 0; i < CROWD; i++) {
            fill(&ears[i], i);
            listen_to(index, &ears[i]);
            if (i % 10 == 0)
                collect_one(index, mrc_matcher_get_value(ears[i].matchers[0]));
        }
        full = held;
        for (unsigned i = 0; i < CROWD; i++) /* the rest needs little compared to all */
            if (i % 100 != round)
                leave(index, &ears[i]);
        ck_assert_int_lt(held * 10, full);
        for (unsigned i = 0; i < CROWD; i++)
            if (ears[i].is_in)
                leave(index, &ears[i]);
        ck_assert_int_lt(held, 72); /* less than a node: malloc() rounds sizes */
    }
    mrc_index_free(index);
    free(ears);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("index");
    TCase *tcase = tcase_create("index");

    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, finds_what_each_kind_matches);
    tcase_add_test(tcase, finds_templates);
    tcase_add_test(tcase, finds_each_listener_once);
    tcase_add_test(tcase, equal_patterns_with_other_bases_differ);
    tcase_add_test(tcase, cached_results_are_never_stale);
    tcase_add_test(tcase, long_topics_are_matched_too);
    tcase_add_test(tcase, topics_share_entries_of_the_cache);
    tcase_add_test(tcase, grows_with_its_nodes);
    tcase_add_test(tcase, an_addition_without_memory_leaves_nothing);
    tcase_add_test(tcase, no_index_without_memory);
    tcase_add_test(tcase, no_memory_is_no_result);
    tcase_add_test(tcase, the_cache_has_a_limit);
    tcase_add_test(tcase, one_topic_cannot_fill_the_cache);
    tcase_add_loop_test(tcase, generated_patterns_against_a_scan, 0, 4);
    tcase_add_loop_test(tcase, pieces_find_what_one_collection_finds, 0, 4);
    tcase_add_test(tcase, a_crowd_is_reported);
    tcase_add_test(tcase, listeners_that_leave_free_their_memory);
    tcase_add_loop_test(tcase, random_changes_against_a_model, 0, 4);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
