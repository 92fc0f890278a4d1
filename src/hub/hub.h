/*
 * One hub in one child process: the place where updates go in and come out.
 */
#ifndef MRC_HUB_HUB_H
#define MRC_HUB_HUB_H

#include <stdint.h>

#include "apr_errno.h"
#include "apr_pools.h"

struct mrc_hub;
struct mrc_hub_segment;
struct mrc_notify;
struct mrc_ring;
struct mrc_update;

/*
 * Opens the hub whose shared memory is SEGMENT for the child that owns SLOT. The struct lives in
 * POOL; SEGMENT and NOTIFY must outlive it. Any thread may use it afterwards.
 */
struct mrc_hub *mrc_hub_open(apr_pool_t *pool, struct mrc_hub_segment *segment,
                             const struct mrc_notify *notify, unsigned slot);

/*
 * Stores UPDATE, which has an id, in the order that all subscribers of the hub see, and wakes the
 * children that have some. Any thread. APR_SUCCESS: it is stored.
 * MRC_STATUS_SUPERSEDED: this child is of the past, the client should try again.
 * MRC_STATUS_TOO_LARGE, APR_TIMEUP, APR_ENOMEM: it is not stored.
 */
apr_status_t mrc_hub_publish(struct mrc_hub *hub, const struct mrc_update *update, int64_t now_us);

/* For subscriber.c: the ring, and this child's interest in it. */
struct mrc_ring *mrc_hub_ring(const struct mrc_hub *hub);
void mrc_hub_listen(struct mrc_hub *hub);
void mrc_hub_unlisten(struct mrc_hub *hub);

#endif
