#include "hub/index.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/anchor.h"
#include "core/matcher.h"
#include "core/siphash.h"
#include "core/topic.h"
#include "hub/prefix_tree.h"

/* Topics whose matching patterns are remembered; longer topics are matched each time. */
#define CACHE_ENTRIES     4096
#define CACHE_TOPIC_BYTES 512

/* The most that one topic may take of the cache. */
#define CACHE_ENTRY_BYTES (MRC_INDEX_CACHE_BYTES / 64)

#define FIRST_BUCKETS 64
#define FIRST_SCRATCH 16
#define FIRST_PLACES  2

/* What is used less than this part is made smaller. */
#define SHRINK_BELOW 4

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
    const struct mrc_matcher *matcher;      /* that of one of its places */
    struct spot *spot;                      /* of a pattern; unused by others, as the next two */
    struct node *spot_previous, *spot_next; /* of the same spot */
    uint32_t count, cap;                    /* of places; CAP is 0 while one is enough */
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

/* Nodes by the hash of their matcher's value. */
struct table {
    struct node **buckets;
    size_t bucket_count; /* a power of two */
    size_t node_count;
};

/* A literal text and the patterns that are looked for by it. */
struct spot {
    struct family *family;
    enum mrc_anchor anchor;
    struct mrc_prefix_node *at;
    struct node *first;
    size_t count;
};

/* The patterns whose topics are relative to the same base: each topic is parsed once for them. */
struct family {
    struct family *next;
    struct mrc_prefix_tree trees[MRC_ANCHORS]; /* of struct spot */
    size_t count;                              /* of patterns */
    bool has_base;
    char base[]; /* terminated */
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
    struct family *families;
    uint64_t version;       /* changes whenever a pattern comes or goes */
    struct verdict **cache; /* CACHE_ENTRIES, made with the first pattern; malloc()ed each */
    size_t cache_bytes;     /* of all verdicts together */
    size_t cache_hand;      /* where room is made next */
    struct node **scratch;  /* room for as many nodes as there are patterns */
    size_t scratch_cap;
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

/* If there is no memory for other buckets, they stay as many, and chains are longer or shorter. */
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

/* The family of BASE, which may be NULL; if there is none, a new one. NULL: out of memory. */
static struct family *find_family(struct mrc_index *index, const char *base)
{
    size_t base_len = base ? strlen(base) : 0;
    struct family *family = index->families;

    while (family && (family->has_base != (base != NULL) || strcmp(family->base, base ? base : "")))
        family = family->next;
    if (family)
        return family;
    family = calloc(1, sizeof(*family) + base_len + 1);
    if (!family)
        return NULL;
    family->has_base = base != NULL;
    if (base)
        memcpy(family->base, base, base_len);
    family->next = index->families;
    index->families = family;
    return family;
}

static void drop_family_if_empty(struct mrc_index *index, struct family *family)
{
    struct family **link = &index->families;

    if (family->count > 0)
        return;
    while (*link != family)
        link = &(*link)->next;
    *link = family->next;
    free(family);
}

/*
 * Where a pattern with MATCHER is to be looked for: where its literal text is long, and not that of
 * many already, in RET_ANCHOR; with no literal text, where all topics look. RET_SPOT may be NULL:
 * there is no such spot yet.
 */
static void choose_anchor(const struct family *family, const struct mrc_matcher *matcher,
                          enum mrc_anchor *ret_anchor, struct mrc_anchor_text *ret_text,
                          struct spot **ret_spot)
{
    struct mrc_anchor_text text;
    size_t best_load = 0;

    *ret_anchor = MRC_ANCHOR_URL;
    ret_text->len = 0;
    *ret_spot = NULL;
    for (int i = MRC_ANCHORS - 1; i >= 0; i--) {
        enum mrc_anchor anchor = (enum mrc_anchor)i;
        const struct mrc_prefix_node *at;
        struct spot *spot;
        size_t load;

        if (!mrc_matcher_get_anchor(matcher, anchor, &text) || (!text.len && ret_text->len))
            continue;
        at = mrc_prefix_tree_find(&family->trees[anchor], mrc_anchor_text_bytes(&text));
        spot = at ? mrc_prefix_tree_get(at) : NULL;
        load = spot ? spot->count + 1 : 1;
        if (ret_text->len && load * ret_text->len > best_load * text.len)
            continue;
        *ret_anchor = anchor;
        *ret_text = text;
        *ret_spot = spot;
        best_load = load;
    }
}

static struct spot *add_spot(struct family *family, enum mrc_anchor anchor, struct mrc_bytes text)
{
    struct spot *spot = calloc(1, sizeof(*spot));

    if (!spot)
        return NULL;
    *spot = (struct spot){.family = family, .anchor = anchor};
    spot->at = mrc_prefix_tree_add(&family->trees[anchor], text, spot);
    if (spot->at)
        return spot;
    free(spot);
    return NULL;
}

/* Puts NODE, whose matcher is MATCHER, where topics find it. */
static apr_status_t place_pattern(struct mrc_index *index, struct node *node,
                                  const struct mrc_matcher *matcher)
{
    struct family *family = find_family(index, mrc_matcher_get_base(matcher));
    struct mrc_anchor_text text;
    enum mrc_anchor anchor;
    struct spot *spot;

    if (!family)
        return APR_ENOMEM;
    choose_anchor(family, matcher, &anchor, &text, &spot);
    if (!spot)
        spot = add_spot(family, anchor, mrc_anchor_text_bytes(&text));
    if (!spot) {
        drop_family_if_empty(index, family);
        return APR_ENOMEM;
    }
    node->spot = spot;
    node->spot_next = spot->first;
    if (spot->first)
        spot->first->spot_previous = node;
    spot->first = node;
    spot->count++;
    family->count++;
    return APR_SUCCESS;
}

static void displace_pattern(struct mrc_index *index, struct node *node)
{
    struct spot *spot = node->spot;
    struct family *family = spot->family;

    if (node->spot_previous)
        node->spot_previous->spot_next = node->spot_next;
    else
        spot->first = node->spot_next;
    if (node->spot_next)
        node->spot_next->spot_previous = node->spot_previous;
    if (--spot->count == 0) {
        mrc_prefix_tree_remove(&family->trees[spot->anchor], spot->at);
        free(spot);
    }
    family->count--;
    drop_family_if_empty(index, family);
}

static void free_cache(struct mrc_index *index)
{
    for (size_t i = 0; index->cache && i < CACHE_ENTRIES; i++)
        free(index->cache[i]);
    free(index->cache);
    index->cache = NULL;
    index->cache_bytes = 0;
}

static apr_status_t fit_scratch(struct mrc_index *index, size_t new_cap)
{
    struct node **scratch = realloc(index->scratch, new_cap * sizeof(*scratch));

    if (!scratch)
        return APR_ENOMEM;
    index->scratch = scratch;
    index->scratch_cap = new_cap;
    return APR_SUCCESS;
}

static apr_status_t reserve_pattern(struct mrc_index *index)
{
    if (!index->cache)
        index->cache = calloc(CACHE_ENTRIES, sizeof(*index->cache));
    if (!index->cache)
        return APR_ENOMEM;
    if (index->patterns.node_count < index->scratch_cap)
        return APR_SUCCESS;
    return fit_scratch(index, index->scratch_cap ? index->scratch_cap * 2 : FIRST_SCRATCH);
}

/* What is not needed for the patterns that are left, and all of it with the last one. */
static void release_pattern(struct mrc_index *index)
{
    if (index->patterns.node_count == 0) {
        free_cache(index);
        free(index->scratch);
        index->scratch = NULL;
        index->scratch_cap = 0;
    } else if (index->scratch_cap > FIRST_SCRATCH &&
               index->patterns.node_count < index->scratch_cap / SHRINK_BELOW) {
        fit_scratch(index, index->scratch_cap / 2);
    }
}

static struct node *add_pattern(struct mrc_index *index, uint64_t hash,
                                const struct mrc_matcher *matcher)
{
    struct node *node = NULL;

    if (reserve_pattern(index) == APR_SUCCESS)
        node = table_add(&index->patterns, hash);
    if (node && place_pattern(index, node, matcher) != APR_SUCCESS) {
        table_remove(&index->patterns, node);
        node = NULL;
    }
    if (node)
        index->version++;
    else
        release_pattern(index);
    return node;
}

static void remove_pattern(struct mrc_index *index, struct node *node)
{
    displace_pattern(index, node);
    index->version++;
    table_remove(&index->patterns, node);
    release_pattern(index);
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

static apr_status_t enter(struct node *node, struct mrc_listener *listener, size_t registration)
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
    if (node->count > 0)
        node->matcher = places->listener->registrations[places->registration].matcher;
    if (node->cap > FIRST_PLACES && node->count < node->cap / SHRINK_BELOW)
        fit_places(node, node->cap / 2);
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

/* Matches TOPIC against those patterns of TREE that it may match. */
static enum mrc_err match_tree(struct mrc_index *index, const struct mrc_prefix_tree *tree,
                               struct mrc_bytes text, struct mrc_topic *topic, size_t *count)
{
    struct mrc_prefix_walk walk;
    const struct spot *spot;

    mrc_prefix_walk_start(&walk, tree, text);
    while ((spot = mrc_prefix_walk_next(&walk))) {
        for (struct node *node = spot->first; node; node = node->spot_next) {
            bool matches;
            enum mrc_err err = mrc_matcher_match_topic(node->matcher, topic, &matches);

            if (err)
                return err;
            if (matches)
                index->scratch[(*count)++] = node;
        }
    }
    return MRC_OK;
}

static enum mrc_err match_family(struct mrc_index *index, const struct family *family,
                                 struct mrc_bytes text, size_t *count)
{
    struct mrc_topic topic;
    enum mrc_err err = MRC_OK;

    mrc_topic_init(&topic, text, family->has_base ? family->base : NULL);
    for (int i = 0; i < MRC_ANCHORS && !err; i++) {
        struct mrc_anchor_text shown;

        if (!family->trees[i].root)
            continue;
        err = mrc_topic_get_anchor(&topic, (enum mrc_anchor)i, &shown);
        if (!err)
            err =
                match_tree(index, &family->trees[i], mrc_anchor_text_bytes(&shown), &topic, count);
        else if (err != MRC_ENOMEM)
            err = MRC_OK; /* it is no URL */
    }
    mrc_topic_clear(&topic);
    return err;
}

/* Matches TOPIC against the patterns that it may match; those that do go to the scratch list. */
static apr_status_t match_patterns(struct mrc_index *index, struct mrc_bytes text,
                                   size_t *ret_count)
{
    enum mrc_err err = MRC_OK;
    size_t count = 0;

    for (const struct family *family = index->families; family && !err; family = family->next)
        err = match_family(index, family, text, &count);
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
           (node->hash != hash || !mrc_bytes_eq(mrc_matcher_get_value(node->matcher), topic)))
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
    free_cache(index);
    free(index->scratch);
    free_places(&index->wildcard);
    free(index->exact.buckets);
    free(index->patterns.buckets);
    free(index);
}
