/*
 * The shared memory of one hub: its ring, and regions for what children tell each other.
 *
 * Why no wake-up is lost between a child that begins to listen and a publisher, who appends first
 * and then wakes, is told in interests.h. A publisher may die between the two. Its record is in the
 * ring, and nobody has been told: whoever folds a dead child calls mrc_hub_segment_wake() for every
 * hub afterwards.
 */
#ifndef MRC_STORE_REGIONS_HUB_SEGMENT_H
#define MRC_STORE_REGIONS_HUB_SEGMENT_H

#include <stdbool.h>
#include <stdint.h>

#include "apr_errno.h"
#include "apr_pools.h"
#include "core/base/err.h"
#include "store/regions/census.h"
#include "store/regions/hub_layout.h"
#include "store/regions/interests.h"
#include "store/regions/roster.h"
#include "store/ring/ring.h"
#include "store/shm/notify.h"

struct mrc_hub_segment;
struct mrc_staging;

/* What one hub asks for. Start from {0}: later fields are 0 when they are not wanted. */
struct mrc_hub_shape {
    const char *key;        /* identity across reloads, at most MRC_HUB_KEY_MAX bytes; not empty */
    uint64_t history_count; /* 0: no bound */
    uint64_t history_bytes; /* 0: no bound but the ring */
    int64_t history_age_us; /* 0: no bound */
    bool history_off;
    uint64_t ring_bytes;     /* payload the ring must hold; the records' overhead comes on top */
    uint64_t body_max_bytes; /* the largest sum of a record's id and payload */
    uint32_t staging_bytes;  /* caps of regions that are filled elsewhere; 0: absent */
    uint64_t roster_subscribers; /* for how many the roster is made; 0: there is none */
    uint64_t census_streams;     /* for how many the census is made; 0: there is none */
};

/* The exact size of the segment; 0 if the shape is impossible, with the reason
 * in ERROR. Creates nothing. */
uint64_t mrc_hub_segment_size(const struct mrc_hub_shape *shape, unsigned nslots,
                              struct mrc_error *error);

/* Makes it, as the file NAME in DIR; the struct lives in POOL. Only the parent. */
apr_status_t mrc_hub_segment_create(apr_pool_t *pool, const char *dir, const char *name,
                                    const struct mrc_hub_shape *shape, unsigned nslots,
                                    struct mrc_error *error, struct mrc_hub_segment **ret_segment);

/* Reads a file of another server, for tools: checked, read-only. */
apr_status_t mrc_hub_segment_open(apr_pool_t *pool, const char *path, struct mrc_error *error,
                                  struct mrc_hub_segment **ret_segment);

/* Unmaps it in this process; the file stays. Accepts NULL. */
void mrc_hub_segment_close(struct mrc_hub_segment *segment);

const char *mrc_hub_segment_key(const struct mrc_hub_segment *segment);
unsigned mrc_hub_segment_nslots(const struct mrc_hub_segment *segment);
uint64_t mrc_hub_segment_bytes(const struct mrc_hub_segment *segment);
int64_t mrc_hub_segment_created_us(const struct mrc_hub_segment *segment);
struct mrc_ring *mrc_hub_segment_ring(const struct mrc_hub_segment *segment);

/* The active subscriptions; NULL: the hub keeps none, or the segment was opened to be read. */
struct mrc_roster *mrc_hub_segment_roster(const struct mrc_hub_segment *segment);

/* The staging of a durable history; NULL: the hub has none. */
struct mrc_staging *mrc_hub_segment_staging(const struct mrc_hub_segment *segment);

/* How many streams each client has; NULL: nobody counts, or the segment was opened to be read. */
struct mrc_census *mrc_hub_segment_census(const struct mrc_hub_segment *segment);

/* Whether a new segment of SHAPE would have just these regions: then this one can be kept. */
bool mrc_hub_segment_has_shape(const struct mrc_hub_segment *segment,
                               const struct mrc_hub_shape *shape);

/* A region, for the part that fills it; NULL if it is absent. */
void *mrc_hub_segment_region(const struct mrc_hub_segment *segment, enum mrc_hub_region_type type,
                             uint64_t *ret_bytes);

/* ---- Who listens ------------------------------------------------------------------------------*/

/* Which children are to be woken for what. Not to be changed if the segment was opened to be read.
 */
struct mrc_interests *mrc_hub_segment_interests(const struct mrc_hub_segment *segment);

/* Wakes every child that has listeners, the caller's own included. Returns how many. */
unsigned mrc_hub_segment_wake(const struct mrc_hub_segment *segment,
                              const struct mrc_notify *notify);

/* Wakes those of them that records with TAGS concern, after these have been appended. Returns how
 * many. */
unsigned mrc_hub_segment_wake_for(const struct mrc_hub_segment *segment,
                                  const struct mrc_notify *notify, const struct mrc_tags *tags);

/* ---- Numbers ----------------------------------------------------------------------------------*/

/* The caller owns SLOT; INDEX < MRC_HUB_COUNTERS or MRC_HUB_GAUGES. Any thread. */
void mrc_hub_segment_count(struct mrc_hub_segment *segment, unsigned slot, unsigned index,
                           uint64_t n);
void mrc_hub_segment_gauge_add(struct mrc_hub_segment *segment, unsigned slot, unsigned index,
                               int64_t n);

/*
 * One more of the gauge INDEX in SLOT, unless the sum over all children is MAX already: exact, also
 * for those who come at once. A take is undone with mrc_hub_segment_gauge_add(). Any thread.
 */
bool mrc_hub_segment_gauge_take(struct mrc_hub_segment *segment, unsigned slot, unsigned index,
                                uint64_t max);

/* A gauge of the caller's own SLOT, and that of any. */
void mrc_hub_segment_gauge_set(struct mrc_hub_segment *segment, unsigned slot, unsigned index,
                               uint64_t value);
uint64_t mrc_hub_segment_gauge_of(const struct mrc_hub_segment *segment, unsigned slot,
                                  unsigned index);

/* The sums over all children. A gauge that races with its own changes never shows below 0. */
uint64_t mrc_hub_segment_counter(const struct mrc_hub_segment *segment, unsigned index);
uint64_t mrc_hub_segment_gauge(const struct mrc_hub_segment *segment, unsigned index);

/* Folds what a dead child left in SLOT: its interests, its gauges and its census become 0, what it
 * has staged is withdrawn, its subscriptions become orphans. May run twice. */
void mrc_hub_segment_fold(struct mrc_hub_segment *segment, unsigned slot);

/* Adds the counters of FROM to those of TO, when a hub is resized. Only the parent. What old
 * children count in FROM from then on stays there. */
void mrc_hub_segment_carry(const struct mrc_hub_segment *from, struct mrc_hub_segment *to);

#endif
