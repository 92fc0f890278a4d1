/*
 * The patterns of one hub in one child: the URL Patterns and URI templates of its subscribers. Each
 * is compiled and kept once, however many subscriptions share it.
 *
 * Their number and their memory are limited for the hub. Each child has its own patterns and
 * evaluates them, so a pattern that two children have costs twice, and counts twice. The sums over
 * the children are gauges in the hub's segment (MRC_GAUGE_PATTERNS, MRC_GAUGE_PATTERN_BYTES); the
 * fold of a dead child's slot subtracts its part.
 *
 * The limit only decides whether a client may subscribe: each evaluation of a pattern has its own
 * limit.
 */
#ifndef MRC_HUB_HUB_PATTERNS_H
#define MRC_HUB_HUB_PATTERNS_H

#include <stdbool.h>
#include <stddef.h>

#include "apr_pools.h"

#include "core/base/bytes.h"
#include "core/base/err.h"
#include "core/topic/matcher.h"

struct mrc_hub_limits;
struct mrc_numbers;
struct mrc_patterns;

/* The most memory that the compiled patterns of one subscription may occupy. */
#define MRC_PATTERNS_SUBSCRIPTION_BYTES ((size_t)1 << 20)

/* The table for this child. The struct lives in POOL, its patterns as long as the process; the
 * other arguments must outlive it. NULL: the system has no random bytes. */
struct mrc_patterns *mrc_patterns_create(apr_pool_t *pool, struct mrc_numbers *numbers,
                                         const struct mrc_hub_limits *limits);

/*
 * The matcher for VALUE, as mrc_matcher_create() makes it, with the same errors. A pattern that the
 * table has is shared; a new one is compiled and counted. MRC_EFULL: with it, the hub would have
 * more patterns than it may. Any thread. Give the matcher back with mrc_patterns_put().
 */
enum mrc_err mrc_patterns_get(struct mrc_patterns *patterns, enum mrc_matcher_type type,
                              struct mrc_bytes value, const char *base, struct mrc_error *error,
                              struct mrc_matcher **ret_matcher);

/* Gives back a matcher of mrc_patterns_get(); accepts NULL. Any thread. */
void mrc_patterns_put(struct mrc_patterns *patterns, struct mrc_matcher *matcher);

/*
 * Whether to log now that the hub refuses patterns: true once, until less than half of the limit is
 * in use again. If one child has logged it, the others do not. Any thread.
 */
bool mrc_patterns_should_report(struct mrc_patterns *patterns);

#endif
