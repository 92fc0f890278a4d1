/*
 * The census: how many streams each client has in a hub, over all its children, in shared memory.
 *
 * Any number of processes and threads count at the same time, without a lock. A child that dies
 * leaves nothing that is not gone when its slot is folded (census_layout.h). What a client is, an
 * address or a token, is the caller's affair.
 */
#ifndef MRC_STORE_REGIONS_CENSUS_H
#define MRC_STORE_REGIONS_CENSUS_H

#include <stdint.h>

#include "apr_errno.h"
#include "apr_pools.h"
#include "core/base/bytes.h"

/* A process's view of a census; all threads may use it at once. */
struct mrc_census;

/* The most streams that a census is made for; more are counted while there is room. */
#define MRC_CENSUS_STREAMS_MAX (UINT64_C(1) << 22)

/* How many cells a census for STREAMS has, so that no window is ever full of others; and its size.
 */
uint32_t mrc_census_cells(uint64_t streams);
uint64_t mrc_census_bytes(uint32_t cells);

/*
 * Lays an empty census down in the zeroed REGION (64-byte aligned), which must outlive it. The
 * struct lives in POOL. Fails if the system gives no random bytes.
 */
apr_status_t mrc_census_create(apr_pool_t *pool, void *region, uint32_t cells,
                               struct mrc_census **ret_census);

/* The key of the client NAME among those of KIND; never 0. */
uint64_t mrc_census_key(const struct mrc_census *census, char kind, struct mrc_bytes name);

/*
 * One more stream of the client KEY in the child that owns SLOT. Returns how many it has now in all
 * children, this one included: of two that come at once each sees the other. 0: there is no room to
 * count it, and it is not counted.
 */
uint64_t mrc_census_add(struct mrc_census *census, unsigned slot, uint64_t key);

/* One stream fewer, which mrc_census_add() has counted. */
void mrc_census_sub(struct mrc_census *census, unsigned slot, uint64_t key);

/* How many streams the client has. */
uint64_t mrc_census_sum(const struct mrc_census *census, uint64_t key);

/* The child in SLOT is no more: nothing of it is counted. May be done twice. */
void mrc_census_fold(struct mrc_census *census, unsigned slot);

#endif
