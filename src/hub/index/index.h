/*
 * The index: finds the listeners of an update by its topics. The cost does not grow with the number
 * of listeners that do not get the update.
 *
 *     topic --hash--> exact node -----------------> listeners      one node for each topic that
 *       |                                                          somebody listens to
 *       |
 *       +---hash--> cache (cache.h)  --known--+
 *       |             ^                       |
 *       |             | remembered            v
 *       +-anchors-> candidates ----tried--> pattern nodes ---> listeners
 *                   (candidates.h)                          one node for each pattern, however
 *                                                           many listeners share it
 *
 *     every update -----------------> wildcard node ---> listeners
 *
 * If the cache does not know the topic, the index tries the patterns whose literal text the topic
 * has at the same anchor. So it tries few of thousands of patterns that differ in their literal
 * text; only patterns that share all of their text are all tried.
 *
 * There is one index for each hub and lane of a dispatcher loop (hub/stream/feed.h), and it belongs
 * to the thread of the loop.
 */
#ifndef MRC_HUB_INDEX_INDEX_H
#define MRC_HUB_INDEX_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "apr_errno.h"

#include "core/base/bytes.h"

struct mrc_index;
struct mrc_matcher;
struct mrc_registration;

/* Embedded in the object that listens. Zeroed: it is in no index. */
struct mrc_listener {
    struct mrc_registration *registrations; /* malloc()ed; one for each matcher */
    size_t count;
    uint64_t mark; /* of the last collection that found it */
};

/* An empty index. KEY is random, so that nobody can choose topics whose hashes collide. NULL: out
 * of memory. */
struct mrc_index *mrc_index_create(const uint64_t key[2]);

/* Frees INDEX, which has no listeners. Accepts NULL. */
void mrc_index_free(struct mrc_index *index);

/* Adds LISTENER with the COUNT MATCHERS, which must live until it is removed. APR_ENOMEM: it is not
 * in the index. */
apr_status_t mrc_index_add(struct mrc_index *index, struct mrc_listener *listener,
                           struct mrc_matcher *const *matchers, size_t count);

/* Removes LISTENER, if it is in the index. */
void mrc_index_remove(struct mrc_index *index, struct mrc_listener *listener);

/* Calls FOUND once for each listener of at least one of the COUNT TOPICS. APR_ENOMEM: some
 * listeners may not have been found. */
typedef void mrc_index_found_fn(struct mrc_listener *listener, void *ctx);
apr_status_t mrc_index_collect(struct mrc_index *index, const struct mrc_bytes *topics,
                               size_t count, mrc_index_found_fn *found, void *ctx);

/*
 * The same in pieces, for one collection at a time. mrc_index_begin() begins a collection for the
 * COUNT TOPICS, which must stay in place until it is done. mrc_index_go_on() continues it while
 * LEFT_US (microseconds; NULL: no limit) is above 0, and subtracts the time that matching takes,
 * without the time in FOUND. APR_INCOMPLETE: the collection is not done.
 *
 * Listeners may be added and removed between the pieces: a new one may be found, and one that is
 * removed and added again may be found twice.
 */
void mrc_index_begin(struct mrc_index *index, const struct mrc_bytes *topics, size_t count);
apr_status_t mrc_index_go_on(struct mrc_index *index, int64_t *left_us, mrc_index_found_fn *found,
                             void *ctx);

/* Stops the collection that has begun. */
void mrc_index_stop(struct mrc_index *index);

/*
 * Whether MRC_INDEX_CROWD patterns have the same literal text as one of MATCHERS, which is not
 * among them: a topic with that text is tried against all of them.
 */
#define MRC_INDEX_CROWD 64
bool mrc_index_is_crowded(const struct mrc_index *index, struct mrc_matcher *const *matchers,
                          size_t count);

/* The memory of the cache, in bytes. */
size_t mrc_index_get_cache_bytes(const struct mrc_index *index);

#endif
