/*
 * The rate of one hub: how many updates its publishers may store in a second, in all its children
 * together, and how many of them with one token. Any thread, no lock.
 */
#ifndef MRC_HUB_HUB_RATE_H
#define MRC_HUB_HUB_RATE_H

#include <stdbool.h>
#include <stdint.h>

#include "apr_errno.h"
#include "apr_pools.h"

#include "core/base/bytes.h"
#include "hub/hub/spec.h"

struct mrc_hub_segment;
struct mrc_rate;

/* All publishers together, or those with the token, publish too fast; or the updates are more than
 * can ever be stored at once. In the range of store/base/status.h. */
#define MRC_STATUS_RATE       (APR_OS_START_USERERR + 7323)
#define MRC_STATUS_TOKEN_RATE (APR_OS_START_USERERR + 7324)
#define MRC_STATUS_BURST      (APR_OS_START_USERERR + 7325)

/* The rate of the hub in SEGMENT. It lives in POOL; the other arguments must outlive it. */
struct mrc_rate *mrc_rate_create(apr_pool_t *pool, struct mrc_hub_segment *segment,
                                 const struct mrc_hub_limits *limits);

/*
 * Counts COUNT updates with TOKEN (its text; { NULL, 0 }: none) at NOW_US of the monotonic clock,
 * or counts none and returns one of the statuses above. For the first two of them, RET_WAIT_S gets
 * the seconds, at least 1, after which there is room again.
 */
apr_status_t mrc_rate_take(struct mrc_rate *rate, struct mrc_bytes token, uint64_t count,
                           int64_t now_us, int64_t *ret_wait_s);

/* The calls that one operator may make at once, and then in a second, in all children. */
#define MRC_RATE_OPERATOR_BURST 2000
#define MRC_RATE_OPERATOR_PER_S 100

/* Takes one call of the operator NAME at NOW_US of the monotonic clock. False: there were too many;
 * RET_WAIT_S gets the seconds until the next one. */
bool mrc_rate_take_operator(struct mrc_rate *rate, struct mrc_bytes name, int64_t now_us,
                            int64_t *ret_wait_s);

/* Whether to log at NOW_US that updates are refused: true once a minute in this child. */
bool mrc_rate_should_report(struct mrc_rate *rate, int64_t now_us);

#endif
