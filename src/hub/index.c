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

#define FIRST_BUCKETS 64

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
    struct place *places;
    size_t count, cap;
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
    uint64_t version; /* 0: empty */
    uint64_t hash;
    size_t topic_len;
    char topic[CACHE_TOPIC_BYTES];
    struct node **matching; /* malloc()ed */
    size_t count;
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
    struct verdict **cache; /* CACHE_ENTRIES, made with the first pattern */
    struct node **scratch;  /* room for as many nodes as there are patterns */
};

/* ---- nodes ------------------------------------------------------------------------------------*/

static const struct mrc_matcher *matcher_of(const struct node *node)
{
    const struct place *place = &node->places[0];

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
    free(node->places);
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

static apr_status_t enter(struct node *node, struct mrc_listener *listener, size_t registration)
{
    if (node->count == node->cap) {
        size_t new_cap = node->cap ? node->cap * 2 : 2;
        struct place *places = realloc(node->places, new_cap * sizeof(*places));

        if (!places)
            return APR_ENOMEM;
        node->places = places;
        node->cap = new_cap;
    }
    listener->registrations[registration].node = node;
    listener->registrations[registration].place = node->count;
    node->places[node->count++] = (struct place){listener, registration};
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
    struct place *last = &node->places[--node->count];

    node->places[registration->place] = *last;
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
    for (size_t i = 0; i < node->count; i++) {
        struct mrc_listener *listener = node->places[i].listener;

        if (listener->mark == index->mark)
            continue;
        listener->mark = index->mark;
        found(listener, ctx);
    }
}

/* The base of the first pattern that has one, which is that of most. */
static const char *common_base(const struct mrc_index *index)
{
    const char *base = NULL;

    for (size_t i = 0; i < index->patterns.node_count && !base; i++)
        base = mrc_matcher_get_base(matcher_of(index->pattern_list[i]));
    return base;
}

/* Matches TOPIC against every pattern; the matching nodes go to the scratch list. */
static size_t match_patterns(struct mrc_index *index, struct mrc_bytes text)
{
    struct mrc_topic topic; /* parsed once for all of the common base */
    size_t count = 0;

    mrc_topic_init(&topic, text, common_base(index));
    for (size_t i = 0; i < index->patterns.node_count; i++) {
        struct node *node = index->pattern_list[i];

        if (mrc_matcher_matches_topic(matcher_of(node), &topic))
            index->scratch[count++] = node;
    }
    mrc_topic_clear(&topic);
    return count;
}

/* Remembers the scratch list for TOPIC; if there is no memory for it, it is not remembered. */
static void remember(struct mrc_index *index, struct mrc_bytes topic, uint64_t hash, size_t count)
{
    struct verdict **entry = &index->cache[hash % CACHE_ENTRIES];
    struct node **matching;

    if (!*entry)
        *entry = calloc(1, sizeof(**entry));
    if (!*entry)
        return;
    (*entry)->version = 0;
    matching = realloc((*entry)->matching, (count ? count : 1) * sizeof(*matching));
    if (!matching)
        return;
    memcpy(matching, index->scratch, count * sizeof(*matching));
    memcpy((*entry)->topic, topic.ptr, topic.len);
    (*entry)->topic_len = topic.len;
    (*entry)->matching = matching;
    (*entry)->count = count;
    (*entry)->hash = hash;
    (*entry)->version = index->version;
}

static const struct verdict *recall(const struct mrc_index *index, struct mrc_bytes topic,
                                    uint64_t hash)
{
    const struct verdict *entry = index->cache[hash % CACHE_ENTRIES];

    return entry && entry->version == index->version && entry->hash == hash &&
                   mrc_bytes_eq((struct mrc_bytes){entry->topic, entry->topic_len}, topic)
               ? entry
               : NULL;
}

static void collect_patterns(struct mrc_index *index, struct mrc_bytes topic, uint64_t hash,
                             mrc_index_found_fn *found, void *ctx)
{
    const struct verdict *verdict;
    struct node **matching = index->scratch;
    size_t count;

    if (index->patterns.node_count == 0)
        return;
    verdict = topic.len <= CACHE_TOPIC_BYTES ? recall(index, topic, hash) : NULL;
    if (verdict) {
        matching = verdict->matching;
        count = verdict->count;
    } else {
        count = match_patterns(index, topic);
        if (topic.len <= CACHE_TOPIC_BYTES)
            remember(index, topic, hash, count);
    }
    for (size_t i = 0; i < count; i++)
        found_all(index, matching[i], found, ctx);
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

void mrc_index_collect(struct mrc_index *index, const struct mrc_bytes *topics, size_t count,
                       mrc_index_found_fn *found, void *ctx)
{
    index->mark++;
    found_all(index, &index->wildcard, found, ctx);
    for (size_t i = 0; i < count; i++) {
        uint64_t hash = mrc_siphash(index->key, topics[i]);
        const struct node *exact = find_exact(index, topics[i], hash);

        if (exact)
            found_all(index, exact, found, ctx);
        collect_patterns(index, topics[i], hash, found, ctx);
    }
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
    for (size_t i = 0; index->cache && i < CACHE_ENTRIES; i++) {
        if (index->cache[i])
            free(index->cache[i]->matching);
        free(index->cache[i]);
    }
    free(index->cache);
    free(index->pattern_list);
    free(index->scratch);
    free(index->wildcard.places);
    free(index->exact.buckets);
    free(index->patterns.buckets);
    free(index);
}
