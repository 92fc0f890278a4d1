/*
 * What the counters of a hub were in the last minute, once a second, for the rates that operators
 * see (samples_layout.h). Whoever is about to change a counter keeps a sample if one is due, so an
 * idle hub needs no thread for it. Keeping one never waits. Any thread of any child.
 */
#ifndef MRC_STORE_REGIONS_SAMPLES_H
#define MRC_STORE_REGIONS_SAMPLES_H

#include <stdbool.h>
#include <stdint.h>

#include "apr_errno.h"
#include "apr_pools.h"

#include "store/base/sparse.h"
#include "store/regions/samples_layout.h"

/* Samples are at least this far apart. */
#define MRC_SAMPLES_US ((int64_t)1000 * 1000)

struct mrc_samples;

/* The bytes of the region, and those that must be allocated when it is made. */
uint64_t mrc_samples_bytes(void);
uint64_t mrc_samples_head_bytes(void);

/* Makes the zeroed REGION (64-byte aligned), which must outlive it, one without samples. The struct
 * lives in POOL. */
apr_status_t mrc_samples_create(apr_pool_t *pool, void *region, struct mrc_samples **ret_samples);

/* Attaches to samples that another process has made in memory that this process has inherited. */
struct mrc_samples *mrc_samples_attach(apr_pool_t *pool, void *region);

/* The samples are allocated when the first one is kept. NULL: they are. */
void mrc_samples_use_sparse(struct mrc_samples *samples, struct mrc_sparse *pages);

/* Whether the newest sample is MRC_SAMPLES_US old at NOW_US, or there is none. */
bool mrc_samples_are_due(const struct mrc_samples *samples, int64_t now_us);

/* Keeps SAMPLE, if one is due; not if the samples are locked, or there is no room for them. */
void mrc_samples_keep(struct mrc_samples *samples, const struct mrc_sample *sample);

/*
 * Finds the samples that are MRC_SAMPLES_US to MOST_US older than NOW_US: the newest of them, or
 * the OLDEST. False: there is none, or the samples are locked for long.
 */
bool mrc_samples_find(struct mrc_samples *samples, int64_t now_us, int64_t most_us, bool oldest,
                      struct mrc_sample *ret_sample);

#endif
