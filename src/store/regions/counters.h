/*
 * The counters and gauges of a hub, in shared memory: each child writes its own, and any process
 * reads their sums (counters_layout.h). What each of them counts is in hub/hub/numbers.h.
 *
 * Any number of processes and threads count at the same time, without a lock.
 */
#ifndef MRC_STORE_REGIONS_COUNTERS_H
#define MRC_STORE_REGIONS_COUNTERS_H

#include <stdbool.h>
#include <stdint.h>

#include "apr_pools.h"
#include "store/base/sparse.h"
#include "store/regions/counters_layout.h"

/* One process's view of them; all of its threads may use it at once. */
struct mrc_counters;

/* The bytes of the region, which begins at a multiple of MRC_COUNTERS_ROW_BYTES. */
uint64_t mrc_counters_bytes(unsigned nslots);

/* A view of the counters in REGION, which is zeroed at first and must outlive the struct in POOL.
 * REGION may be NULL: there is no memory for them, so nothing is counted, and all are 0. */
struct mrc_counters *mrc_counters_open(apr_pool_t *pool, void *region, unsigned nslots);

/* The rows are allocated when their children begin. NULL: all are. */
void mrc_counters_use_sparse(struct mrc_counters *counters, struct mrc_sparse *pages);

/*
 * Allocates the row of SLOT, which the caller owns; nothing is counted before. Without room, it is
 * in memory of this process, and others do not see it. One thread at a time, before others count;
 * the process owns no other slot until it calls mrc_counters_end().
 */
void mrc_counters_begin(struct mrc_counters *counters, unsigned slot);

/* The caller leaves its slot: frees a row that is in memory of this process. No thread counts any
 * more. */
void mrc_counters_end(struct mrc_counters *counters);

/* Adds N to the counter INDEX < MRC_COUNTERS_MAX, or to the gauge INDEX < MRC_COUNTERS_GAUGES_MAX,
 * in SLOT, which the caller owns. Any thread. */
void mrc_counters_add(struct mrc_counters *counters, unsigned slot, unsigned index, uint64_t n);
void mrc_counters_gauge_add(struct mrc_counters *counters, unsigned slot, unsigned index,
                            int64_t n);

/*
 * Adds 1 to the gauge INDEX in SLOT, unless the sum over all children is MAX already. This is exact
 * even for simultaneous callers. mrc_counters_gauge_add() undoes it. Any thread.
 */
bool mrc_counters_gauge_take(struct mrc_counters *counters, unsigned slot, unsigned index,
                             uint64_t max);

/* Sets a gauge of the caller's own SLOT to VALUE if it is OLD. False: it is not, or no longer. */
bool mrc_counters_gauge_change(struct mrc_counters *counters, unsigned slot, unsigned index,
                               uint64_t old, uint64_t value);

/* Sets a gauge of the caller's own SLOT; reads a gauge of any SLOT. */
void mrc_counters_gauge_set(struct mrc_counters *counters, unsigned slot, unsigned index,
                            uint64_t value);
uint64_t mrc_counters_gauge_of(const struct mrc_counters *counters, unsigned slot, unsigned index);

/* The sums over all children. The sum of a gauge is never below 0, even while it changes. */
uint64_t mrc_counters_sum(const struct mrc_counters *counters, unsigned index);
uint64_t mrc_counters_gauge_sum(const struct mrc_counters *counters, unsigned index);

/* Sets the gauges of the dead child in SLOT to 0. May run twice. */
void mrc_counters_fold(struct mrc_counters *counters, unsigned slot);

/* Adds the sums of FROM to TO when a hub is resized; without room for them, the counters begin
 * again. Only the parent. Later counts of old children stay in FROM. */
void mrc_counters_carry(const struct mrc_counters *from, struct mrc_counters *to);

#endif
