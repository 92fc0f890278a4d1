/*
 * Measures the cost of finding the receivers of an update among many listeners:
 *
 *     make tests/bench/bench_index && tests/bench/bench_index [ROUNDS]
 *
 * Prints the CPU time of one thread for one update, in microseconds: the median of ROUNDS, and the
 * ratio to the first line of the table. An update is written to a ring, read from it, decoded, and
 * looked up: it has one receiver, and nothing is sent.
 *
 *     one topic      always the same of N topics
 *     all in turn    all N topics in random order, so that their data is not in the CPU caches
 *     new topics     a topic that no update had before, which one pattern matches
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "apr_general.h"
#include "apr_pools.h"

#include "core/base/buf.h"
#include "core/jose/sign.h"
#include "core/protocol/update.h"
#include "core/token/token.h"
#include "core/topic/matcher.h"
#include "hub/index/index.h"
#include "store/ring/ring.h"

#define BASE       "https://example.com/.well-known/mercure"
#define RING_BYTES (UINT64_C(4) << 20)
#define MAX_ROUNDS 100
#define SECRET     "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define NOW_US     INT64_C(1767225300000000)

static int rounds = 7;

struct bench {
    struct mrc_index *index;
    struct mrc_listener *listeners;
    struct mrc_matcher **matchers;
    char (*topics)[64];
    size_t count;
    struct mrc_ring *ring;
    uint64_t cursor;
    struct mrc_ring_record record;
    unsigned found;
};

static void die(const char *what)
{
    fprintf(stderr, "bench_index: %s\n", what);
    exit(1);
}

static double cpu_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static int compare(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;

    return (left > right) - (left < right);
}

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static void *map(size_t size)
{
    void *base = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (base == MAP_FAILED)
        die("out of memory");
    return base;
}

static struct mrc_ring *make_ring(apr_pool_t *pool)
{
    uint64_t capacity = mrc_ring_capacity_for(RING_BYTES, 0, 1 << 16);
    uint64_t buckets = mrc_ring_buckets_for(RING_BYTES, 0);
    const struct mrc_ring_bounds bounds = {.bytes = RING_BYTES};
    struct mrc_ring *ring;

    if (mrc_ring_create(pool, map(mrc_ring_region_bytes(capacity)), capacity,
                        map(mrc_ring_index_bytes(buckets)), buckets, &bounds, NULL, &ring))
        die("the ring cannot be created");
    return ring;
}

/* Adds COUNT listeners, each to a topic of its own, with a matcher of TYPE that ends in PATH. */
static void fill(struct bench *bench, size_t count, enum mrc_matcher_type type, const char *path)
{
    static const uint64_t key[2] = {1, 2};

    bench->index = mrc_index_create(key);
    bench->listeners = calloc(count, sizeof(*bench->listeners));
    bench->matchers = calloc(count, sizeof(struct mrc_matcher *));
    bench->topics = calloc(count, sizeof(*bench->topics));
    bench->count = count;
    for (size_t i = 0; i < count; i++) {
        char value[128];

        snprintf(bench->topics[i], sizeof(bench->topics[i]), "https://example.com/users/%zu%s", i,
                 type == MRC_MATCHER_EXACT ? "" : "/7");
        snprintf(value, sizeof(value), "https://example.com/users/%zu%s", i, path);
        if (mrc_matcher_create(type, mrc_bytes_of(value), BASE, NULL, &bench->matchers[i]) ||
            mrc_index_add(bench->index, &bench->listeners[i], &bench->matchers[i], 1))
            die(value);
    }
}

static void empty(struct bench *bench)
{
    for (size_t i = 0; i < bench->count; i++) {
        mrc_index_remove(bench->index, &bench->listeners[i]);
        mrc_matcher_free(bench->matchers[i]);
    }
    mrc_index_free(bench->index);
    free(bench->listeners);
    free(bench->matchers);
    free(bench->topics);
}

static void found(struct mrc_listener *listener, void *ctx)
{
    (void)listener;
    ((struct bench *)ctx)->found++;
}

/* Takes one update all the way, except through httpd and the socket. */
static void publish(struct bench *bench, const char *topic)
{
    struct mrc_bytes views[] = {mrc_bytes_of(topic)};
    struct mrc_update update = {
        .topics = views,
        .topics_count = 1,
        .data = mrc_bytes_of("a line of some hundred bytes, as one may want to tell the world that "
                             "something has happened"),
        .id = mrc_bytes_of("urn:uuid:00000000-0000-4000-8000-000000000000"),
    };
    struct mrc_buf buf;
    uint64_t seq, pos;

    mrc_buf_init(&buf, 1 << 16);
    mrc_update_encode(&update, &buf);
    if (mrc_ring_append(bench->ring, update.id, mrc_buf_bytes(&buf), 100, NOW_US,
                        MRC_RING_WAIT_FOREVER, &seq, &pos) ||
        mrc_ring_read(bench->ring, &bench->cursor, &bench->record) ||
        mrc_update_decode(bench->record.view.id, bench->record.view.payload, &update))
        die("the ring does not return the update");
    mrc_index_collect(bench->index, update.topics, update.topics_count, found, bench);
    mrc_update_clear(&update);
    mrc_buf_free(&buf);
}

static double measure(struct bench *bench, unsigned updates, bool in_turn)
{
    double results[MAX_ROUNDS];
    uint64_t random = 88172645463325252;

    for (int round = -1; round < rounds; round++) { /* round -1 is a warm-up */
        double start;

        bench->found = 0;
        start = cpu_us();
        for (unsigned i = 0; i < updates; i++)
            publish(bench, bench->topics[in_turn ? next_random(&random) % bench->count : 0]);
        if (round >= 0)
            results[round] = (cpu_us() - start) / updates;
        if (bench->found != updates)
            die("a receiver was not found");
    }
    qsort(results, (size_t)rounds, sizeof(results[0]), compare);
    return results[rounds / 2];
}

static void report(const char *what, size_t n, double us, double first)
{
    printf("%-34s %7zu  %9.2f us  x%.2f\n", what, n, us, us / first);
    fflush(stdout);
}

static void bench_topics(struct bench *bench)
{
    static const size_t counts[] = {100, 1000, 10000, 100000};
    double first[2] = {0, 0};

    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        double one, all;

        fill(bench, counts[i], MRC_MATCHER_EXACT, "");
        one = measure(bench, 100000, false);
        all = measure(bench, 100000, true);
        if (i == 0) {
            first[0] = one;
            first[1] = all;
        }
        report("exact matchers, one topic", counts[i], one, first[0]);
        report("exact matchers, all in turn", counts[i], all, first[1]);
        empty(bench);
    }
}

/* Publishes to topics that N patterns match, with and without the help of the cache. */
static void bench_patterns(struct bench *bench, const char *name, const char *path)
{
    static const size_t counts[] = {100, 1000, 10000};
    double first[2] = {0, 0};
    char what[64];

    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        double known, new_one;

        fill(bench, counts[i], MRC_MATCHER_URLPATTERN, path);
        known = measure(bench, 20000, false);
        new_one = measure(bench, counts[i] > 1000 ? 200 : 2000, true);
        if (i == 0) {
            first[0] = known;
            first[1] = new_one;
        }
        snprintf(what, sizeof(what), "%s, one topic", name);
        report(what, counts[i], known, first[0]);
        snprintf(what, sizeof(what), "%s, all in turn", name);
        report(what, counts[i], new_one, first[1]);
        empty(bench);
    }
}

/* ---- new topics -------------------------------------------------------------------------------*/

/*
 * In a pattern or topic, N stands for the number of a listener and $ for a number never used
 * before.
 */
static void write_numbers(char *out, size_t cap, const char *format, size_t n, size_t new_one)
{
    size_t len = 0;

    for (; *format && len < cap - 24; format++) {
        if (*format == 'N')
            len += (size_t)snprintf(out + len, cap - len, "%zu", n);
        else if (*format == '$')
            len += (size_t)snprintf(out + len, cap - len, "%zu", new_one);
        else
            out[len++] = *format;
    }
    out[len] = '\0';
}

static struct mrc_matcher *make_matcher(enum mrc_matcher_type type, const char *format, size_t n)
{
    struct mrc_matcher *matcher;
    char value[128];

    write_numbers(value, sizeof(value), format, n, 0);
    if (mrc_matcher_create(type, mrc_bytes_of(value), BASE, NULL, &matcher))
        die(value);
    return matcher;
}

struct kind {
    const char *name;
    enum mrc_matcher_type type;
    const char *pattern, *topic;
};

static const struct kind kinds[] = {
    {"text of their own", MRC_MATCHER_URLPATTERN, "https://example.com/users/N/:x",
     "https://example.com/users/N/$"},
    {"own text, regexp group", MRC_MATCHER_URLPATTERN, "https://example.com/users/N/(\\d+)",
     "https://example.com/users/N/$"},
    {"any scheme and host", MRC_MATCHER_URLPATTERN, "*://*/users/N/:x",
     "https://example.com/users/N/$"},
    {"text at the end", MRC_MATCHER_URLPATTERN, "https://example.com/users/:x/N",
     "https://example.com/users/$/N"},
    {"all the same text", MRC_MATCHER_URLPATTERN, "https://example.com/users/:x/N/*",
     "https://example.com/users/$/N/7"},
    {"no text at all", MRC_MATCHER_URLPATTERN, "*://*/*/N/:x", "https://example.com/$/N/7"},
    {"URI templates", MRC_MATCHER_TEMPLATE, "https://example.com/users/N/{x}",
     "https://example.com/users/N/$"},
};

/* With CHURN, a listener leaves and comes back with another pattern before each update. */
static void bench_new_topics(struct bench *bench, const struct kind *kind, bool churn)
{
    static const size_t counts[] = {100, 10000};
    static const uint64_t key[2] = {1, 2};
    uint64_t random = 88172645463325252;
    size_t next = 0;
    double first = 0;

    for (size_t c = 0; c < sizeof(counts) / sizeof(counts[0]); c++) {
        struct mrc_listener *listeners = calloc(counts[c], sizeof(*listeners));
        struct mrc_matcher **matchers = calloc(counts[c], sizeof(struct mrc_matcher *));
        double results[MAX_ROUNDS];
        char what[64];

        bench->index = mrc_index_create(key);
        for (size_t i = 0; i < counts[c]; i++) {
            matchers[i] = make_matcher(kind->type, kind->pattern, i);
            if (mrc_index_add(bench->index, &listeners[i], &matchers[i], 1))
                die("out of memory");
        }
        for (int round = -1; round < rounds; round++) {
            enum { UPDATES = 500 };
            double us = 0;

            bench->found = 0;
            for (unsigned i = 0; i < UPDATES; i++) {
                size_t n = next_random(&random) % counts[c];
                struct mrc_matcher *other = NULL;
                char topic[128];
                double start;

                if (churn)
                    other = make_matcher(kind->type, kind->pattern, n);
                write_numbers(topic, sizeof(topic), kind->topic, n, next++);
                start = cpu_us();
                if (other) {
                    mrc_index_remove(bench->index, &listeners[n]);
                    mrc_index_add(bench->index, &listeners[n], &other, 1);
                }
                publish(bench, topic);
                us += cpu_us() - start;
                if (other) {
                    mrc_matcher_free(matchers[n]);
                    matchers[n] = other;
                }
            }
            if (bench->found != UPDATES)
                die("a receiver was not found");
            if (round >= 0)
                results[round] = us / UPDATES;
        }
        qsort(results, (size_t)rounds, sizeof(results[0]), compare);
        if (c == 0)
            first = results[rounds / 2];
        snprintf(what, sizeof(what), "%s%s", kind->name, churn ? ", churn" : "");
        report(what, counts[c], results[rounds / 2], first);
        for (size_t i = 0; i < counts[c]; i++) {
            mrc_index_remove(bench->index, &listeners[i]);
            mrc_matcher_free(matchers[i]);
        }
        mrc_index_free(bench->index);
        free(listeners);
        free(matchers);
    }
}

/* ---- private updates --------------------------------------------------------------------------*/

static struct mrc_token *make_token(const struct mrc_token_policy *policy, size_t i,
                                    const char *grant)
{
    struct mrc_token *token;
    static char claims[65536];
    char *text;

    snprintf(claims, sizeof(claims),
             "{\"iss\":\"i\",\"aud\":\"" BASE "\",\"exp\":1767225600,\"sub\":\"%zu\","
             "\"authorization_details\":[{\"type\":\"%s\",\"actions\":[\"subscribe\"],"
             "\"topics\":[%s]}]}",
             i, MRC_GRANTS_DETAIL_TYPE, grant);
    if (mrc_sign_jws(MRC_ALG_HS256, mrc_bytes_of(SECRET),
                     mrc_bytes_of("{\"typ\":\"at+jwt\",\"alg\":\"HS256\"}"), mrc_bytes_of(claims),
                     NULL, &text) ||
        mrc_token_verify(mrc_bytes_of(text), policy, NOW_US, NULL, &token))
        die(claims);
    free(text);
    return token;
}

/* One private update to N receivers, each with a token of its own. */
static void bench_private(const char *name, const char *grant)
{
    static const char *const audiences[] = {BASE};
    static const size_t counts[] = {100, 1000, 10000};
    struct mrc_keyset *keys;
    struct mrc_token_trust trust = {.issuer = "i", .algs = MRC_ALG_SET_ALL};
    struct mrc_token_policy policy = {.trust = &trust,
                                      .trust_count = 1,
                                      .audiences = audiences,
                                      .audience_count = 1,
                                      .base = BASE,
                                      .limits = {100, 1000, 4096}};
    double first = 0;

    if (mrc_keyset_parse(mrc_bytes_of(SECRET), mrc_alg_set_of(MRC_ALG_HS256), 0, NULL, &keys))
        die("the key cannot be read");
    trust.keys = keys;
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        struct mrc_token **tokens = calloc(counts[i], sizeof(*tokens));
        const struct mrc_bytes text = mrc_bytes_of("https://example.com/users/1");
        struct mrc_topics topics;
        double results[MAX_ROUNDS];

        for (size_t j = 0; j < counts[i]; j++)
            tokens[j] = make_token(&policy, j, grant);
        for (int round = 0; round < rounds; round++) {
            double start = cpu_us();

            mrc_topics_init(&topics, &text, 1);
            for (size_t j = 0; j < counts[i]; j++) {
                bool granted = false;

                if (mrc_token_grants_any(tokens[j], MRC_ACTION_SUBSCRIBE, &topics, &granted) ||
                    !granted)
                    die("a token does not grant the topic");
            }
            mrc_topics_clear(&topics);
            results[round] = (cpu_us() - start) / (double)counts[i];
        }
        qsort(results, (size_t)rounds, sizeof(results[0]), compare);
        if (i == 0)
            first = results[rounds / 2];
        report(name, counts[i], results[rounds / 2], first);
        for (size_t j = 0; j < counts[i]; j++)
            mrc_token_unref(tokens[j]);
        free(tokens);
    }
    mrc_keyset_free(keys);
}

/* Fifty grants of one token; the last one grants the published topic. */
static const char *make_many(void)
{
    static char grants[32768];
    size_t len = 0;

    for (unsigned i = 0; i < 49; i++)
        len += (size_t)snprintf(grants + len, sizeof(grants) - len,
                                "{\"match\":\"https://example.com/users/%u\"},", 1000 + i);
    snprintf(grants + len, sizeof(grants) - len, "{\"match\":\"https://example.com/users/1\"}");
    return grants;
}

int main(int argc, char **argv)
{
    struct bench bench = {.found = 0};
    apr_pool_t *pool;

    if (argc > 1)
        rounds = (int)strtol(argv[1], NULL, 10);
    if (rounds < 1 || rounds > MAX_ROUNDS || apr_initialize() || apr_pool_create(&pool, NULL)) {
        fprintf(stderr, "ROUNDS must be 1 to %d\n", MAX_ROUNDS);
        return 2;
    }
    bench.ring = make_ring(pool);
    bench.cursor = mrc_ring_head(bench.ring);
    printf("CPU for one update to its only receiver among N listeners\n");
    bench_topics(&bench);
    bench_patterns(&bench, "URL Patterns /N/:x", "/:x");
    bench_patterns(&bench, "URL Patterns /N/([0-9]+)", "/([0-9]+)");
    printf("CPU for one update to a new topic, which one of N patterns matches\n");
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        bench_new_topics(&bench, &kinds[i], false);
    bench_new_topics(&bench, &kinds[0], true);
    printf("CPU for each of N receivers of one private update, each with a token of its own\n");
    bench_private("exact grants", "{\"match\":\"https://example.com/users/1\"}");
    bench_private("URL Pattern grants",
                  "{\"match\":\"https://example.com/users/:id\",\"match_type\":\"urlpattern\"}");
    bench_private("one of 50 exact grants", make_many());
    mrc_ring_record_free(&bench.record);
    return 0;
}
