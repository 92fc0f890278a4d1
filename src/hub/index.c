#include "hub/index.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/matcher.h"
#include "core/siphash.h"
#include "core/topic.h"

/* Topics whose matching patterns are remembered; longer topics are matched each time. */
#define CACHE_ENTRIES     4096
#define CACHE_TOPIC_BYTES 512

/* The most that one topic may take of the cache. */
#define CACHE_ENTRY_BYTES (MRC_INDEX_CACHE_BYTES / 64)

#define FIRST_BUCKETS 64
#define FIRST_PLACES  4

/* A listener comes into the processor's cache so many before it is looked at. */
#define PLACES_AHEAD 8

/* One place in a node: a listener, and which of its registrations this is. */
struct place {
    struct mrc_listener *listener;
    size_t registration;
};

/* What has the same matcher. */
struct node {
    struct node *next; /* in its bucket */
    uint64_t hash;
    size_t pattern; /* where it is in the list of patterns; unused by others */
    size_t count;
    size_t cap; /* 0: there was never more than one */
    union {
        struct place one;     /* most topics have one listener */
        struct place *places; /* malloc()ed */
    };
};

struct mrc_registration {
    const struct mrc_matcher *matcher;
    struct node *node;
    size_t place;
};

/* Nodes by the hash of their matcher's value. */
struct table {
    struct node **buckets;
    size_t bucket_count; /* a power of two */
    size_t node_count;
};

/* The patterns that match one topic, as of VERSION. */
struct verdict {
    uint64_t version;
    uint64_t hash;
    size_t bytes; /* of all of it */
    size_t topic_len;
    size_t count;
    struct node *matching[]; /* COUNT of them, then the topic */
};

struct mrc_index {
    uint64_t key[2];
    uint64_t mark;
    struct node wildcard;
    struct table exact;
    struct table patterns;
    struct node **pattern_list; /* all nodes of patterns */
    size_t pattern_cap;
    uint64_t version;       /* changes whenever a pattern comes or goes */
    struct verdict **cache; /* CACHE_ENTRIES, made with the first pattern; malloc()ed each */
    size_t cache_bytes;     /* of all verdicts together */
    size_t cache_hand;      /* where room is made next */
    struct node **scratch;  /* room for as many nodes as there are patterns */
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

static const struct mrc_matcher *matcher_of(const struct node *node)
{
    const struct place *place = places_of(node);

    return place->listener->registrations[place->registration].matcher;
}

static apr_status_t table_init(struct table *table)
{
    table->buckets = calloc(FIRST_BUCKETS, sizeof(struct node *));
    table->bucket_count = FIRST_BUCKETS;
    return table->buckets ? APR_SUCCESS : APR_ENOMEM;
}

/* Doubles the buckets when the nodes are as many; if there is no memory, chains grow instead. */
static void table_grow(struct table *table)
{
    size_t new_count = table->bucket_count * 2;
    struct node **buckets;

    if (table->node_count < table->bucket_count)
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

    while (node && (node->hash != hash || !mrc_matcher_is_same(matcher_of(node), matcher)))
        node = node->next;
    return node;
}

static struct node *table_add(struct table *table, uint64_t hash)
{
    struct node *node = calloc(1, sizeof(*node));
    struct node **bucket;

    if (!node)
        return NULL;
    table_grow(table);
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
}

/* ---- patterns ---------------------------------------------------------------------------------*/

static apr_status_t reserve_pattern(struct mrc_index *index)
{
    size_t new_cap = index->pattern_cap ? index->pattern_cap * 2 : 16;
    struct node **list, **scratch;

    if (!index->cache)
        index->cache = calloc(CACHE_ENTRIES, sizeof(*index->cache));
    if (!index->cache)
        return APR_ENOMEM;
    if (index->patterns.node_count < index->pattern_cap)
        return APR_SUCCESS;
    list = realloc(index->pattern_list, new_cap * sizeof(*list));
    if (!list)
        return APR_ENOMEM;
    index->pattern_list = list;
    scratch = realloc(index->scratch, new_cap * sizeof(*scratch));
    if (!scratch)
        return APR_ENOMEM;
    index->scratch = scratch;
    index->pattern_cap = new_cap;
    return APR_SUCCESS;
}

static struct node *add_pattern(struct mrc_index *index, uint64_t hash)
{
    struct node *node;

    if (reserve_pattern(index) != APR_SUCCESS)
        return NULL;
    node = table_add(&index->patterns, hash);
    if (!node)
        return NULL;
    node->pattern = index->patterns.node_count - 1;
    index->pattern_list[node->pattern] = node;
    index->version++;
    return node;
}

static void remove_pattern(struct mrc_index *index, struct node *node)
{
    struct node *last = index->pattern_list[index->patterns.node_count - 1];

    index->pattern_list[node->pattern] = last;
    last->pattern = node->pattern;
    index->version++;
    table_remove(&index->patterns, node);
}

/* ---- listeners --------------------------------------------------------------------------------*/

/* Makes room for one more place, of which there are some. */
static apr_status_t reserve_place(struct node *node)
{
    size_t new_cap = node->cap ? node->cap * 2 : FIRST_PLACES;
    struct place *places = realloc(node->cap ? node->places : NULL, new_cap * sizeof(struct place));

    if (!places)
        return APR_ENOMEM;
    if (!node->cap)
        places[0] = node->one;
    node->places = places;
    node->cap = new_cap;
    return APR_SUCCESS;
}

static apr_status_t enter(struct node *node, struct mrc_listener *listener, size_t registration)
{
    if (node->count > 0 && node->count >= node->cap && reserve_place(node) != APR_SUCCESS)
        return APR_ENOMEM;
    listener->registrations[registration].node = node;
    listener->registrations[registration].place = node->count;
    places_of(node)[node->count++] = (struct place){listener, registration};
    return APR_SUCCESS;
}

static void drop_if_empty(struct mrc_index *index, struct node *node, bool exact)
{
    if (node->count > 0 || node == &index->wildcard)
        return;
    if (exact)
        table_remove(&index->exact, node);
    else
        remove_pattern(index, node);
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
    return mrc_matcher_is_literal(matcher) ? table_add(table, hash) : add_pattern(index, hash);
}

static apr_status_t add_one(struct mrc_index *index, struct mrc_listener *listener, size_t i)
{
    const struct mrc_matcher *matcher = listener->registrations[i].matcher;
    struct node *node = node_for(index, matcher);
    apr_status_t status = node ? enter(node, listener, i) : APR_ENOMEM;

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

static void leave(struct mrc_index *index, const struct mrc_registration *registration)
{
    struct node *node = registration->node;
    struct place *places = places_of(node);
    const struct place *last = &places[--node->count];

    places[registration->place] = *last;
    last->listener->registrations[last->registration].place = registration->place;
    drop_if_empty(index, node, mrc_matcher_is_literal(registration->matcher));
}

void mrc_index_remove(struct mrc_index *index, struct mrc_listener *listener)
{
    for (size_t i = 0; i < listener->count; i++)
        leave(index, &listener->registrations[i]);
    free(listener->registrations);
    *listener = (struct mrc_listener){0};
}

/* ---- collecting -------------------------------------------------------------------------------*/

static void found_all(struct mrc_index *index, const struct node *node, mrc_index_found_fn *found,
                      void *ctx)
{
    const struct place *places = places_of(node);

    for (size_t i = 0; i < node->count; i++) {
        struct mrc_listener *listener = places[i].listener;

        if (i + PLACES_AHEAD < node->count)
            __builtin_prefetch(places[i + PLACES_AHEAD].listener, 1);
        if (listener->mark == index->mark)
            continue;
        listener->mark = index->mark;
        found(listener, ctx);
    }
}

/* Matches TOPIC against every pattern; the matching nodes go to the scratch list. */
static apr_status_t match_patterns(struct mrc_index *index, struct mrc_bytes text,
                                   size_t *ret_count)
{
    struct mrc_topic topic; /* parsed once for all whose base is that of the first one */
    enum mrc_err err = MRC_OK;
    size_t count = 0;

    mrc_topic_init(&topic, text, NULL);
    for (size_t i = 0; i < index->patterns.node_count && !err; i++) {
        struct node *node = index->pattern_list[i];
        bool matches;

        err = mrc_matcher_match_topic(matcher_of(node), &topic, &matches);
        if (!err && matches)
            index->scratch[count++] = node;
    }
    mrc_topic_clear(&topic);
    *ret_count = count;
    return err ? APR_ENOMEM : APR_SUCCESS;
}

static struct mrc_bytes topic_of(const struct verdict *verdict)
{
    return (struct mrc_bytes){(const char *)&verdict->matching[verdict->count], verdict->topic_len};
}

static void drop_verdict(struct mrc_index *index, struct verdict **entry)
{
    if (*entry)
        index->cache_bytes -= (*entry)->bytes;
    free(*entry);
    *entry = NULL;
}

/* Forgets, round and round, until there is room for BYTES more. */
static void make_room(struct mrc_index *index, size_t bytes)
{
    while (index->cache_bytes + bytes > MRC_INDEX_CACHE_BYTES) {
        drop_verdict(index, &index->cache[index->cache_hand]);
        index->cache_hand = (index->cache_hand + 1) % CACHE_ENTRIES;
    }
}

/* Remembers the scratch list for TOPIC; if there is no memory for it, it is not remembered. */
static void remember(struct mrc_index *index, struct mrc_bytes topic, uint64_t hash, size_t count)
{
    struct verdict **entry = &index->cache[hash % CACHE_ENTRIES];
    size_t bytes = sizeof(**entry) + count * sizeof(struct node *) + topic.len;
    struct verdict *verdict;

    drop_verdict(index, entry);
    if (bytes > CACHE_ENTRY_BYTES)
        return;
    verdict = malloc(bytes);
    if (!verdict)
        return;
    *verdict = (struct verdict){.version = index->version,
                                .hash = hash,
                                .bytes = bytes,
                                .topic_len = topic.len,
                                .count = count};
    memcpy(verdict->matching, index->scratch, count * sizeof(struct node *));
    memcpy(&verdict->matching[count], topic.ptr, topic.len);
    make_room(index, bytes);
    index->cache_bytes += bytes;
    *entry = verdict;
}

static const struct verdict *recall(const struct mrc_index *index, struct mrc_bytes topic,
                                    uint64_t hash)
{
    const struct verdict *verdict = index->cache[hash % CACHE_ENTRIES];

    return verdict && verdict->version == index->version && verdict->hash == hash &&
                   mrc_bytes_eq(topic_of(verdict), topic)
               ? verdict
               : NULL;
}

static apr_status_t collect_patterns(struct mrc_index *index, struct mrc_bytes topic, uint64_t hash,
                                     mrc_index_found_fn *found, void *ctx)
{
    bool may_remember = topic.len <= CACHE_TOPIC_BYTES;
    const struct verdict *verdict;
    struct node *const *matching = index->scratch;
    apr_status_t status = APR_SUCCESS;
    size_t count;

    if (index->patterns.node_count == 0)
        return APR_SUCCESS;
    verdict = may_remember ? recall(index, topic, hash) : NULL;
    if (verdict) {
        matching = verdict->matching;
        count = verdict->count;
    } else {
        status = match_patterns(index, topic, &count);
        if (status == APR_SUCCESS && may_remember)
            remember(index, topic, hash, count);
    }
    for (size_t i = 0; i < count; i++)
        found_all(index, matching[i], found, ctx);
    return status;
}

static const struct node *find_exact(const struct mrc_index *index, struct mrc_bytes topic,
                                     uint64_t hash)
{
    const struct node *node = index->exact.buckets[hash & (index->exact.bucket_count - 1)];

    while (node &&
           (node->hash != hash || !mrc_bytes_eq(mrc_matcher_get_value(matcher_of(node)), topic)))
        node = node->next;
    return node;
}

apr_status_t mrc_index_collect(struct mrc_index *index, const struct mrc_bytes *topics,
                               size_t count, mrc_index_found_fn *found, void *ctx)
{
    apr_status_t result = APR_SUCCESS;

    index->mark++;
    found_all(index, &index->wildcard, found, ctx);
    for (size_t i = 0; i < count; i++) {
        uint64_t hash = mrc_siphash(index->key, topics[i]);
        const struct node *exact = find_exact(index, topics[i], hash);
        apr_status_t status;

        if (exact)
            found_all(index, exact, found, ctx);
        status = collect_patterns(index, topics[i], hash, found, ctx);
        if (status != APR_SUCCESS)
            result = status;
    }
    return result;
}

size_t mrc_index_get_cache_bytes(const struct mrc_index *index)
{
    return index->cache_bytes;
}

/* ---- the index itself -------------------------------------------------------------------------*/

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
    for (size_t i = 0; index->cache && i < CACHE_ENTRIES; i++)
        free(index->cache[i]);
    free(index->cache);
    free(index->pattern_list);
    free(index->scratch);
    free_places(&index->wildcard);
    free(index->exact.buckets);
    free(index->patterns.buckets);
    free(index);
}
