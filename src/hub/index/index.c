#include "hub/index/index.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/siphash.h"
#include "core/topic/matcher.h"
#include "hub/base/status.h"
#include "hub/index/cache.h"
#include "hub/index/candidates.h"
#include "store/base/clock.h"

#define FIRST_BUCKETS 64
#define FIRST_LIST    16
#define FIRST_PLACES  2

/* An array shrinks when less than this part of it is used. */
#define SHRINK_BELOW 4

/* A listener is fetched into the processor's cache this many places ahead. */
#define PLACES_AHEAD 8

/* This many cheap patterns are tried between two looks at the clock. */
#define TRIES_PER_LOOK 8

/* One place in a node: a listener, and the index of its registration. */
struct place {
    struct mrc_listener *listener;
    size_t registration;
};

/* The listeners with the same matcher. */
struct node {
    struct mrc_candidate candidate; /* the first member; only used for a pattern */
    struct node *next;              /* in its bucket */
    uint64_t hash;
    const struct mrc_matcher *matcher; /* of one of the listeners */
    uint32_t count, cap;               /* of places; CAP is 0 while ONE is enough */
    union {
        struct place one;
        struct place *places; /* malloc()ed */
    };
};

struct mrc_registration {
    const struct mrc_matcher *matcher;
    struct node *node;
    size_t place;
};

/* Nodes by the hash of the matcher's value. */
struct table {
    struct node **buckets;
    size_t bucket_count; /* a power of two */
    size_t node_count;
};

/*
 * A running collection:
 *
 *     begin --> walk: wildcard node
 *                 |
 *     +---------->+  for each topic
 *     |           v
 *     |         open_topic:   walk: exact node;  list_patterns: the cache or the candidates
 *     |           |
 *     |           v                                           pattern matches
 *     |         try_patterns: list[tried] .. list[found] ----------------------> walk: its node
 *     |           |                    ^                                           |
 *     |           v                    +-------------------------------------------+
 *     +---------close_topic:  the cache remembers list[0] .. list[matched]
 *
 * A walk calls FOUND for each listener of a node, and may stop after any of them when the time is
 * up. It goes from the last place to the first. If a listener leaves in the meantime, the last one
 * takes its place; the walk has visited that one already, or will visit it. A listener that is
 * added may be missed.
 */
struct search {
    const struct mrc_bytes *topics; /* NULL: no collection is running */
    size_t count;                   /* of topics */
    size_t next;                    /* the index of the next topic */
    bool is_open;                   /* the list has the patterns of the topic before NEXT */
    bool is_known;                  /* they are from the cache, so all of them match */
    uint64_t hash;                  /* of that topic */
    uint64_t version;               /* of the patterns when the topic was opened */
    size_t found, tried, matched;   /* patterns: in the list; tried; moved to its beginning */
    const struct node *node;        /* the node that is walked; NULL: none */
    size_t places_left;             /* of NODE, not walked yet */
};

struct mrc_index {
    uint64_t key[2];
    uint64_t mark; /* of the collection; a listener that has it was found */
    struct node wildcard;
    struct table exact;
    struct table patterns;
    struct mrc_candidates candidates;
    uint64_t version;              /* changes when a pattern comes or goes */
    struct mrc_index_cache *cache; /* made with the first pattern */
    struct mrc_candidate **list;   /* room for as many as there are patterns; of the search */
    size_t list_cap;
    struct search search;
};

/* ---- nodes ------------------------------------------------------------------------------------*/

static struct place *places_of(const struct node *node)
{
    return node->cap ? node->places : (struct place *)&node->one;
}

static void free_places(struct node *node)
{
    if (node->cap)
        free(node->places);
}

static apr_status_t table_init(struct table *table)
{
    table->buckets = calloc(FIRST_BUCKETS, sizeof(struct node *));
    table->bucket_count = FIRST_BUCKETS;
    return table->buckets ? APR_SUCCESS : APR_ENOMEM;
}

/* If there is no memory, the number of buckets stays, and the chains are longer or shorter. */
static void table_resize(struct table *table, size_t new_count)
{
    struct node **buckets;

    if (new_count < FIRST_BUCKETS)
        return;
    buckets = calloc(new_count, sizeof(*buckets));
    if (!buckets)
        return;
    for (size_t i = 0; i < table->bucket_count; i++) {
        for (struct node *node = table->buckets[i], *next; node; node = next) {
            struct node **bucket = &buckets[node->hash & (new_count - 1)];

            next = node->next;
            node->next = *bucket;
            *bucket = node;
        }
    }
    free(table->buckets);
    table->buckets = buckets;
    table->bucket_count = new_count;
}

static struct node *table_find(const struct table *table, uint64_t hash,
                               const struct mrc_matcher *matcher)
{
    struct node *node = table->buckets[hash & (table->bucket_count - 1)];

    while (node && (node->hash != hash || !mrc_matcher_is_same(node->matcher, matcher)))
        node = node->next;
    return node;
}

static struct node *table_add(struct table *table, uint64_t hash)
{
    struct node *node = calloc(1, sizeof(*node));
    struct node **bucket;

    if (!node)
        return NULL;
    if (table->node_count >= table->bucket_count)
        table_resize(table, table->bucket_count * 2);
    bucket = &table->buckets[hash & (table->bucket_count - 1)];
    node->hash = hash;
    node->next = *bucket;
    *bucket = node;
    table->node_count++;
    return node;
}

static void table_remove(struct table *table, struct node *node)
{
    struct node **link = &table->buckets[node->hash & (table->bucket_count - 1)];

    while (*link != node)
        link = &(*link)->next;
    *link = node->next;
    table->node_count--;
    free_places(node);
    free(node);
    if (table->node_count < table->bucket_count / SHRINK_BELOW)
        table_resize(table, table->bucket_count / 2);
}

/* ---- patterns ---------------------------------------------------------------------------------*/

static apr_status_t fit_list(struct mrc_index *index, size_t new_cap)
{
    struct mrc_candidate **list = realloc(index->list, new_cap * sizeof(*list));

    if (!list)
        return APR_ENOMEM;
    index->list = list;
    index->list_cap = new_cap;
    return APR_SUCCESS;
}

static apr_status_t reserve_pattern(struct mrc_index *index)
{
    if (!index->cache)
        index->cache = mrc_index_cache_create();
    if (!index->cache)
        return APR_ENOMEM;
    if (index->patterns.node_count < index->list_cap)
        return APR_SUCCESS;
    return fit_list(index, index->list_cap ? index->list_cap * 2 : FIRST_LIST);
}

/* Frees the memory that the remaining patterns do not need; if none is left, all of it. Not while a
 * collection uses the list. */
static void release_patterns(struct mrc_index *index)
{
    if (index->search.topics)
        return;
    if (index->patterns.node_count == 0) {
        mrc_index_cache_free(index->cache);
        index->cache = NULL;
        free(index->list);
        index->list = NULL;
        index->list_cap = 0;
    }
    while (index->list_cap > FIRST_LIST &&
           index->patterns.node_count < index->list_cap / SHRINK_BELOW) {
        if (fit_list(index, index->list_cap / 2) != APR_SUCCESS)
            return;
    }
}

static struct node *add_pattern(struct mrc_index *index, uint64_t hash,
                                const struct mrc_matcher *matcher)
{
    struct node *node = NULL;

    if (reserve_pattern(index) == APR_SUCCESS)
        node = table_add(&index->patterns, hash);
    if (node && mrc_candidates_add(&index->candidates, &node->candidate, matcher) != APR_SUCCESS) {
        table_remove(&index->patterns, node);
        node = NULL;
    }
    if (node)
        index->version++;
    else
        release_patterns(index);
    return node;
}

/* Makes a running collection forget NODE, which is removed. */
static void forget_node(struct mrc_index *index, const struct node *node)
{
    struct search *search = &index->search;

    if (!search->topics)
        return;
    if (search->node == node)
        search->node = NULL;
    for (size_t i = search->tried; i < search->found; i++)
        if (index->list[i] == &node->candidate)
            index->list[i] = NULL;
}

static void remove_pattern(struct mrc_index *index, struct node *node)
{
    mrc_candidates_remove(&index->candidates, &node->candidate);
    index->version++;
    table_remove(&index->patterns, node);
    release_patterns(index);
}

/* ---- listeners --------------------------------------------------------------------------------*/

static apr_status_t fit_places(struct node *node, uint32_t new_cap)
{
    struct place *places = realloc(node->cap ? node->places : NULL, new_cap * sizeof(*places));

    if (!places)
        return APR_ENOMEM;
    if (!node->cap)
        places[0] = node->one;
    node->places = places;
    node->cap = new_cap;
    return APR_SUCCESS;
}

static apr_status_t add_place(struct node *node, struct mrc_listener *listener, size_t registration)
{
    if (node->count > 0 && node->count >= node->cap) {
        apr_status_t status = fit_places(node, node->cap ? node->cap * 2 : FIRST_PLACES);

        if (status != APR_SUCCESS)
            return status;
    }
    listener->registrations[registration].node = node;
    listener->registrations[registration].place = node->count;
    node->matcher = listener->registrations[registration].matcher;
    places_of(node)[node->count++] = (struct place){listener, registration};
    return APR_SUCCESS;
}

static void drop_if_empty(struct mrc_index *index, struct node *node, bool exact)
{
    if (node->count > 0)
        return;
    forget_node(index, node);
    if (node == &index->wildcard) {
        free_places(node);
        *node = (struct node){.cap = 0};
    } else if (exact) {
        table_remove(&index->exact, node);
    } else {
        remove_pattern(index, node);
    }
}

static struct node *node_for(struct mrc_index *index, const struct mrc_matcher *matcher)
{
    struct table *table = mrc_matcher_is_literal(matcher) ? &index->exact : &index->patterns;
    struct node *node;
    uint64_t hash;

    if (mrc_matcher_is_wildcard(matcher))
        return &index->wildcard;
    hash = mrc_siphash(index->key, mrc_matcher_get_value(matcher));
    node = table_find(table, hash, matcher);
    if (node)
        return node;
    return mrc_matcher_is_literal(matcher) ? table_add(table, hash)
                                           : add_pattern(index, hash, matcher);
}

static apr_status_t add_one(struct mrc_index *index, struct mrc_listener *listener, size_t i)
{
    const struct mrc_matcher *matcher = listener->registrations[i].matcher;
    struct node *node = node_for(index, matcher);
    apr_status_t status = node ? add_place(node, listener, i) : APR_ENOMEM;

    if (status != APR_SUCCESS && node)
        drop_if_empty(index, node, mrc_matcher_is_literal(matcher));
    return status;
}

apr_status_t mrc_index_add(struct mrc_index *index, struct mrc_listener *listener,
                           struct mrc_matcher *const *matchers, size_t count)
{
    apr_status_t status = APR_SUCCESS;

    listener->mark = 0;
    listener->count = 0;
    listener->registrations = calloc(count ? count : 1, sizeof(*listener->registrations));
    if (!listener->registrations)
        return APR_ENOMEM;
    for (size_t i = 0; i < count && status == APR_SUCCESS; i++) {
        listener->registrations[i].matcher = matchers[i];
        status = add_one(index, listener, i);
        if (status == APR_SUCCESS)
            listener->count++;
    }
    if (status != APR_SUCCESS)
        mrc_index_remove(index, listener);
    return status;
}

static void remove_one(struct mrc_index *index, const struct mrc_registration *registration)
{
    struct node *node = registration->node;
    struct place *places = places_of(node);
    const struct place *last = &places[--node->count];

    places[registration->place] = *last;
    last->listener->registrations[last->registration].place = registration->place;
    if (node->count > 0)
        node->matcher = places->listener->registrations[places->registration].matcher;
    if (node->cap > FIRST_PLACES && node->count < node->cap / SHRINK_BELOW)
        fit_places(node, node->cap / 2);
    drop_if_empty(index, node, mrc_matcher_is_literal(registration->matcher));
}

void mrc_index_remove(struct mrc_index *index, struct mrc_listener *listener)
{
    for (size_t i = 0; i < listener->count; i++)
        remove_one(index, &listener->registrations[i]);
    free(listener->registrations);
    *listener = (struct mrc_listener){0};
}

bool mrc_index_is_crowded(const struct mrc_index *index, struct mrc_matcher *const *matchers,
                          size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct mrc_matcher *matcher = matchers[i];
        uint64_t hash;

        if (mrc_matcher_is_wildcard(matcher) || mrc_matcher_is_literal(matcher))
            continue;
        hash = mrc_siphash(index->key, mrc_matcher_get_value(matcher));
        if (!table_find(&index->patterns, hash, matcher) &&
            mrc_candidates_count_like(&index->candidates, matcher) >= MRC_INDEX_CROWD)
            return true;
    }
    return false;
}

/* ---- searching --------------------------------------------------------------------------------*/

static void start_walk(struct search *search, const struct node *node)
{
    search->node = node;
    search->places_left = node ? node->count : 0;
}

static bool is_time_up(const int64_t *left_us)
{
    return left_us && *left_us <= 0;
}

/* Calls FOUND for the next listeners of the node that is walked. False: the time is up. */
static bool walk(struct mrc_index *index, const int64_t *left_us, mrc_index_found_fn *found,
                 void *ctx)
{
    struct search *search = &index->search;

    while (search->node) {
        const struct node *node = search->node;
        const struct place *places;
        struct mrc_listener *listener;

        if (search->places_left > node->count)
            search->places_left = node->count;
        if (search->places_left == 0)
            break;
        if (is_time_up(left_us))
            return false;
        places = places_of(node);
        listener = places[--search->places_left].listener;
        if (search->places_left >= PLACES_AHEAD)
            __builtin_prefetch(places[search->places_left - PLACES_AHEAD].listener, 1);
        if (listener->mark == index->mark)
            continue;
        listener->mark = index->mark;
        found(listener, ctx);
    }
    search->node = NULL;
    return true;
}

static const struct node *find_exact(const struct mrc_index *index, struct mrc_bytes topic,
                                     uint64_t hash)
{
    const struct node *node = index->exact.buckets[hash & (index->exact.bucket_count - 1)];

    while (node &&
           (node->hash != hash || !mrc_bytes_eq(mrc_matcher_get_value(node->matcher), topic)))
        node = node->next;
    return node;
}

/* Lists the patterns that match the topic of READING, if the cache knows them, or else those that
 * may match it. */
static apr_status_t list_patterns(struct mrc_index *index, struct mrc_candidates_reading *reading)
{
    struct search *search = &index->search;
    void *const *known;

    if (index->patterns.node_count == 0)
        return APR_SUCCESS;
    known = mrc_index_cache_recall(index->cache, reading->text, search->hash, index->version,
                                   &search->found);
    search->is_known = known != NULL;
    if (!known)
        return mrc_candidates_find(&index->candidates, reading, index->list, &search->found);
    memcpy(index->list, known, search->found * sizeof(*index->list));
    return APR_SUCCESS;
}

/* Begins with the next topic: first the listeners to exactly that topic. */
static apr_status_t open_topic(struct mrc_index *index, struct mrc_candidates_reading *reading)
{
    struct search *search = &index->search;
    struct mrc_bytes topic = search->topics[search->next++];

    search->hash = mrc_siphash(index->key, topic);
    search->version = index->version;
    search->found = search->tried = search->matched = 0;
    search->is_known = false;
    search->is_open = true;
    start_walk(search, find_exact(index, topic, search->hash));
    mrc_candidates_reading_clear(reading);
    mrc_candidates_reading_init(reading, topic);
    return list_patterns(index, reading);
}

/* Closes the topic when all patterns have been tried. The cache stores the result, unless the
 * patterns have changed in the meantime. */
static void close_topic(struct mrc_index *index)
{
    struct search *search = &index->search;

    search->is_open = false;
    if (index->cache && !search->is_known && search->version == index->version)
        mrc_index_cache_remember(index->cache, search->topics[search->next - 1], search->hash,
                                 search->version, (void *const *)index->list, search->matched);
}

static void take_time(int64_t *left_us, int64_t *since_us)
{
    int64_t now_us = mrc_clock_us();

    *left_us -= now_us - *since_us;
    *since_us = now_us;
}

/* Tries patterns until one matches, all are tried, or the time is up. */
static apr_status_t try_patterns(struct mrc_index *index, struct mrc_candidates_reading *reading,
                                 int64_t *left_us)
{
    struct search *search = &index->search;
    int64_t since_us = left_us && !search->is_known ? mrc_clock_us() : 0;
    bool matches = search->is_known;
    enum mrc_err err = MRC_OK;

    do {
        struct mrc_candidate *candidate = index->list[search->tried++];
        const struct node *node = (const struct node *)candidate;

        if (!candidate)
            continue; /* it was removed */
        if (!search->is_known)
            err = mrc_matcher_match_topic(node->matcher, mrc_candidates_read(reading, candidate),
                                          &matches);
        if (err)
            return mrc_status_of(err);
        if (matches) {
            index->list[search->matched++] = candidate;
            start_walk(search, node);
        }
        if (since_us &&
            (mrc_matcher_is_costly(node->matcher) || search->tried % TRIES_PER_LOOK == 0))
            take_time(left_us, &since_us);
    } while (search->tried < search->found && !search->node && !is_time_up(left_us));
    if (since_us)
        take_time(left_us, &since_us);
    return APR_SUCCESS;
}

static apr_status_t go_on(struct mrc_index *index, struct mrc_candidates_reading *reading,
                          int64_t *left_us, mrc_index_found_fn *found, void *ctx)
{
    struct search *search = &index->search;
    apr_status_t status = APR_SUCCESS;

    while (status == APR_SUCCESS) {
        if (!walk(index, left_us, found, ctx) || is_time_up(left_us))
            return APR_INCOMPLETE;
        if (search->tried < search->found)
            status = try_patterns(index, reading, left_us);
        else if (search->is_open)
            close_topic(index);
        else if (search->next < search->count)
            status = open_topic(index, reading);
        else
            return APR_SUCCESS;
    }
    return status;
}

void mrc_index_begin(struct mrc_index *index, const struct mrc_bytes *topics, size_t count)
{
    index->mark++;
    index->search = (struct search){.topics = topics, .count = count};
    start_walk(&index->search, &index->wildcard);
}

void mrc_index_stop(struct mrc_index *index)
{
    index->search = (struct search){.topics = NULL};
    release_patterns(index);
}

apr_status_t mrc_index_go_on(struct mrc_index *index, int64_t *left_us, mrc_index_found_fn *found,
                             void *ctx)
{
    const struct search *search = &index->search;
    struct mrc_candidates_reading reading;
    apr_status_t status;

    mrc_candidates_reading_init(&reading, search->is_open ? search->topics[search->next - 1]
                                                          : (struct mrc_bytes){"", 0});
    status = go_on(index, &reading, left_us, found, ctx);
    mrc_candidates_reading_clear(&reading);
    if (!APR_STATUS_IS_INCOMPLETE(status))
        mrc_index_stop(index);
    return status;
}

apr_status_t mrc_index_collect(struct mrc_index *index, const struct mrc_bytes *topics,
                               size_t count, mrc_index_found_fn *found, void *ctx)
{
    mrc_index_begin(index, topics, count);
    return mrc_index_go_on(index, NULL, found, ctx);
}

size_t mrc_index_get_cache_bytes(const struct mrc_index *index)
{
    return index->cache ? mrc_index_cache_bytes(index->cache) : 0;
}

/* ---- open and close ---------------------------------------------------------------------------*/

struct mrc_index *mrc_index_create(const uint64_t key[2])
{
    struct mrc_index *index = calloc(1, sizeof(*index));

    if (!index)
        return NULL;
    memcpy(index->key, key, sizeof(index->key));
    index->version = 1;
    if (table_init(&index->exact) != APR_SUCCESS || table_init(&index->patterns) != APR_SUCCESS) {
        mrc_index_free(index);
        return NULL;
    }
    return index;
}

void mrc_index_free(struct mrc_index *index)
{
    if (!index)
        return;
    mrc_index_cache_free(index->cache);
    free(index->list);
    free_places(&index->wildcard);
    free(index->exact.buckets);
    free(index->patterns.buckets);
    free(index);
}
