#include "store/regions/hub_segment.h"

#include <sched.h>
#include <stdatomic.h>

#include "apr_general.h"
#include "apr_time.h"
#include "store/regions/interests_layout.h"
#include "store/regions/link.h"
#include "store/regions/staging.h"
#include "store/shm/control_layout.h"
#include "store/shm/segment.h"

#define ALIGNMENT 64

struct mrc_hub_segment {
    struct mrc_segment segment;
    struct mrc_hub_header geometry; /* our own copy; the shared one is not trusted */
    struct mrc_ring *ring;
    struct mrc_roster *roster;           /* NULL: none */
    struct mrc_staging *staging;         /* NULL: none */
    struct mrc_census *census;           /* NULL: none */
    struct mrc_buckets *buckets;         /* NULL: read-only */
    struct mrc_revocations *revocations; /* NULL: none */
    struct mrc_link *link;               /* NULL: none */
    struct mrc_busiest *busiest;         /* NULL: none */
    struct mrc_interests *interests;
    struct mrc_hub_metrics_row *metrics; /* nslots + 1 rows */
};

/* ---- The layout -------------------------------------------------------------------------------*/

static void add_region(struct mrc_hub_header *header, enum mrc_hub_region_type type, uint64_t size)
{
    header->region[type] = (struct mrc_hub_region){
        .type = type,
        .version = 1,
        .offset = header->total_bytes,
        .size = size,
    };
    header->total_bytes += (size + ALIGNMENT - 1) & ~(uint64_t)(ALIGNMENT - 1);
}

static apr_status_t check_shape(const struct mrc_hub_shape *shape, unsigned nslots,
                                struct mrc_error *error)
{
    size_t key_bytes = shape->key ? strlen(shape->key) : 0;

    if (key_bytes == 0 || key_bytes > MRC_HUB_KEY_MAX)
        return mrc_status_set(error, APR_EINVAL,
                              "the key of a hub has %zu bytes; 1 to %d are possible", key_bytes,
                              MRC_HUB_KEY_MAX);
    if (nslots == 0 || nslots > MRC_CONTROL_SLOTS_MAX)
        return mrc_status_set(error, APR_EINVAL, "%u child slots: 1 to %d are possible", nslots,
                              MRC_CONTROL_SLOTS_MAX);
    if (shape->roster_subscribers > MRC_ROSTER_SUBSCRIBERS_MAX)
        return mrc_status_set(error, APR_EINVAL,
                              "active subscriptions of the hub %.100s: at most %" APR_UINT64_T_FMT
                              " subscribers can be listed",
                              shape->key, MRC_ROSTER_SUBSCRIBERS_MAX);
    return APR_SUCCESS;
}

/* Computes the header of a segment of this shape, and the sizes of its ring. */
static apr_status_t lay_out(const struct mrc_hub_shape *shape, unsigned nslots,
                            struct mrc_error *error, struct mrc_hub_header *ret_header,
                            uint64_t *ret_capacity, uint64_t *ret_buckets)
{
    struct mrc_hub_header header = {
        .magic = MRC_HUB_MAGIC,
        .version = MRC_HUB_VERSION,
        .nslots = nslots,
        .total_bytes = sizeof(header),
        .region_count = MRC_HUB_REGION_USED,
    };
    apr_status_t status = check_shape(shape, nslots, error);
    uint32_t own = 0, shared = 0;
    uint64_t capacity;
    uint64_t buckets;

    if (status)
        return status;
    capacity =
        mrc_ring_capacity_for(shape->ring_bytes, shape->history.count, shape->body_max_bytes);
    if (capacity == 0)
        return mrc_status_set(
            error, APR_EINVAL,
            "the ring of the hub %.100s is too large: at most 1 TB is possible, and "
            "1 GB for one update",
            shape->key);
    buckets = mrc_ring_buckets_for(shape->ring_bytes, shape->history.count);
    header.key_bytes = (uint32_t)strlen(shape->key);
    memcpy(header.key, shape->key, header.key_bytes);
    add_region(&header, MRC_HUB_REGION_RING, mrc_ring_region_bytes(capacity));
    add_region(&header, MRC_HUB_REGION_INDEX, mrc_ring_index_bytes(buckets));
    add_region(&header, MRC_HUB_REGION_INTEREST, mrc_interests_bytes(nslots));
    header.region[MRC_HUB_REGION_INTEREST].version = MRC_INTERESTS_VERSION;
    add_region(&header, MRC_HUB_REGION_METRICS,
               (nslots + UINT64_C(1)) * sizeof(struct mrc_hub_metrics_row));
    add_region(&header, MRC_HUB_REGION_STAGING, shape->staging_bytes);
    if (shape->roster_subscribers)
        mrc_roster_measure(shape->roster_subscribers, &own, &shared);
    add_region(&header, MRC_HUB_REGION_PRESENCE,
               shape->roster_subscribers ? mrc_roster_bytes(own, shared) : 0);
    add_region(&header, MRC_HUB_REGION_COUNTS,
               shape->census_streams ? mrc_census_bytes(mrc_census_cells(shape->census_streams))
                                     : 0);
    add_region(&header, MRC_HUB_REGION_BUCKETS, mrc_buckets_bytes());
    add_region(&header, MRC_HUB_REGION_REVOCATIONS,
               shape->is_controlled ? mrc_revocations_bytes() : 0);
    add_region(&header, MRC_HUB_REGION_LINK, shape->has_link ? mrc_link_bytes() : 0);
    add_region(&header, MRC_HUB_REGION_BUSIEST, shape->is_controlled ? mrc_busiest_bytes() : 0);
    *ret_header = header;
    *ret_capacity = capacity;
    *ret_buckets = buckets;
    return APR_SUCCESS;
}

uint64_t mrc_hub_segment_size(const struct mrc_hub_shape *shape, unsigned nslots,
                              struct mrc_error *error)
{
    struct mrc_hub_header header;
    uint64_t capacity;
    uint64_t buckets;

    if (lay_out(shape, nslots, error, &header, &capacity, &buckets) != APR_SUCCESS)
        return 0;
    return header.total_bytes;
}

static void *at(const struct mrc_segment *segment, uint64_t offset)
{
    return (char *)segment->base + offset;
}

static struct mrc_hub_segment *attach(apr_pool_t *pool, const struct mrc_segment *segment,
                                      const struct mrc_hub_header *header)
{
    struct mrc_hub_segment *hub = apr_pcalloc(pool, sizeof(*hub));

    hub->segment = *segment;
    hub->geometry = *header;
    hub->metrics = at(segment, header->region[MRC_HUB_REGION_METRICS].offset);
    return hub;
}

static void set_position_key(struct mrc_hub_segment *hub, const unsigned char *key)
{
    struct mrc_hub_header *header = hub->segment.base;

    memcpy(header->position_key, key, sizeof(header->position_key));
    memcpy(hub->geometry.position_key, key, sizeof(hub->geometry.position_key));
}

static apr_status_t create_staging(apr_pool_t *pool, struct mrc_hub_segment *hub,
                                   const struct mrc_hub_shape *shape, struct mrc_error *error)
{
    const struct mrc_hub_region *region = &hub->geometry.region[MRC_HUB_REGION_STAGING];
    void *base = at(&hub->segment, region->offset);
    apr_status_t status;

    if (region->size == 0)
        return APR_SUCCESS;
    status = mrc_staging_create(base, region->size, shape->staging_large, error);
    return status ? status : mrc_staging_attach(pool, base, region->size, &hub->staging);
}

/* Creates the regions that need random numbers. */
static apr_status_t create_keyed(apr_pool_t *pool, struct mrc_hub_segment *hub,
                                 const struct mrc_hub_shape *shape, struct mrc_error *error)
{
    const struct mrc_hub_region *region = hub->geometry.region;
    apr_status_t status =
        mrc_interests_create(pool, at(&hub->segment, region[MRC_HUB_REGION_INTEREST].offset),
                             hub->geometry.nslots, &hub->interests);

    if (!status && shape->census_streams)
        status = mrc_census_create(pool, at(&hub->segment, region[MRC_HUB_REGION_COUNTS].offset),
                                   mrc_census_cells(shape->census_streams), &hub->census);
    if (!status)
        status = mrc_buckets_create(pool, at(&hub->segment, region[MRC_HUB_REGION_BUCKETS].offset),
                                    &hub->buckets);
    if (!status && shape->has_link) {
        void *base = at(&hub->segment, region[MRC_HUB_REGION_LINK].offset);

        status = mrc_link_create(base);
        if (!status)
            status = mrc_link_attach(pool, base, region[MRC_HUB_REGION_LINK].size, &hub->link);
    }
    return status ? mrc_status_set(error, status, "the system has no random bytes") : APR_SUCCESS;
}

/* Creates what the regions of the zeroed HUB contain. */
static apr_status_t create_regions(apr_pool_t *pool, struct mrc_hub_segment *hub,
                                   const struct mrc_hub_shape *shape, uint64_t capacity,
                                   uint64_t buckets, struct mrc_error *error)
{
    const struct mrc_hub_region *region = hub->geometry.region;
    apr_status_t status =
        mrc_ring_create(pool, at(&hub->segment, region[MRC_HUB_REGION_RING].offset), capacity,
                        at(&hub->segment, region[MRC_HUB_REGION_INDEX].offset), buckets,
                        &shape->history, error, &hub->ring);

    if (!status)
        status = create_staging(pool, hub, shape, error);
    if (!status)
        status = create_keyed(pool, hub, shape, error);
    if (!status && shape->is_controlled)
        status = mrc_revocations_create(
            pool, at(&hub->segment, region[MRC_HUB_REGION_REVOCATIONS].offset), &hub->revocations);
    if (!status && shape->is_controlled)
        status = mrc_busiest_create(pool, at(&hub->segment, region[MRC_HUB_REGION_BUSIEST].offset),
                                    &hub->busiest);
    if (!status && shape->roster_subscribers) {
        uint32_t own, shared;

        mrc_roster_measure(shape->roster_subscribers, &own, &shared);
        hub->roster = mrc_roster_create(
            pool, at(&hub->segment, region[MRC_HUB_REGION_PRESENCE].offset), own, shared);
    }
    return status;
}

apr_status_t mrc_hub_segment_create(apr_pool_t *pool, const char *dir, const char *name,
                                    const struct mrc_hub_shape *shape, unsigned nslots,
                                    struct mrc_error *error, struct mrc_hub_segment **ret_segment)
{
    struct mrc_hub_header header;
    struct mrc_hub_segment *hub;
    struct mrc_segment segment;
    uint64_t capacity;
    uint64_t buckets;
    apr_status_t status = lay_out(shape, nslots, error, &header, &capacity, &buckets);

    if (status)
        return status;
    status = apr_generate_random_bytes(header.position_key, sizeof(header.position_key));
    if (status)
        return mrc_status_set(error, status, "the system has no random bytes");
    header.created_us = apr_time_now();
    status = mrc_segment_create(pool, dir, name, header.total_bytes, error, &segment);
    if (status)
        return status;
    mrc_segment_close_fd(&segment);
    *(struct mrc_hub_header *)segment.base = header;
    hub = attach(pool, &segment, &header);
    status = create_regions(pool, hub, shape, capacity, buckets, error);
    if (status) {
        mrc_segment_close(&segment);
        mrc_segment_remove(dir, name);
        return status;
    }
    *ret_segment = hub;
    return APR_SUCCESS;
}

/* Why HEADER, found in a file of FILE_BYTES, cannot be that of a hub; NULL: it can. */
static const char *find_problem(const struct mrc_hub_header *header, uint64_t file_bytes)
{
    uint64_t end = sizeof(*header);
    unsigned i;

    if (header->magic != MRC_HUB_MAGIC)
        return "its first bytes are different";
    if (header->version != MRC_HUB_VERSION)
        return "its layout has another version";
    if (header->total_bytes > file_bytes)
        return "the file is shorter than its header says";
    if (header->key_bytes == 0 || header->key_bytes > MRC_HUB_KEY_MAX ||
        header->key[header->key_bytes] != '\0')
        return "its key is broken";
    if (header->region_count != MRC_HUB_REGION_USED || header->nslots == 0 ||
        header->nslots > MRC_CONTROL_SLOTS_MAX)
        return "its header is broken";
    for (i = 0; i < MRC_HUB_REGION_USED; i++) {
        const struct mrc_hub_region *region = &header->region[i];

        if (region->type != i || region->offset % ALIGNMENT || region->offset < end ||
            region->offset > header->total_bytes ||
            region->size > header->total_bytes - region->offset)
            return "its regions do not fit";
        end = region->offset + region->size;
    }
    if (header->region[MRC_HUB_REGION_INTEREST].version != MRC_INTERESTS_VERSION ||
        header->region[MRC_HUB_REGION_INTEREST].size < mrc_interests_bytes(header->nslots) ||
        header->region[MRC_HUB_REGION_METRICS].size <
            (header->nslots + UINT64_C(1)) * sizeof(struct mrc_hub_metrics_row))
        return "its regions are too small";
    return NULL;
}

apr_status_t mrc_hub_segment_open(apr_pool_t *pool, const char *path, struct mrc_error *error,
                                  struct mrc_hub_segment **ret_segment)
{
    struct mrc_hub_header header;
    struct mrc_hub_segment *hub;
    struct mrc_segment segment;
    const char *why;
    apr_status_t status;

    status = mrc_segment_open(pool, path, error, &segment);
    if (status)
        return status;
    if (segment.size < sizeof(header)) {
        why = "it is too short";
    } else {
        memcpy(&header, segment.base, sizeof(header));
        why = find_problem(&header, segment.size);
    }
    if (why) {
        mrc_segment_close(&segment);
        return mrc_status_set(error, MRC_STATUS_CORRUPT, "%.150s is not a hub's segment: %s", path,
                              why);
    }
    hub = attach(pool, &segment, &header);
    status = mrc_ring_open(pool, at(&segment, header.region[MRC_HUB_REGION_RING].offset),
                           header.region[MRC_HUB_REGION_RING].size,
                           at(&segment, header.region[MRC_HUB_REGION_INDEX].offset),
                           header.region[MRC_HUB_REGION_INDEX].size, error, &hub->ring);
    if (status) {
        mrc_segment_close(&segment);
        return status;
    }
    hub->interests = mrc_interests_open(
        pool, at(&segment, header.region[MRC_HUB_REGION_INTEREST].offset), header.nslots);
    *ret_segment = hub;
    return APR_SUCCESS;
}

void mrc_hub_segment_close(struct mrc_hub_segment *segment)
{
    if (segment)
        mrc_segment_close(&segment->segment);
}

const char *mrc_hub_segment_key(const struct mrc_hub_segment *segment)
{
    return segment->geometry.key;
}

unsigned mrc_hub_segment_nslots(const struct mrc_hub_segment *segment)
{
    return segment->geometry.nslots;
}

uint64_t mrc_hub_segment_bytes(const struct mrc_hub_segment *segment)
{
    return segment->geometry.total_bytes;
}

int64_t mrc_hub_segment_created_us(const struct mrc_hub_segment *segment)
{
    return segment->geometry.created_us;
}

struct mrc_ring *mrc_hub_segment_ring(const struct mrc_hub_segment *segment)
{
    return segment->ring;
}

const unsigned char *mrc_hub_segment_position_key(const struct mrc_hub_segment *segment)
{
    return segment->geometry.position_key;
}

struct mrc_roster *mrc_hub_segment_roster(const struct mrc_hub_segment *segment)
{
    return segment->roster;
}

struct mrc_staging *mrc_hub_segment_staging(const struct mrc_hub_segment *segment)
{
    return segment->staging;
}

struct mrc_link *mrc_hub_segment_link(const struct mrc_hub_segment *segment)
{
    return segment->link;
}

struct mrc_census *mrc_hub_segment_census(const struct mrc_hub_segment *segment)
{
    return segment->census;
}

struct mrc_buckets *mrc_hub_segment_buckets(const struct mrc_hub_segment *segment)
{
    return segment->buckets;
}

struct mrc_busiest *mrc_hub_segment_busiest(const struct mrc_hub_segment *segment)
{
    return segment->busiest;
}

struct mrc_revocations *mrc_hub_segment_revocations(const struct mrc_hub_segment *segment)
{
    return segment->revocations;
}

bool mrc_hub_segment_has_shape(const struct mrc_hub_segment *segment,
                               const struct mrc_hub_shape *shape)
{
    struct mrc_hub_header header;
    uint64_t capacity;
    uint64_t buckets;
    unsigned i;

    if (lay_out(shape, segment->geometry.nslots, NULL, &header, &capacity, &buckets) != APR_SUCCESS)
        return false;
    for (i = 0; i < MRC_HUB_REGION_USED; i++)
        if (header.region[i].size != segment->geometry.region[i].size)
            return false;
    return true;
}

void *mrc_hub_segment_region(const struct mrc_hub_segment *segment, enum mrc_hub_region_type type,
                             uint64_t *ret_bytes)
{
    const struct mrc_hub_region *region = &segment->geometry.region[type];

    if (region->size == 0)
        return NULL;
    *ret_bytes = region->size;
    return at(&segment->segment, region->offset);
}

/* ---- Waking -----------------------------------------------------------------------------------*/

struct mrc_interests *mrc_hub_segment_interests(const struct mrc_hub_segment *segment)
{
    return segment->interests;
}

unsigned mrc_hub_segment_wake(const struct mrc_hub_segment *segment,
                              const struct mrc_notify *notify)
{
    unsigned woken = 0;
    unsigned slot;

    for (slot = 0; slot < segment->geometry.nslots; slot++) {
        if (mrc_interests_listeners(segment->interests, slot) == 0)
            continue;
        mrc_notify_wake(notify, slot);
        woken++;
    }
    return woken;
}

/* Takes the mark before it wakes: a child that is woken reads at least that far. */
unsigned mrc_hub_segment_wake_for(const struct mrc_hub_segment *segment,
                                  const struct mrc_notify *notify, const struct mrc_tags *tags)
{
    struct mrc_interests_mark mark;
    struct mrc_ring_stats stats;
    unsigned woken = 0;
    unsigned slot;

    mrc_ring_stats(segment->ring, &stats);
    mark = (struct mrc_interests_mark){stats.last_seq, stats.head, stats.capacity};
    for (slot = 0; slot < segment->geometry.nslots; slot++) {
        if (!mrc_interests_wants(segment->interests, slot, tags, &mark))
            continue;
        mrc_notify_wake(notify, slot);
        mrc_interests_set_woken(segment->interests, slot, &mark);
        woken++;
    }
    return woken;
}

/* ---- Numbers ----------------------------------------------------------------------------------*/

void mrc_hub_segment_count(struct mrc_hub_segment *segment, unsigned slot, unsigned index,
                           uint64_t n)
{
    if (slot < segment->geometry.nslots && index < MRC_HUB_COUNTERS)
        atomic_fetch_add_explicit(&segment->metrics[slot].counter[index], n, memory_order_relaxed);
}

void mrc_hub_segment_gauge_add(struct mrc_hub_segment *segment, unsigned slot, unsigned index,
                               int64_t n)
{
    if (slot < segment->geometry.nslots && index < MRC_HUB_GAUGES)
        atomic_fetch_add_explicit(&segment->metrics[slot].gauge[index], (uint64_t)n,
                                  memory_order_relaxed);
}

/* Any thread may call this; the rows change while they are read one by one. */
static uint64_t sum_gauge(const struct mrc_hub_segment *segment, unsigned index)
{
    int64_t sum = 0;
    unsigned row;

    for (row = 0; row < segment->geometry.nslots; row++) {
        uint64_t one = atomic_load(&segment->metrics[row].gauge[index]);

        sum += (int64_t)one > 0 ? (int64_t)one : 0;
    }
    return (uint64_t)sum;
}

/*
 * Every caller adds first and then reads the sum (both seq_cst). The last of simultaneous callers
 * sees all others, so they cannot all take the last place. A caller that sees too many subtracts
 * again and reads once more. The last one to subtract sees only those that stay, so one of them
 * gets the place.
 */
bool mrc_hub_segment_gauge_take(struct mrc_hub_segment *segment, unsigned slot, unsigned index,
                                uint64_t max)
{
    _Atomic uint64_t *gauge;

    if (slot >= segment->geometry.nslots || index >= MRC_HUB_GAUGES)
        return false;
    gauge = &segment->metrics[slot].gauge[index];
    for (;;) {
        atomic_fetch_add(gauge, 1);
        if (sum_gauge(segment, index) <= max)
            return true;
        atomic_fetch_sub(gauge, 1);
        if (sum_gauge(segment, index) >= max)
            return false;
        sched_yield();
    }
}

bool mrc_hub_segment_gauge_change(struct mrc_hub_segment *segment, unsigned slot, unsigned index,
                                  uint64_t old, uint64_t value)
{
    return slot < segment->geometry.nslots && index < MRC_HUB_GAUGES &&
           atomic_compare_exchange_strong(&segment->metrics[slot].gauge[index], &old, value);
}

void mrc_hub_segment_gauge_set(struct mrc_hub_segment *segment, unsigned slot, unsigned index,
                               uint64_t value)
{
    if (slot < segment->geometry.nslots && index < MRC_HUB_GAUGES)
        atomic_store_explicit(&segment->metrics[slot].gauge[index], value, memory_order_relaxed);
}

uint64_t mrc_hub_segment_gauge_of(const struct mrc_hub_segment *segment, unsigned slot,
                                  unsigned index)
{
    if (slot >= segment->geometry.nslots || index >= MRC_HUB_GAUGES)
        return 0;
    return atomic_load_explicit(&segment->metrics[slot].gauge[index], memory_order_relaxed);
}

uint64_t mrc_hub_segment_counter(const struct mrc_hub_segment *segment, unsigned index)
{
    uint64_t sum = 0;
    unsigned row;

    if (index >= MRC_HUB_COUNTERS)
        return 0;
    for (row = 0; row <= segment->geometry.nslots; row++)
        sum += atomic_load_explicit(&segment->metrics[row].counter[index], memory_order_relaxed);
    return sum;
}

uint64_t mrc_hub_segment_gauge(const struct mrc_hub_segment *segment, unsigned index)
{
    return index < MRC_HUB_GAUGES ? sum_gauge(segment, index) : 0;
}

void mrc_hub_segment_fold(struct mrc_hub_segment *segment, unsigned slot)
{
    unsigned i;

    if (slot >= segment->geometry.nslots)
        return;
    mrc_interests_fold(segment->interests, slot);
    if (segment->staging)
        mrc_staging_fold(segment->staging, slot);
    for (i = 0; i < MRC_HUB_GAUGES; i++)
        atomic_store_explicit(&segment->metrics[slot].gauge[i], 0, memory_order_relaxed);
    if (segment->roster)
        mrc_roster_fold(segment->roster, slot);
    if (segment->census)
        mrc_census_fold(segment->census, slot);
}

void mrc_hub_segment_carry(const struct mrc_hub_segment *from, struct mrc_hub_segment *to)
{
    unsigned i;

    for (i = 0; i < MRC_HUB_COUNTERS; i++)
        atomic_fetch_add_explicit(&to->metrics[to->geometry.nslots].counter[i],
                                  mrc_hub_segment_counter(from, i), memory_order_relaxed);
    set_position_key(to, from->geometry.position_key);
    if (from->link && to->link)
        mrc_link_carry(from->link, to->link);
}
