/*
 * What the subscribers of one hub in one child are to be woken for, told to the publishers of all
 * children (store/regions/interests.h): the topics of those who listen to exact ones only;
 * everything, as long as there is one who listens with a pattern or the wildcard, also beside exact
 * topics.
 *
 * A subscriber counts from before it takes its position until it is closed, whether it replays, is
 * in an index, or in a thread of its own. Any thread, no lock.
 */
#ifndef MRC_HUB_HUB_INTERESTS_H
#define MRC_HUB_HUB_INTERESTS_H

#include <stddef.h>

#include "apr_pools.h"

#include "core/base/bytes.h"

struct mrc_hub_segment;
struct mrc_hub_interests;
struct mrc_matcher;
struct mrc_notify;
struct mrc_tags;

/* For the child that owns SLOT. The struct lives in POOL; the arguments outlive it. NULL: out of
 * memory. */
struct mrc_hub_interests *mrc_hub_interests_create(apr_pool_t *pool,
                                                   const struct mrc_hub_segment *segment,
                                                   const struct mrc_notify *notify, unsigned slot);

/*
 * A subscriber listens with the COUNT MATCHERS from now on, in the order of interests.h: before it
 * takes its position; and not any more, with the same ones.
 */
void mrc_hub_interests_begin(struct mrc_hub_interests *listening,
                             struct mrc_matcher *const *matchers, size_t count);
void mrc_hub_interests_end(struct mrc_hub_interests *listening, struct mrc_matcher *const *matchers,
                           size_t count);

/* For mrc_history_set_describe(), with a struct mrc_hub_interests: adds the tags of the topics of
 * an update whose record is PAYLOAD. Many topics, or what is no record: it concerns everybody. */
void mrc_hub_interests_describe(void *ctx, struct mrc_bytes payload, struct mrc_tags *tags);

#endif
