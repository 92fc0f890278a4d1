/*
 * The cache of an index: the patterns that match a topic, for the topics that were looked up last.
 * It occupies at most MRC_INDEX_CACHE_BYTES, whatever the number of patterns and topics. It does
 * not store a topic that is long, or that too many patterns match. Belongs to one thread.
 */
#ifndef MRC_HUB_INDEX_CACHE_H
#define MRC_HUB_INDEX_CACHE_H

#include <stddef.h>
#include <stdint.h>

#include "core/base/bytes.h"

#define MRC_INDEX_CACHE_BYTES       ((size_t)8 << 20)
#define MRC_INDEX_CACHE_TOPIC_BYTES 512

/* The most memory for one topic. */
#define MRC_INDEX_CACHE_ONE_BYTES (MRC_INDEX_CACHE_BYTES / 64)

struct mrc_index_cache;

/* NULL: out of memory. */
struct mrc_index_cache *mrc_index_cache_create(void);

/* Accepts NULL. */
void mrc_index_cache_free(struct mrc_index_cache *cache);

/*
 * The RET_COUNT patterns that match TOPIC, whose hash is HASH, if the cache has them for this
 * VERSION; valid until the next call. NULL: unknown.
 */
void *const *mrc_index_cache_recall(const struct mrc_index_cache *cache, struct mrc_bytes topic,
                                    uint64_t hash, uint64_t version, size_t *ret_count);

/* Stores the COUNT PATTERNS for TOPIC; does nothing if there is no memory. */
void mrc_index_cache_remember(struct mrc_index_cache *cache, struct mrc_bytes topic, uint64_t hash,
                              uint64_t version, void *const *patterns, size_t count);

/* The memory of all topics, in bytes. */
size_t mrc_index_cache_bytes(const struct mrc_index_cache *cache);

#endif
