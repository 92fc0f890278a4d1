/*
 * Verdicts: which patterns match a topic, remembered for the topics that were asked for last. At
 * most MRC_INDEX_CACHE_BYTES, however many patterns match however many topics; a topic that is
 * long, or whose patterns would fill a part of it that is too large, is not remembered. Belongs to
 * one thread.
 */
#ifndef MRC_HUB_INDEX_CACHE_H
#define MRC_HUB_INDEX_CACHE_H

#include <stddef.h>
#include <stdint.h>

#include "core/base/bytes.h"

#define MRC_INDEX_CACHE_BYTES       ((size_t)8 << 20)
#define MRC_INDEX_CACHE_TOPIC_BYTES 512

/* The most that one topic may take. */
#define MRC_INDEX_CACHE_ONE_BYTES (MRC_INDEX_CACHE_BYTES / 64)

struct mrc_index_cache;

/* NULL: out of memory. */
struct mrc_index_cache *mrc_index_cache_create(void);

/* Accepts NULL. */
void mrc_index_cache_free(struct mrc_index_cache *verdicts);

/*
 * The patterns that match TOPIC, whose hash is HASH, as they were remembered with the same VERSION;
 * RET_COUNT of them, until the next call. NULL: they are not known.
 */
void *const *mrc_index_cache_recall(const struct mrc_index_cache *verdicts, struct mrc_bytes topic,
                                    uint64_t hash, uint64_t version, size_t *ret_count);

/* Remembers the COUNT PATTERNS for TOPIC; if there is no memory for it, it does not. */
void mrc_index_cache_remember(struct mrc_index_cache *verdicts, struct mrc_bytes topic,
                              uint64_t hash, uint64_t version, void *const *patterns, size_t count);

/* What it remembers now, in bytes. */
size_t mrc_index_cache_bytes(const struct mrc_index_cache *verdicts);

#endif
