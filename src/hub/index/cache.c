#include "hub/index/cache.h"

#include <stdlib.h>

#define ENTRIES 4096

/* The patterns that match one topic. */
struct entry {
    uint64_t version; /* of the patterns in the index */
    uint64_t hash;
    size_t bytes; /* of the whole entry */
    size_t topic_len;
    size_t count;
    void *patterns[]; /* COUNT of them, then the topic */
};

struct mrc_index_cache {
    size_t bytes;                   /* of all entries together */
    size_t hand;                    /* the place whose entry is dropped next */
    struct entry *entries[ENTRIES]; /* by hash; malloc()ed each */
};

struct mrc_index_cache *mrc_index_cache_create(void)
{
    return calloc(1, sizeof(struct mrc_index_cache));
}

void mrc_index_cache_free(struct mrc_index_cache *cache)
{
    for (size_t i = 0; cache && i < ENTRIES; i++)
        free(cache->entries[i]);
    free(cache);
}

static struct mrc_bytes topic_of(const struct entry *entry)
{
    return (struct mrc_bytes){(const char *)&entry->patterns[entry->count], entry->topic_len};
}

static void drop(struct mrc_index_cache *cache, struct entry **place)
{
    if (*place)
        cache->bytes -= (*place)->bytes;
    free(*place);
    *place = NULL;
}

/* Drops entries, place after place, until there is room for BYTES more. */
static void make_room(struct mrc_index_cache *cache, size_t bytes)
{
    while (cache->bytes + bytes > MRC_INDEX_CACHE_BYTES) {
        drop(cache, &cache->entries[cache->hand]);
        cache->hand = (cache->hand + 1) % ENTRIES;
    }
}

void *const *mrc_index_cache_recall(const struct mrc_index_cache *cache, struct mrc_bytes topic,
                                    uint64_t hash, uint64_t version, size_t *ret_count)
{
    struct entry *entry = cache->entries[hash % ENTRIES];

    if (!entry || entry->version != version || entry->hash != hash ||
        !mrc_bytes_eq(topic_of(entry), topic))
        return NULL;
    *ret_count = entry->count;
    return entry->patterns;
}

void mrc_index_cache_remember(struct mrc_index_cache *cache, struct mrc_bytes topic, uint64_t hash,
                              uint64_t version, void *const *patterns, size_t count)
{
    struct entry **place = &cache->entries[hash % ENTRIES];
    size_t bytes = sizeof(struct entry) + count * sizeof(*patterns) + topic.len;
    struct entry *entry;

    drop(cache, place);
    if (topic.len > MRC_INDEX_CACHE_TOPIC_BYTES || bytes > MRC_INDEX_CACHE_ONE_BYTES)
        return;
    entry = malloc(bytes);
    if (!entry)
        return;
    *entry = (struct entry){
        .version = version, .hash = hash, .bytes = bytes, .topic_len = topic.len, .count = count};
    if (count)
        memcpy(entry->patterns, patterns, count * sizeof(*patterns));
    if (topic.len)
        memcpy(&entry->patterns[count], topic.ptr, topic.len);
    make_room(cache, bytes);
    cache->bytes += bytes;
    *place = entry;
}

size_t mrc_index_cache_bytes(const struct mrc_index_cache *cache)
{
    return cache->bytes;
}
