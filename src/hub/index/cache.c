#include "hub/index/cache.h"

#include <stdlib.h>

#define ENTRIES 4096

/* The patterns that match one topic, as of VERSION. */
struct verdict {
    uint64_t version;
    uint64_t hash;
    size_t bytes; /* of all of it */
    size_t topic_len;
    size_t count;
    void *patterns[]; /* COUNT of them, then the topic */
};

struct mrc_index_cache {
    size_t bytes;                     /* of all verdicts together */
    size_t hand;                      /* where room is made next */
    struct verdict *entries[ENTRIES]; /* malloc()ed each */
};

struct mrc_index_cache *mrc_index_cache_create(void)
{
    return calloc(1, sizeof(struct mrc_index_cache));
}

void mrc_index_cache_free(struct mrc_index_cache *verdicts)
{
    for (size_t i = 0; verdicts && i < ENTRIES; i++)
        free(verdicts->entries[i]);
    free(verdicts);
}

static struct mrc_bytes topic_of(const struct verdict *verdict)
{
    return (struct mrc_bytes){(const char *)&verdict->patterns[verdict->count], verdict->topic_len};
}

static void drop(struct mrc_index_cache *verdicts, struct verdict **entry)
{
    if (*entry)
        verdicts->bytes -= (*entry)->bytes;
    free(*entry);
    *entry = NULL;
}

/* Forgets, round and round, until there is room for BYTES more. */
static void make_room(struct mrc_index_cache *verdicts, size_t bytes)
{
    while (verdicts->bytes + bytes > MRC_INDEX_CACHE_BYTES) {
        drop(verdicts, &verdicts->entries[verdicts->hand]);
        verdicts->hand = (verdicts->hand + 1) % ENTRIES;
    }
}

void *const *mrc_index_cache_recall(const struct mrc_index_cache *verdicts, struct mrc_bytes topic,
                                    uint64_t hash, uint64_t version, size_t *ret_count)
{
    struct verdict *verdict = verdicts->entries[hash % ENTRIES];

    if (!verdict || verdict->version != version || verdict->hash != hash ||
        !mrc_bytes_eq(topic_of(verdict), topic))
        return NULL;
    *ret_count = verdict->count;
    return verdict->patterns;
}

void mrc_index_cache_remember(struct mrc_index_cache *verdicts, struct mrc_bytes topic,
                              uint64_t hash, uint64_t version, void *const *patterns, size_t count)
{
    struct verdict **entry = &verdicts->entries[hash % ENTRIES];
    size_t bytes = sizeof(**entry) + count * sizeof(*patterns) + topic.len;
    struct verdict *verdict;

    drop(verdicts, entry);
    if (topic.len > MRC_INDEX_CACHE_TOPIC_BYTES || bytes > MRC_INDEX_CACHE_ONE_BYTES)
        return;
    verdict = malloc(bytes);
    if (!verdict)
        return;
    *verdict = (struct verdict){
        .version = version, .hash = hash, .bytes = bytes, .topic_len = topic.len, .count = count};
    if (count)
        memcpy(verdict->patterns, patterns, count * sizeof(*patterns));
    if (topic.len)
        memcpy(&verdict->patterns[count], topic.ptr, topic.len);
    make_room(verdicts, bytes);
    verdicts->bytes += bytes;
    *entry = verdict;
}

size_t mrc_index_cache_bytes(const struct mrc_index_cache *verdicts)
{
    return verdicts->bytes;
}
