/*
 * The shared memory of one hub: its ring, and regions through which its children exchange state.
 *
 * A publisher appends first and then wakes the children. regions/interests.h explains why no child
 * that is just getting its first subscriber misses a wake-up. A publisher may die between the two
 * steps: the record is in the ring, but no child was woken. Therefore the process that folds a dead
 * child calls mrc_hub_segment_wake() for every hub afterwards.
 */
#ifndef MRC_STORE_HUB_SEGMENT_H
#define MRC_STORE_HUB_SEGMENT_H

#include <stdbool.h>
#include <stdint.h>

#include "apr_errno.h"
#include "apr_pools.h"
#include "core/base/err.h"
#include "store/hub/layout.h"
#include "store/hub/shape.h"
#include "store/hub/site.h"
#include "store/regions/buckets.h"
#include "store/regions/busiest.h"
#include "store/regions/census.h"
#include "store/regions/counters.h"
#include "store/regions/interests.h"
#include "store/regions/revocations.h"
#include "store/regions/roster.h"
#include "store/regions/samples.h"
#include "store/ring/ring.h"
#include "store/shm/notify.h"

struct mrc_hub_segment;
struct mrc_link;
struct mrc_staging;

/* Creates a segment as the file NAME in DIR; the struct and the mapping live in POOL. BUDGET
 * outlives it. Only the parent. */
apr_status_t mrc_hub_segment_create(apr_pool_t *pool, const char *dir, const char *name,
                                    const struct mrc_hub_shape *shape, unsigned nslots,
                                    const struct mrc_sparse_budget *budget, struct mrc_error *error,
                                    struct mrc_hub_segment **ret_segment);

/*
 * Makes a segment in a part of another mapping, at BASE, where nothing has been touched; DIR is for
 * messages. On failure, pages may be allocated, and do not count. APR_ENOTIMPL: the kernel cannot
 * allocate pages through a mapping. Any process that has the mapping.
 */
apr_status_t mrc_hub_segment_make(apr_pool_t *pool, void *base, const char *dir,
                                  const struct mrc_hub_shape *shape, unsigned nslots,
                                  const struct mrc_sparse_budget *budget, struct mrc_error *error,
                                  struct mrc_hub_segment **ret_segment);

/* Attaches to a segment that another process has made in that way, with the same SHAPE, which has
 * neither roster nor staging nor link. NULL: the shape is impossible. */
struct mrc_hub_segment *mrc_hub_segment_attach(apr_pool_t *pool, void *base,
                                               const struct mrc_hub_shape *shape, unsigned nslots,
                                               const struct mrc_sparse_budget *budget);

/* An empty segment in private memory, which is read in place of one that is not made yet. It lasts
 * as long as POOL. */
apr_status_t mrc_hub_segment_make_blank(apr_pool_t *pool, unsigned nslots, struct mrc_error *error,
                                        struct mrc_hub_segment **ret_segment);

/* Opens a file of another server read-only, for tools; checks its header. */
apr_status_t mrc_hub_segment_open(apr_pool_t *pool, const char *path, struct mrc_error *error,
                                  struct mrc_hub_segment **ret_segment);

/* The same with a part of a file, which is mapped at BASE. */
apr_status_t mrc_hub_segment_open_part(apr_pool_t *pool, const void *base, uint64_t bytes,
                                       struct mrc_error *error,
                                       struct mrc_hub_segment **ret_segment);

/* Unmaps it in this process; the file stays. Accepts NULL. */
void mrc_hub_segment_close(struct mrc_hub_segment *segment);

/*
 * Returns what the segment has taken to its budget; the parent does so when it has removed the
 * file.
 */
void mrc_hub_segment_release(struct mrc_hub_segment *segment);

const char *mrc_hub_segment_key(const struct mrc_hub_segment *segment);
unsigned mrc_hub_segment_nslots(const struct mrc_hub_segment *segment);
uint64_t mrc_hub_segment_bytes(const struct mrc_hub_segment *segment);
uint64_t mrc_hub_segment_taken(const struct mrc_hub_segment *segment); /* of these, allocated */

/*
 * Frees memory that the ring does not need (ring/reclaim.h), unless a publisher is committing.
 * Returns the bytes that were freed.
 */
uint64_t mrc_hub_segment_reclaim(struct mrc_hub_segment *segment, uint64_t *passed, int64_t now_us);

int64_t mrc_hub_segment_created_us(const struct mrc_hub_segment *segment);
struct mrc_ring *mrc_hub_segment_ring(const struct mrc_hub_segment *segment);

/* The place for the name of the site that has this hub, if the hub is one of a set (site.h). */
struct mrc_site_place *mrc_hub_segment_site(const struct mrc_hub_segment *segment);

/* The key for positions in the ring, made with the first segment of the hub: it belongs to the
 * numbers of the records, which move with the ring. */
const unsigned char *mrc_hub_segment_position_key(const struct mrc_hub_segment *segment);

/* The active subscriptions; NULL: the hub does not keep them, or the segment is read-only. */
struct mrc_roster *mrc_hub_segment_roster(const struct mrc_hub_segment *segment);

/* The staging of a durable history or of a transport; NULL: the hub has none. */
struct mrc_staging *mrc_hub_segment_staging(const struct mrc_hub_segment *segment);

/* The link to the engine; NULL: the hub has no transport, or the segment is read-only. */
struct mrc_link *mrc_hub_segment_link(const struct mrc_hub_segment *segment);

/* The streams of each client; NULL: the hub does not count them, or the segment is read-only. */
struct mrc_census *mrc_hub_segment_census(const struct mrc_hub_segment *segment);

/* The counters and gauges; they must not be changed if the segment is read-only. */
struct mrc_counters *mrc_hub_segment_counters(const struct mrc_hub_segment *segment);

/* The token buckets of its publishers; NULL: the segment is read-only. */
struct mrc_buckets *mrc_hub_segment_buckets(const struct mrc_hub_segment *segment);

/* The revoked tokens; NULL: the hub keeps none, or the segment is read-only. */
struct mrc_revocations *mrc_hub_segment_revocations(const struct mrc_hub_segment *segment);

/* The busiest topics; NULL: the same. */
struct mrc_busiest *mrc_hub_segment_busiest(const struct mrc_hub_segment *segment);

/* Samples of the counters; NULL: the same. */
struct mrc_samples *mrc_hub_segment_samples(const struct mrc_hub_segment *segment);

/* Whether a new segment of SHAPE would have the same regions: then this one can be kept. */
bool mrc_hub_segment_has_shape(const struct mrc_hub_segment *segment,
                               const struct mrc_hub_shape *shape);

/* The bytes of a region; NULL: it is absent. */
void *mrc_hub_segment_region(const struct mrc_hub_segment *segment, enum mrc_hub_region_type type,
                             uint64_t *ret_bytes);

/* ---- Waking -----------------------------------------------------------------------------------*/

/* Which children are woken for what. They must not be changed if the segment is read-only. */
struct mrc_interests *mrc_hub_segment_interests(const struct mrc_hub_segment *segment);

/* Wakes every child with subscribers, the caller's own included. Returns their number. */
unsigned mrc_hub_segment_wake(const struct mrc_hub_segment *segment,
                              const struct mrc_notify *notify);

/* Wakes those of them that records with TAGS concern; the records have already been appended.
 * Returns their number. */
unsigned mrc_hub_segment_wake_for(const struct mrc_hub_segment *segment,
                                  const struct mrc_notify *notify, const struct mrc_tags *tags);

/* ---- The end of a child, and of a segment -----------------------------------------------------*/

/* Folds the remains of a dead child in SLOT: its interests, gauges and census become 0, its staged
 * updates are withdrawn, its subscriptions become orphans. May run twice. */
void mrc_hub_segment_fold(struct mrc_hub_segment *segment, unsigned slot);

/* Adds the counters of FROM to those of TO, gives TO the key for positions of FROM, and carries the
 * link over if both have one, when a hub is resized. Only the parent. Later counts of old children
 * stay in FROM. */
void mrc_hub_segment_carry(const struct mrc_hub_segment *from, struct mrc_hub_segment *to);

#endif
