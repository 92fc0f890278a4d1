#include "hub/hub/patterns.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "apr_general.h"

#include "core/base/siphash.h"
#include "hub/base/thread.h"
#include "hub/hub/numbers.h"
#include "hub/hub/spec.h"

#define FIRST_BUCKETS 64

/* A pattern, and how many subscriptions share it. */
struct entry {
    struct entry *next; /* in its bucket */
    uint64_t hash;
    size_t users;
    struct mrc_matcher *matcher;
};

struct mrc_patterns {
    struct mrc_numbers *numbers;
    const struct mrc_hub_limits *limits;
    uint64_t key[2];
    pthread_mutex_t mutex;

    /* Under the mutex. */
    struct entry **buckets;
    size_t bucket_count; /* a power of two */
    size_t count;
    bool has_reported; /* this child has logged that the hub refuses patterns */
    struct entry *first_buckets[FIRST_BUCKETS];
};

static bool is_pattern(const struct mrc_matcher *matcher)
{
    return !mrc_matcher_is_wildcard(matcher) && !mrc_matcher_is_literal(matcher);
}

/* ---- the table, under the mutex ---------------------------------------------------------------*/

static struct entry **bucket_of(const struct mrc_patterns *patterns, uint64_t hash)
{
    return &patterns->buckets[hash & (patterns->bucket_count - 1)];
}

/* Doubles the buckets when there are as many entries. Out of memory: the chains grow instead. */
static void grow(struct mrc_patterns *patterns)
{
    struct mrc_patterns grown = {.bucket_count = patterns->bucket_count * 2};

    if (patterns->count < patterns->bucket_count)
        return;
    grown.buckets = calloc(grown.bucket_count, sizeof(*grown.buckets));
    if (!grown.buckets)
        return;
    for (size_t i = 0; i < patterns->bucket_count; i++) {
        for (struct entry *entry = patterns->buckets[i], *next; entry; entry = next) {
            struct entry **bucket = bucket_of(&grown, entry->hash);

            next = entry->next;
            entry->next = *bucket;
            *bucket = entry;
        }
    }
    if (patterns->buckets != patterns->first_buckets)
        free(patterns->buckets);
    patterns->buckets = grown.buckets;
    patterns->bucket_count = grown.bucket_count;
}

static bool is_same_base(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

/* Adds a user to the pattern with VALUE, TYPE and BASE, and returns it; NULL: there is none. */
static struct mrc_matcher *share(struct mrc_patterns *patterns, uint64_t hash,
                                 enum mrc_matcher_type type, struct mrc_bytes value,
                                 const char *base)
{
    if (type != MRC_MATCHER_URLPATTERN)
        base = NULL; /* only URL Patterns have one */
    for (struct entry *entry = *bucket_of(patterns, hash); entry; entry = entry->next) {
        if (entry->hash != hash || mrc_matcher_get_type(entry->matcher) != type ||
            !mrc_bytes_eq(mrc_matcher_get_value(entry->matcher), value) ||
            !is_same_base(mrc_matcher_get_base(entry->matcher), base))
            continue;
        entry->users++;
        return entry->matcher;
    }
    return NULL;
}

static void count(struct mrc_patterns *patterns, const struct mrc_matcher *matcher, int64_t n)
{
    mrc_numbers_gauge_add(patterns->numbers, MRC_GAUGE_PATTERNS, n);
    mrc_numbers_gauge_add(patterns->numbers, MRC_GAUGE_PATTERN_BYTES,
                          n * (int64_t)mrc_matcher_size(matcher));
}

/* Whether the sum of GAUGE over all children is at most MAX; 0: no limit. */
static bool is_at_most(const struct mrc_patterns *patterns, enum mrc_gauge gauge, uint64_t max)
{
    return !max || mrc_numbers_gauge(patterns->numbers, gauge) <= max;
}

/* Whether at most 1/PART of each limit is in use. */
static bool is_within(const struct mrc_patterns *patterns, unsigned part)
{
    return is_at_most(patterns, MRC_GAUGE_PATTERNS, patterns->limits->patterns_max / part) &&
           is_at_most(patterns, MRC_GAUGE_PATTERN_BYTES,
                      patterns->limits->pattern_bytes_max / part);
}

static void take_report_back(struct mrc_patterns *patterns)
{
    if (!patterns->has_reported || !is_within(patterns, 2))
        return;
    patterns->has_reported = false;
    mrc_numbers_gauge_add(patterns->numbers, MRC_GAUGE_PATTERNS_REPORTED, -1);
}

/* Adds MATCHER, with one user. Counts it before the limit is checked, so two children that add one
 * at the same time cannot both take the last place. */
static enum mrc_err insert(struct mrc_patterns *patterns, uint64_t hash,
                           struct mrc_matcher *matcher)
{
    struct entry *entry = malloc(sizeof(*entry));

    if (!entry)
        return MRC_ENOMEM;
    count(patterns, matcher, 1);
    if (!is_within(patterns, 1)) {
        count(patterns, matcher, -1);
        free(entry);
        return MRC_EFULL;
    }
    take_report_back(patterns);
    grow(patterns);
    *entry = (struct entry){*bucket_of(patterns, hash), hash, 1, matcher};
    *bucket_of(patterns, hash) = entry;
    patterns->count++;
    return MRC_OK;
}

/* Removes a user of MATCHER. True: it was the last one, and the pattern is out of the table. */
static bool remove_user(struct mrc_patterns *patterns, uint64_t hash,
                        const struct mrc_matcher *matcher)
{
    struct entry **link = bucket_of(patterns, hash);
    struct entry *entry;

    while ((*link)->matcher != matcher)
        link = &(*link)->next;
    entry = *link;
    if (--entry->users > 0)
        return false;
    *link = entry->next;
    patterns->count--;
    count(patterns, matcher, -1);
    free(entry);
    return true;
}

/* ---- for callers ------------------------------------------------------------------------------*/

static apr_status_t free_buckets(void *data)
{
    struct mrc_patterns *patterns = data;

    if (patterns->buckets != patterns->first_buckets)
        free(patterns->buckets);
    return APR_SUCCESS;
}

struct mrc_patterns *mrc_patterns_create(apr_pool_t *pool, struct mrc_numbers *numbers,
                                         const struct mrc_hub_limits *limits)
{
    struct mrc_patterns *patterns = apr_pcalloc(pool, sizeof(*patterns));

    if (apr_generate_random_bytes((unsigned char *)patterns->key, sizeof(patterns->key)))
        return NULL;
    patterns->numbers = numbers;
    patterns->limits = limits;
    patterns->bucket_count = FIRST_BUCKETS;
    patterns->buckets = patterns->first_buckets;
    apr_pool_cleanup_register(pool, patterns, free_buckets, apr_pool_cleanup_null);
    pthread_mutex_init(&patterns->mutex, NULL);
    return patterns;
}

/* Compiles without the mutex; meanwhile another thread may have added the same pattern. */
static enum mrc_err compile(struct mrc_patterns *patterns, uint64_t hash,
                            enum mrc_matcher_type type, struct mrc_bytes value, const char *base,
                            struct mrc_error *error, struct mrc_matcher **ret_matcher)
{
    struct mrc_matcher *matcher, *shared;
    enum mrc_err err = mrc_matcher_create(type, value, base, error, &matcher);
    sigset_t mask;

    if (err)
        return err;
    if (!is_pattern(matcher)) {
        *ret_matcher = matcher;
        return MRC_OK;
    }
    mrc_thread_lock(&patterns->mutex, &mask);
    shared = share(patterns, hash, type, value, base);
    if (!shared)
        err = insert(patterns, hash, matcher);
    mrc_thread_unlock(&patterns->mutex, &mask);
    if (shared || err)
        mrc_matcher_free(matcher);
    if (!err)
        *ret_matcher = shared ? shared : matcher;
    return err;
}

enum mrc_err mrc_patterns_get(struct mrc_patterns *patterns, enum mrc_matcher_type type,
                              struct mrc_bytes value, const char *base, struct mrc_error *error,
                              struct mrc_matcher **ret_matcher)
{
    uint64_t hash = mrc_siphash(patterns->key, value);
    struct mrc_matcher *shared;
    sigset_t mask;

    if (type == MRC_MATCHER_EXACT)
        return mrc_matcher_create(type, value, base, error, ret_matcher);
    mrc_thread_lock(&patterns->mutex, &mask);
    shared = share(patterns, hash, type, value, base);
    mrc_thread_unlock(&patterns->mutex, &mask);
    if (!shared)
        return compile(patterns, hash, type, value, base, error, ret_matcher);
    *ret_matcher = shared;
    return MRC_OK;
}

void mrc_patterns_put(struct mrc_patterns *patterns, struct mrc_matcher *matcher)
{
    bool is_last = true;
    sigset_t mask;

    if (matcher && is_pattern(matcher)) {
        mrc_thread_lock(&patterns->mutex, &mask);
        is_last = remove_user(patterns, mrc_siphash(patterns->key, mrc_matcher_get_value(matcher)),
                              matcher);
        mrc_thread_unlock(&patterns->mutex, &mask);
    }
    if (is_last)
        mrc_matcher_free(matcher);
}

bool mrc_patterns_should_report(struct mrc_patterns *patterns)
{
    bool should_report;
    sigset_t mask;

    mrc_thread_lock(&patterns->mutex, &mask);
    should_report = !mrc_numbers_gauge(patterns->numbers, MRC_GAUGE_PATTERNS_REPORTED);
    if (should_report) {
        patterns->has_reported = true;
        mrc_numbers_gauge_add(patterns->numbers, MRC_GAUGE_PATTERNS_REPORTED, 1);
    }
    mrc_thread_unlock(&patterns->mutex, &mask);
    return should_report;
}
