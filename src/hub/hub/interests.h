/*
 * The topics for which publishers wake one child of a hub, kept where the publishers of all
 * children see them (store/regions/interests.h). While all subscribers of the child listen to exact
 * topics only, these are their topics. As soon as one listens with a pattern or the wildcard, with
 * or without additional exact topics, every update wakes the child.
 *
 * A subscriber counts from before it takes its position until it is closed, whether it replays, is
 * in an index, or has its own thread. Any thread, no lock.
 */
#ifndef MRC_HUB_HUB_INTERESTS_H
#define MRC_HUB_HUB_INTERESTS_H

#include <stddef.h>

#include "apr_pools.h"

#include "core/base/bytes.h"

struct mrc_hub_interests;
struct mrc_hub_segment;
struct mrc_matcher;
struct mrc_notify;
struct mrc_tags;

/* For the child that owns SLOT. The struct lives in POOL; the other arguments must outlive it.
 * NULL: out of memory. */
struct mrc_hub_interests *mrc_hub_interests_create(apr_pool_t *pool,
                                                   const struct mrc_hub_segment *segment,
                                                   const struct mrc_notify *notify, unsigned slot);

/* Adds the COUNT MATCHERS of a subscriber, before it takes its position (the order that
 * store/regions/interests.h requires); and removes the same ones. */
void mrc_hub_interests_begin(struct mrc_hub_interests *interests,
                             struct mrc_matcher *const *matchers, size_t count);
void mrc_hub_interests_end(struct mrc_hub_interests *interests, struct mrc_matcher *const *matchers,
                           size_t count);

/*
 * For mrc_history_set_describe(); CTX is a struct mrc_hub_interests. Adds the tags of the topics of
 * the update whose record is PAYLOAD to TAGS. A record with too many topics, or that is not an
 * update, concerns everybody.
 */
void mrc_hub_interests_describe(void *ctx, struct mrc_bytes payload, struct mrc_tags *tags);

#endif
