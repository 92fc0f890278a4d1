/*
 * The index: from the topics of an update to the listeners that receive it, at a cost that does not
 * grow with the listeners that do not.
 *
 *     topic --hash--> exact node ------> listeners
 *       |
 *       +---cache---> pattern nodes ---> listeners     a pattern is kept once, however many
 *       |                   ^                          listeners share it
 *       +--anchors--> those that may match, tried
 *
 *     every update -> wildcard node ---> listeners
 *
 * A topic that the cache does not know is tried against the patterns with whose literal text its
 * own begins (core/anchor.h, prefix_tree.h), from wherever that tells patterns apart: thousands
 * that have text of their own cost no more than a few. Only patterns that share all of it are all
 * tried.
 *
 * One index for each hub and dispatcher; it belongs to the dispatcher's thread.
 */
#ifndef MRC_HUB_INDEX_H
#define MRC_HUB_INDEX_H

#include <stddef.h>
#include <stdint.h>

#include "apr_errno.h"

#include "core/bytes.h"

struct mrc_index;
struct mrc_matcher;
struct mrc_registration;

/* Lies in who listens. Zeroed: not in an index. */
struct mrc_listener {
    struct mrc_registration *registrations; /* malloc()ed; one for each matcher */
    size_t count;
    uint64_t mark; /* the last collection that it was part of */
};

/* NULL: out of memory. KEY is random, so that nobody can choose topics that collide. */
struct mrc_index *mrc_index_create(const uint64_t key[2]);

/* Accepts NULL. No listener is left in it. */
void mrc_index_free(struct mrc_index *index);

/*
 * Puts LISTENER in, which listens to what the COUNT MATCHERS match. They must live until it is
 * taken out. APR_ENOMEM: it is not in.
 */
apr_status_t mrc_index_add(struct mrc_index *index, struct mrc_listener *listener,
                           struct mrc_matcher *const *matchers, size_t count);

/* Takes it out; nothing happens if it is not in. */
void mrc_index_remove(struct mrc_index *index, struct mrc_listener *listener);

/*
 * Calls FOUND once for each listener that listens to one of the COUNT TOPICS or more. APR_ENOMEM:
 * not all of them may have been found.
 */
typedef void mrc_index_found_fn(struct mrc_listener *listener, void *ctx);
apr_status_t mrc_index_collect(struct mrc_index *index, const struct mrc_bytes *topics,
                               size_t count, mrc_index_found_fn *found, void *ctx);

/*
 * What the cache remembers at most, in bytes: which patterns match which topic. However many
 * patterns match however many topics, it occupies no more; a topic whose patterns would fill a part
 * of it that is too large is matched each time.
 */
#define MRC_INDEX_CACHE_BYTES ((size_t)8 << 20)

/* What it remembers now, in bytes. */
size_t mrc_index_get_cache_bytes(const struct mrc_index *index);

#endif
