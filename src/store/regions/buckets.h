/*
 * Token buckets in shared memory: how many updates per second a hub, and each of its clients, may
 * publish in all children together.
 *
 * Any number of processes and threads use them at the same time, without a lock. The bucket of the
 * hub is exact. A client whose bucket is not full may lose it to another one while more clients
 * than there are buckets publish too fast; the next bucket that it gets may be emptier or fuller
 * than its own.
 */
#ifndef MRC_STORE_REGIONS_BUCKETS_H
#define MRC_STORE_REGIONS_BUCKETS_H

#include <stdint.h>

#include "apr_errno.h"
#include "apr_pools.h"
#include "core/base/bytes.h"
#include "store/base/sparse.h"

/* One process's view of the buckets; all of its threads may use it at once. */
struct mrc_buckets;

/* The largest rate and burst. */
#define MRC_BUCKETS_RATE_MAX ((uint64_t)1000 * 1000)

/* A bucket holds BURST, and gets RATE in a second. Both 1 to MRC_BUCKETS_RATE_MAX. */
struct mrc_bucket_rule {
    uint64_t rate;
    uint64_t burst;
};

/* The bytes of the two regions: the head, which must be allocated when they are created, and the
 * buckets of clients. */
uint64_t mrc_buckets_head_bytes(void);
uint64_t mrc_buckets_clients_bytes(void);

/* The buckets of clients are allocated page by page, when they are used. NULL: all are. */
void mrc_buckets_use_sparse(struct mrc_buckets *buckets, struct mrc_sparse *pages);

/*
 * Makes full buckets in the zeroed regions HEAD and CLIENTS (64-byte aligned), which must outlive
 * them. The struct lives in POOL. Fails if the system has no random bytes.
 */
apr_status_t mrc_buckets_create(apr_pool_t *pool, void *head, void *clients,
                                struct mrc_buckets **ret_buckets);

/* Attaches to buckets that another process has made in memory that this process has inherited. */
struct mrc_buckets *mrc_buckets_attach(apr_pool_t *pool, void *head, void *clients);

/* The key of the client NAME; never 0, which stands for the hub. */
uint64_t mrc_buckets_key(const struct mrc_buckets *buckets, struct mrc_bytes name);

/*
 * Takes COUNT, at most the burst of RULE, from the bucket KEY at NOW_US of the monotonic clock.
 * Returns 0, or takes nothing and returns the microseconds until the bucket has that many.
 */
int64_t mrc_buckets_take(struct mrc_buckets *buckets, uint64_t key,
                         const struct mrc_bucket_rule *rule, uint64_t count, int64_t now_us);

/* Gives back what mrc_buckets_take() has just taken. */
void mrc_buckets_give_back(struct mrc_buckets *buckets, uint64_t key,
                           const struct mrc_bucket_rule *rule, uint64_t count);

#endif
