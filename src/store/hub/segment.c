#include "store/hub/segment.h"

#include <errno.h>
#include <sys/mman.h>

#include "apr_general.h"
#include "apr_time.h"
#include "store/regions/interests_layout.h"
#include "store/regions/link.h"
#include "store/regions/staging.h"
#include "store/ring/reclaim.h"
#include "store/shm/control_layout.h"
#include "store/shm/segment.h"

struct mrc_hub_segment {
    struct mrc_segment segment;
    struct mrc_hub_header geometry; /* this process's own copy; the shared one is not trusted */
    struct mrc_sparse *pages;       /* NULL: everything is allocated */
    struct mrc_ring *ring;
    struct mrc_roster *roster;           /* NULL: none */
    struct mrc_staging *staging;         /* NULL: none */
    struct mrc_census *census;           /* NULL: none */
    struct mrc_buckets *buckets;         /* NULL: read-only */
    struct mrc_revocations *revocations; /* NULL: none */
    struct mrc_link *link;               /* NULL: none */
    struct mrc_busiest *busiest;         /* NULL: none */
    struct mrc_samples *samples;         /* NULL: none */
    struct mrc_interests *interests;
    struct mrc_counters *counters;
    bool is_blank; /* the memory is not the hub's own: it takes none */
};

static void *at(const struct mrc_segment *segment, uint64_t offset)
{
    return (char *)segment->base + offset;
}

static struct mrc_hub_segment *begin(apr_pool_t *pool, const struct mrc_segment *segment,
                                     const struct mrc_hub_header *header)
{
    struct mrc_hub_segment *hub = apr_pcalloc(pool, sizeof(*hub));

    hub->segment = *segment;
    hub->geometry = *header;
    hub->counters = mrc_counters_open(
        pool, at(segment, header->region[MRC_HUB_REGION_COUNTERS].offset), header->nslots);
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
                             at(&hub->segment, region[MRC_HUB_REGION_SETS].offset),
                             hub->geometry.nslots, &hub->interests);

    if (!status && shape->census_streams)
        status = mrc_census_create(pool, at(&hub->segment, region[MRC_HUB_REGION_CENSUS].offset),
                                   mrc_census_cells(shape->census_streams), &hub->census);
    if (!status)
        status = mrc_buckets_create(pool, at(&hub->segment, region[MRC_HUB_REGION_BUCKETS].offset),
                                    at(&hub->segment, region[MRC_HUB_REGION_CLIENTS].offset),
                                    &hub->buckets);
    if (!status && shape->has_link) {
        void *base = at(&hub->segment, region[MRC_HUB_REGION_LINK].offset);

        status = mrc_link_create(base);
        if (!status)
            status = mrc_link_attach(pool, base, region[MRC_HUB_REGION_LINK].size, &hub->link);
    }
    return status ? mrc_status_set(error, status, "the system has no random bytes") : APR_SUCCESS;
}

/* How much of a region is allocated when the segment is made. */
struct head {
    enum mrc_hub_region_type type;
    uint64_t bytes; /* HEAD_ALL: the whole region */
};
#define HEAD_ALL UINT64_MAX

/* Allocates what the functions that create the regions write. */
static apr_status_t take_heads(struct mrc_hub_segment *hub)
{
    const struct head heads[] = {
        {MRC_HUB_REGION_INTEREST, HEAD_ALL},
        {MRC_HUB_REGION_BUCKETS, HEAD_ALL},
        {MRC_HUB_REGION_RING, MRC_RING_HEAD_BYTES},
        {MRC_HUB_REGION_STAGING, mrc_staging_head_bytes()},
        {MRC_HUB_REGION_PRESENCE, mrc_roster_head_bytes()},
        {MRC_HUB_REGION_CENSUS, mrc_census_head_bytes()},
        {MRC_HUB_REGION_REVOCATIONS, mrc_revocations_head_bytes()},
        {MRC_HUB_REGION_LINK, HEAD_ALL},
        {MRC_HUB_REGION_BUSIEST, mrc_busiest_head_bytes()},
        {MRC_HUB_REGION_SAMPLES, mrc_samples_head_bytes()},
    };
    apr_status_t status = APR_SUCCESS;

    for (size_t i = 0; i < sizeof(heads) / sizeof(*heads) && !status; i++) {
        const struct mrc_hub_region *region = &hub->geometry.region[heads[i].type];

        status = mrc_sparse_take(hub->pages, at(&hub->segment, region->offset),
                                 heads[i].bytes < region->size ? heads[i].bytes : region->size);
    }
    return status;
}

/* From now on, the regions allocate what they need. */
static void use_pages(struct mrc_hub_segment *hub)
{
    mrc_ring_use_sparse(hub->ring, hub->pages);
    mrc_interests_use_sparse(hub->interests, hub->pages);
    mrc_buckets_use_sparse(hub->buckets, hub->pages);
    mrc_counters_use_sparse(hub->counters, hub->pages);
    if (hub->staging)
        mrc_staging_use_sparse(hub->staging, hub->pages);
    if (hub->roster)
        mrc_roster_use_sparse(hub->roster, hub->pages);
    if (hub->census)
        mrc_census_use_sparse(hub->census, hub->pages);
    if (hub->revocations)
        mrc_revocations_use_sparse(hub->revocations, hub->pages);
    if (hub->busiest)
        mrc_busiest_use_sparse(hub->busiest, hub->pages);
    if (hub->samples)
        mrc_samples_use_sparse(hub->samples, hub->pages);
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
    if (!status && region[MRC_HUB_REGION_SAMPLES].size)
        status = mrc_samples_create(pool, at(&hub->segment, region[MRC_HUB_REGION_SAMPLES].offset),
                                    &hub->samples);
    if (!status && shape->roster_subscribers) {
        uint32_t own, shared;

        mrc_roster_measure(shape->roster_subscribers, &own, &shared);
        hub->roster = mrc_roster_create(
            pool, at(&hub->segment, region[MRC_HUB_REGION_PRESENCE].offset), own, shared);
    }
    return status;
}

/* Allocates the beginning of HUB's memory. APR_ENOTIMPL: the kernel can only allocate all of it. */
static apr_status_t begin_memory(apr_pool_t *pool, struct mrc_hub_segment *hub, const char *dir,
                                 const struct mrc_sparse_budget *budget, struct mrc_error *error)
{
    const struct mrc_hub_region *ring = &hub->geometry.region[MRC_HUB_REGION_RING];
    /* All heads up to that of the ring follow the groups; of many groups, only the first is needed.
     */
    uint64_t first = hub->geometry.groups_bytes == MRC_SPARSE_GROUP_BYTES
                         ? ring->offset + MRC_RING_HEAD_BYTES
                         : MRC_HUB_GROUPS_OFFSET + MRC_SPARSE_GROUP_BYTES;
    apr_status_t status =
        mrc_sparse_create(pool, hub->segment.base, hub->geometry.total_bytes, MRC_HUB_PAGES_OFFSET,
                          MRC_HUB_GROUPS_OFFSET, first, budget, &hub->pages);

    if (!status)
        status = take_heads(hub);
    return status ? mrc_status_set(error, status,
                                   "no room for the shared memory of a hub in %.80s: make room on "
                                   "its file system, or raise MercureMemory",
                                   dir)
                  : APR_SUCCESS;
}

/* The same in a file of its own. */
static apr_status_t begin_file(apr_pool_t *pool, struct mrc_hub_segment *hub, const char *dir,
                               const struct mrc_sparse_budget *budget, struct mrc_error *error)
{
    apr_status_t status = begin_memory(pool, hub, dir, budget, error);

    if (status != APR_ENOTIMPL)
        return status;
    hub->geometry.groups_bytes = 0;
    return mrc_segment_allocate(&hub->segment, hub->segment.size, dir, error);
}

/* Plans a new segment, with its time and its key for positions. */
static apr_status_t plan_for(const struct mrc_hub_shape *shape, unsigned nslots,
                             struct mrc_error *error, struct mrc_hub_plan *ret_plan)
{
    apr_status_t status = mrc_hub_shape_plan(shape, nslots, error, ret_plan);

    if (status)
        return status;
    ret_plan->header.created_us = apr_time_now();
    status = apr_generate_random_bytes(ret_plan->header.position_key,
                                       sizeof(ret_plan->header.position_key));
    return status ? mrc_status_set(error, status, "the system has no random bytes") : APR_SUCCESS;
}

/* Writes the content of HUB, whose memory has begun. */
static apr_status_t fill(apr_pool_t *pool, struct mrc_hub_segment *hub,
                         const struct mrc_hub_shape *shape, const struct mrc_hub_plan *plan,
                         struct mrc_error *error)
{
    apr_status_t status;

    *(struct mrc_hub_header *)hub->segment.base = hub->geometry;
    status = create_regions(pool, hub, shape, plan->capacity, plan->buckets, error);
    if (!status)
        use_pages(hub);
    return status;
}

apr_status_t mrc_hub_segment_create(apr_pool_t *pool, const char *dir, const char *name,
                                    const struct mrc_hub_shape *shape, unsigned nslots,
                                    const struct mrc_sparse_budget *budget, struct mrc_error *error,
                                    struct mrc_hub_segment **ret_segment)
{
    struct mrc_hub_plan plan;
    struct mrc_hub_segment *hub;
    struct mrc_segment segment;
    apr_status_t status = plan_for(shape, nslots, error, &plan);

    if (!status)
        status =
            mrc_segment_create_sparse(pool, dir, name, plan.header.total_bytes, error, &segment);
    if (status)
        return status;
    hub = begin(pool, &segment, &plan.header);
    status = begin_file(pool, hub, dir, budget, error);
    if (!status)
        status = fill(pool, hub, shape, &plan, error);
    if (status) {
        mrc_segment_remove(dir, name);
        mrc_hub_segment_release(hub);
        mrc_hub_segment_close(hub);
        return status;
    }
    mrc_segment_close_fd(&hub->segment);
    *ret_segment = hub;
    return APR_SUCCESS;
}

/* The segment at BASE, which belongs to another mapping. */
static struct mrc_segment part_at(void *base, const struct mrc_hub_header *header)
{
    return (struct mrc_segment){.base = base, .size = header->total_bytes};
}

apr_status_t mrc_hub_segment_make(apr_pool_t *pool, void *base, const char *dir,
                                  const struct mrc_hub_shape *shape, unsigned nslots,
                                  const struct mrc_sparse_budget *budget, struct mrc_error *error,
                                  struct mrc_hub_segment **ret_segment)
{
    struct mrc_hub_plan plan;
    struct mrc_hub_segment *hub;
    struct mrc_segment segment;
    apr_status_t status = plan_for(shape, nslots, error, &plan);

    if (status)
        return status;
    segment = part_at(base, &plan.header);
    hub = begin(pool, &segment, &plan.header);
    status = begin_memory(pool, hub, dir, budget, error);
    if (!status)
        status = fill(pool, hub, shape, &plan, error);
    if (status)
        mrc_hub_segment_release(hub);
    else
        *ret_segment = hub;
    return status;
}

static apr_status_t unmap_blank(void *data)
{
    const struct mrc_hub_segment *hub = data;

    munmap(hub->segment.base, hub->segment.size);
    return APR_SUCCESS;
}

apr_status_t mrc_hub_segment_make_blank(apr_pool_t *pool, unsigned nslots, struct mrc_error *error,
                                        struct mrc_hub_segment **ret_segment)
{
    const struct mrc_hub_shape shape = {.key = "none", .history.off = true};
    struct mrc_hub_plan plan;
    struct mrc_hub_segment *hub;
    struct mrc_segment segment;
    void *base;
    apr_status_t status = plan_for(&shape, nslots, error, &plan);

    if (status)
        return status;
    base = mmap(NULL, plan.header.total_bytes, PROT_READ | PROT_WRITE,
                MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (base == MAP_FAILED)
        return mrc_status_set(error, errno, "out of memory");
    plan.header.groups_bytes = 0;
    segment = part_at(base, &plan.header);
    hub = begin(pool, &segment, &plan.header);
    hub->is_blank = true;
    hub->counters = mrc_counters_open(pool, NULL, nslots);
    apr_pool_cleanup_register(pool, hub, unmap_blank, apr_pool_cleanup_null);
    status = fill(pool, hub, &shape, &plan, error);
    if (status)
        apr_pool_cleanup_run(pool, hub, unmap_blank);
    else
        *ret_segment = hub;
    return status;
}

struct mrc_hub_segment *mrc_hub_segment_attach(apr_pool_t *pool, void *base,
                                               const struct mrc_hub_shape *shape, unsigned nslots,
                                               const struct mrc_sparse_budget *budget)
{
    const struct mrc_hub_header *made = base;
    const struct mrc_hub_region *region;
    struct mrc_segment segment;
    struct mrc_hub_segment *hub;
    struct mrc_hub_plan plan;

    if (mrc_hub_shape_plan(shape, nslots, NULL, &plan) != APR_SUCCESS)
        return NULL;
    plan.header.created_us = made->created_us;
    memcpy(plan.header.position_key, made->position_key, sizeof(made->position_key));
    segment = part_at(base, &plan.header);
    hub = begin(pool, &segment, &plan.header);
    region = hub->geometry.region;
    hub->pages = mrc_sparse_attach(pool, base, hub->geometry.total_bytes, MRC_HUB_PAGES_OFFSET,
                                   MRC_HUB_GROUPS_OFFSET, budget);
    hub->ring =
        mrc_ring_attach(pool, at(&segment, region[MRC_HUB_REGION_RING].offset), plan.capacity,
                        at(&segment, region[MRC_HUB_REGION_INDEX].offset), plan.buckets);
    hub->interests = mrc_interests_open(pool, at(&segment, region[MRC_HUB_REGION_INTEREST].offset),
                                        at(&segment, region[MRC_HUB_REGION_SETS].offset), nslots);
    hub->buckets = mrc_buckets_attach(pool, at(&segment, region[MRC_HUB_REGION_BUCKETS].offset),
                                      at(&segment, region[MRC_HUB_REGION_CLIENTS].offset));
    if (shape->census_streams)
        hub->census = mrc_census_attach(pool, at(&segment, region[MRC_HUB_REGION_CENSUS].offset),
                                        mrc_census_cells(shape->census_streams));
    if (shape->is_controlled) {
        hub->revocations =
            mrc_revocations_attach(pool, at(&segment, region[MRC_HUB_REGION_REVOCATIONS].offset));
        hub->busiest =
            mrc_busiest_attach(pool, at(&segment, region[MRC_HUB_REGION_BUSIEST].offset));
    }
    if (region[MRC_HUB_REGION_SAMPLES].size)
        hub->samples =
            mrc_samples_attach(pool, at(&segment, region[MRC_HUB_REGION_SAMPLES].offset));
    use_pages(hub);
    return hub;
}

/* Why HEADER, found in a file of FILE_BYTES, cannot be that of a hub; NULL: it can. */
static const char *find_problem(const struct mrc_hub_header *header, uint64_t file_bytes)
{
    uint64_t end = MRC_HUB_GROUPS_OFFSET;
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
    if (header->groups_bytes > header->total_bytes - end)
        return "its bits for pages do not fit";
    end += header->groups_bytes;
    for (i = 0; i < MRC_HUB_REGION_USED; i++) {
        const struct mrc_hub_region *region = &header->region[i];

        if (region->type != i || region->offset % MRC_HUB_ALIGNMENT || region->offset < end ||
            region->offset > header->total_bytes ||
            region->size > header->total_bytes - region->offset)
            return "its regions do not fit";
        end = region->offset + region->size;
    }
    if (header->region[MRC_HUB_REGION_INTEREST].version != MRC_INTERESTS_VERSION ||
        header->region[MRC_HUB_REGION_INTEREST].size < mrc_interests_head_bytes(header->nslots) ||
        header->region[MRC_HUB_REGION_SETS].size < mrc_interests_sets_bytes(header->nslots) ||
        header->region[MRC_HUB_REGION_COUNTERS].size < mrc_counters_bytes(header->nslots))
        return "its regions are too small";
    return NULL;
}

/* False: what the file says about its pages is unsound. */
static bool open_pages(apr_pool_t *pool, struct mrc_hub_segment *hub)
{
    const struct mrc_hub_header *header = &hub->geometry;

    if (header->groups_bytes == 0)
        return true;
    hub->pages = mrc_sparse_open(pool, hub->segment.base, header->total_bytes, MRC_HUB_PAGES_OFFSET,
                                 MRC_HUB_GROUPS_OFFSET, header->groups_bytes);
    return hub->pages != NULL;
}

static apr_status_t refuse(const char *what, const char *why, struct mrc_error *error)
{
    return mrc_status_set(error, MRC_STATUS_CORRUPT, "%.150s is not a hub's segment: %s", what,
                          why);
}

/* Opens SEGMENT, which messages call WHAT, read-only. */
static apr_status_t open_segment(apr_pool_t *pool, const struct mrc_segment *segment,
                                 const char *what, struct mrc_error *error,
                                 struct mrc_hub_segment **ret_segment)
{
    struct mrc_hub_header header;
    const struct mrc_hub_region *region = header.region;
    struct mrc_hub_segment *hub;
    apr_status_t status;
    const char *why;

    if (segment->size < MRC_HUB_GROUPS_OFFSET)
        return refuse(what, "it is too short", error);
    memcpy(&header, segment->base, sizeof(header));
    why = find_problem(&header, segment->size);
    if (why)
        return refuse(what, why, error);
    hub = begin(pool, segment, &header);
    if (!open_pages(pool, hub))
        return refuse(what, "its bits for pages are broken", error);
    status = mrc_ring_open(pool, at(segment, region[MRC_HUB_REGION_RING].offset),
                           region[MRC_HUB_REGION_RING].size,
                           at(segment, region[MRC_HUB_REGION_INDEX].offset),
                           region[MRC_HUB_REGION_INDEX].size, error, &hub->ring);
    if (status)
        return status;
    mrc_ring_use_sparse(hub->ring, hub->pages);
    hub->interests =
        mrc_interests_open(pool, at(segment, region[MRC_HUB_REGION_INTEREST].offset),
                           at(segment, region[MRC_HUB_REGION_SETS].offset), header.nslots);
    mrc_interests_use_sparse(hub->interests, hub->pages);
    mrc_counters_use_sparse(hub->counters, hub->pages);
    *ret_segment = hub;
    return APR_SUCCESS;
}

apr_status_t mrc_hub_segment_open(apr_pool_t *pool, const char *path, struct mrc_error *error,
                                  struct mrc_hub_segment **ret_segment)
{
    struct mrc_segment segment;
    apr_status_t status = mrc_segment_open(pool, path, error, &segment);

    if (status)
        return status;
    status = open_segment(pool, &segment, path, error, ret_segment);
    if (status)
        mrc_segment_close(&segment);
    return status;
}

apr_status_t mrc_hub_segment_open_part(apr_pool_t *pool, const void *base, uint64_t bytes,
                                       struct mrc_error *error,
                                       struct mrc_hub_segment **ret_segment)
{
    const struct mrc_segment segment = {.base = (void *)(uintptr_t)base, .size = bytes};

    return open_segment(pool, &segment, "this part of the file", error, ret_segment);
}

void mrc_hub_segment_release(struct mrc_hub_segment *segment)
{
    mrc_sparse_release(segment->pages);
}

void mrc_hub_segment_close(struct mrc_hub_segment *segment)
{
    if (!segment)
        return;
    mrc_counters_end(segment->counters);
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

uint64_t mrc_hub_segment_taken(const struct mrc_hub_segment *segment)
{
    if (segment->is_blank)
        return 0;
    return segment->pages ? mrc_sparse_taken(segment->pages) : segment->geometry.total_bytes;
}

uint64_t mrc_hub_segment_reclaim(struct mrc_hub_segment *segment, uint64_t *passed, int64_t now_us)
{
    uint64_t given;

    /* A publisher with this lock may have allocated pages for a transaction that it commits now. */
    if (segment->staging && mrc_staging_lock(segment->staging, 0) != APR_SUCCESS)
        return 0;
    given = mrc_ring_reclaim(segment->ring, passed, now_us);
    if (segment->staging)
        mrc_staging_unlock(segment->staging);
    return given;
}

int64_t mrc_hub_segment_created_us(const struct mrc_hub_segment *segment)
{
    return segment->geometry.created_us;
}

struct mrc_ring *mrc_hub_segment_ring(const struct mrc_hub_segment *segment)
{
    return segment->ring;
}

struct mrc_site_place *mrc_hub_segment_site(const struct mrc_hub_segment *segment)
{
    return &((struct mrc_hub_header *)segment->segment.base)->site;
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

struct mrc_counters *mrc_hub_segment_counters(const struct mrc_hub_segment *segment)
{
    return segment->counters;
}

struct mrc_buckets *mrc_hub_segment_buckets(const struct mrc_hub_segment *segment)
{
    return segment->buckets;
}

struct mrc_busiest *mrc_hub_segment_busiest(const struct mrc_hub_segment *segment)
{
    return segment->busiest;
}

struct mrc_samples *mrc_hub_segment_samples(const struct mrc_hub_segment *segment)
{
    return segment->samples;
}

struct mrc_revocations *mrc_hub_segment_revocations(const struct mrc_hub_segment *segment)
{
    return segment->revocations;
}

bool mrc_hub_segment_has_shape(const struct mrc_hub_segment *segment,
                               const struct mrc_hub_shape *shape)
{
    struct mrc_hub_plan plan;

    if (mrc_hub_shape_plan(shape, segment->geometry.nslots, NULL, &plan) != APR_SUCCESS)
        return false;
    for (unsigned i = 0; i < MRC_HUB_REGION_USED; i++) {
        if (plan.header.region[i].size != segment->geometry.region[i].size)
            return false;
    }
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

void mrc_hub_segment_fold(struct mrc_hub_segment *segment, unsigned slot)
{
    if (slot >= segment->geometry.nslots)
        return;
    mrc_interests_fold(segment->interests, slot);
    if (segment->staging)
        mrc_staging_fold(segment->staging, slot);
    mrc_counters_fold(segment->counters, slot);
    if (segment->roster)
        mrc_roster_fold(segment->roster, slot);
    if (segment->census)
        mrc_census_fold(segment->census, slot);
}

void mrc_hub_segment_carry(const struct mrc_hub_segment *from, struct mrc_hub_segment *to)
{
    mrc_counters_carry(from->counters, to->counters);
    set_position_key(to, from->geometry.position_key);
    mrc_site_carry(mrc_hub_segment_site(from), mrc_hub_segment_site(to));
    if (from->link && to->link)
        mrc_link_carry(from->link, to->link);
}
