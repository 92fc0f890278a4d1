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
 * own begins (candidates.h), from wherever that tells patterns apart: thousands
 * that have text of their own cost no more than a few. Only patterns that share all of it are all
 * tried.
 *
 * One index for each hub and dispatcher; it belongs to the dispatcher's thread.
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
 * The same in pieces, one collection at a time: begins one for the COUNT TOPICS, which stay where
 * they are until it is done, and goes on with it for as long as it may take: what it took to match
 * is subtracted from LEFT_US (microseconds; NULL: however long), what FOUND does is not.
 * APR_INCOMPLETE: it is not done. Listeners may come and go between the pieces; one that comes may
 * be found, one that has come back may be found again.
 */
void mrc_index_begin(struct mrc_index *index, const struct mrc_bytes *topics, size_t count);
apr_status_t mrc_index_go_on(struct mrc_index *index, int64_t *left_us, mrc_index_found_fn *found,
                             void *ctx);

/* Gives up the one that has begun; the rest of it is not found. */
void mrc_index_stop(struct mrc_index *index);

/*
 * So many patterns that cannot be told apart by their literal text are all tried for a topic that
 * has it; and whether one of MATCHERS would be one more than that.
 */
#define MRC_INDEX_CROWD 64
bool mrc_index_is_crowded(const struct mrc_index *index, struct mrc_matcher *const *matchers,
                          size_t count);

/* What it remembers of topics, in bytes (verdicts.h). */
size_t mrc_index_get_cache_bytes(const struct mrc_index *index);

#endif
