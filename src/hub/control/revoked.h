/*
 * The tokens that are revoked, as this child sees them: an index of the list in shared memory
 * (store/regions/revocations.h), which is made again when the list has changed. A lookup costs the
 * same however long the list is, and next to nothing while it is empty. Nothing that is cached
 * about a token depends on it.
 */
#ifndef MRC_HUB_CONTROL_REVOKED_H
#define MRC_HUB_CONTROL_REVOKED_H

#include <stdbool.h>
#include <stdint.h>

#include "apr_errno.h"
#include "apr_pools.h"

struct mrc_revocations;
struct mrc_revoked;
struct mrc_token;

/*
 * Makes an index of LIST, which must outlive it. POOL frees it. NULL: the system has no random
 * bytes.
 */
struct mrc_revoked *mrc_revoked_create(apr_pool_t *pool, const struct mrc_revocations *list);

/* Whether TOKEN is revoked at NOW_US, the time of day. Also true if memory runs out, so that no
 * token is accepted by mistake. Any thread. */
bool mrc_revoked_has(struct mrc_revoked *revoked, const struct mrc_token *token, int64_t now_us);

#endif
