/*
 * The patterns of one hub in one child: what its subscribers listen with that has to be evaluated
 * for topics (URL Patterns, URI templates). Each is compiled and kept once, however many
 * subscriptions share it.
 *
 * How many there are, and what they occupy, is bounded for the hub. Each child holds and evaluates
 * its own, so the bound is for the sum over the children: a pattern that two children hold costs
 * twice, and counts twice. The sums are gauges in the hub's segment (MRC_GAUGE_PATTERNS,
 * MRC_GAUGE_PATTERN_BYTES): whoever folds a dead child takes its part back.
 *
 * The bound decides who may subscribe, never what is evaluated: each evaluation has a limit of its
 * own.
 */
#ifndef MRC_HUB_HUB_PATTERNS_H
#define MRC_HUB_HUB_PATTERNS_H

#include <stdbool.h>
#include <stddef.h>

#include "apr_pools.h"

#include "core/base/bytes.h"
#include "core/base/err.h"
#include "core/topic/matcher.h"

struct mrc_hub_policy;
struct mrc_numbers;
struct mrc_patterns;

/* What the patterns of one subscription may occupy when compiled, in bytes. */
#define MRC_PATTERNS_SUBSCRIPTION_BYTES ((size_t)1 << 20)

/* A table for the patterns of this child, in POOL; what it holds lasts as long as the process. The
 * other arguments must outlive it. */
struct mrc_patterns *mrc_patterns_create(apr_pool_t *pool, struct mrc_numbers *numbers,
                                         const struct mrc_hub_policy *policy);

/*
 * The matcher of VALUE, as mrc_matcher_create() makes it, and its errors. A pattern that the table
 * has is shared; one that it has not is compiled and counted. MRC_EFULL: that would be one too many
 * for the hub. Any thread. Give it back with mrc_patterns_put().
 */
enum mrc_err mrc_patterns_get(struct mrc_patterns *patterns, enum mrc_matcher_type type,
                              struct mrc_bytes value, const char *base, struct mrc_error *error,
                              struct mrc_matcher **ret_matcher);

/* Gives back a matcher of mrc_patterns_get(); accepts NULL. Any thread. */
void mrc_patterns_put(struct mrc_patterns *patterns, struct mrc_matcher *matcher);

/*
 * Whether somebody should be told, now, that the hub turns patterns away: once, until less than
 * half of what is allowed is in use again; children that others have told for stay silent. Any
 * thread.
 */
bool mrc_patterns_should_report(struct mrc_patterns *patterns);

#endif
