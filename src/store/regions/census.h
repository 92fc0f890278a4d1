/*
 * The census: the number of streams that each client has in all children of a hub, in shared
 * memory.
 *
 * Any number of processes and threads count at the same time, without a lock. Folding the slot of a
 * dead child removes all of its counts (census_layout.h). The caller decides what a client is: an
 * address, or a token.
 */
#ifndef MRC_STORE_REGIONS_CENSUS_H
#define MRC_STORE_REGIONS_CENSUS_H

#include <stdint.h>

#include "apr_errno.h"
#include "apr_pools.h"
#include "core/base/bytes.h"
#include "store/base/sparse.h"

/* One process's view of a census; all of its threads may use it at once. */
struct mrc_census;

/* The largest capacity of a census. More streams are counted while there is room. */
#define MRC_CENSUS_STREAMS_MAX (UINT64_C(1) << 22)

/*
 * The number of cells of a census for STREAMS, enough that no window fills up with other clients;
 * and the bytes of a census of CELLS.
 */
uint32_t mrc_census_cells(uint64_t streams);
uint64_t mrc_census_bytes(uint32_t cells);

/* The bytes that must be allocated when it is created. */
uint64_t mrc_census_head_bytes(void);

/* The cells are allocated page by page, when they are used. NULL: all are. */
void mrc_census_use_sparse(struct mrc_census *census, struct mrc_sparse *pages);

/*
 * Makes an empty census in the zeroed REGION (64-byte aligned), which must outlive it. The struct
 * lives in POOL. Fails if the system has no random bytes.
 */
apr_status_t mrc_census_create(apr_pool_t *pool, void *region, uint32_t cells,
                               struct mrc_census **ret_census);

/* Attaches to a census that another process has made in memory that this process has inherited. */
struct mrc_census *mrc_census_attach(apr_pool_t *pool, void *region, uint32_t cells);

/* The key of the client NAME of this KIND; never 0. */
uint64_t mrc_census_key(const struct mrc_census *census, char kind, struct mrc_bytes name);

/*
 * Counts one more stream of the client KEY in the child that owns SLOT. Returns the number of its
 * streams in all children, including this one; simultaneous callers see each other. 0: there is no
 * room, and the stream is not counted.
 */
uint64_t mrc_census_add(struct mrc_census *census, unsigned slot, uint64_t key);

/* Removes one stream that mrc_census_add() has counted. */
void mrc_census_sub(struct mrc_census *census, unsigned slot, uint64_t key);

/* The number of streams of the client KEY. */
uint64_t mrc_census_sum(const struct mrc_census *census, uint64_t key);

/* Removes all counts of the dead child in SLOT. May run twice. */
void mrc_census_fold(struct mrc_census *census, unsigned slot);

#endif
