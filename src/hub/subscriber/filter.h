/*
 * The filter of a subscriber: the matchers decide which updates are routed to it, and the token
 * decides which private ones of these it may read.
 */
#ifndef MRC_HUB_SUBSCRIBER_FILTER_H
#define MRC_HUB_SUBSCRIBER_FILTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "apr_errno.h"

struct mrc_matcher;
struct mrc_token;
struct mrc_topics;
struct mrc_update;

/* A view of the matchers and the token that a subscriber owns. */
struct mrc_filter {
    struct mrc_matcher *const *matchers;
    size_t count;
    const struct mrc_token *token; /* NULL: anonymous */
};

/* Whether matching a topic, or checking the grants of the token, may take long
 * (mrc_matcher_is_costly(), mrc_grants_are_costly()). */
bool mrc_filter_is_costly(const struct mrc_filter *filter);

/* The base of the first matcher that has one; NULL: no matcher needs a base. */
const char *mrc_filter_get_base(const struct mrc_filter *filter);

/*
 * Whether one of the matchers matches one of TOPICS. APR_INCOMPLETE: that is not known by UNTIL_US
 * of store/base/clock.h, and other streams wait; the next call continues from *TRIED, which is 0 in
 * the first call, and again when the answer is known. APR_ENOMEM.
 */
apr_status_t mrc_filter_match(const struct mrc_filter *filter, struct mrc_topics *topics,
                              int64_t until_us, size_t *tried, bool *ret_matches);

/* Matches that mrc_filter_match() makes between two looks at the clock. */
#define MRC_FILTER_MATCHES_PER_LOOK 8

/*
 * Whether a subscriber with TOKEN (NULL: anonymous) may read UPDATE, which is routed to it: private
 * updates need a grant (draft-dunglas-mercure-08, "Subscribers"). TOPICS are those of the update;
 * only a private one needs them. APR_ENOMEM.
 */
apr_status_t mrc_filter_may_read(const struct mrc_token *token, const struct mrc_update *update,
                                 struct mrc_topics *topics, bool *ret_may_read);

#endif
