#include "store/hub/shape.h"

#include <string.h>

#include "store/base/status.h"
#include "store/regions/buckets.h"
#include "store/regions/busiest.h"
#include "store/regions/census.h"
#include "store/regions/counters.h"
#include "store/regions/interests.h"
#include "store/regions/interests_layout.h"
#include "store/regions/link.h"
#include "store/regions/revocations.h"
#include "store/regions/roster.h"
#include "store/regions/samples.h"
#include "store/shm/control_layout.h"

static void add_region(struct mrc_hub_header *header, enum mrc_hub_region_type type, uint64_t size)
{
    header->region[type] = (struct mrc_hub_region){
        .type = type,
        .version = 1,
        .offset = header->total_bytes,
        .size = size,
    };
    header->total_bytes += (size + MRC_HUB_ALIGNMENT - 1) & ~(uint64_t)(MRC_HUB_ALIGNMENT - 1);
}

/* A row of counters is in one page. */
static void add_counters(struct mrc_hub_header *header, unsigned nslots)
{
    const uint64_t row = MRC_COUNTERS_ROW_BYTES;

    header->total_bytes = (header->total_bytes + row - 1) & ~(row - 1);
    add_region(header, MRC_HUB_REGION_COUNTERS, mrc_counters_bytes(nslots));
}

/* Puts the groups of bits for the pages before the regions. */
static void add_groups(struct mrc_hub_header *header)
{
    header->groups_bytes = mrc_sparse_bytes(header->total_bytes);
    header->total_bytes += header->groups_bytes;
    for (int i = 0; i < MRC_HUB_REGION_USED; i++)
        header->region[i].offset += header->groups_bytes;
}

/* Operators of other machines may ask about a hub, too. */
static bool has_samples(const struct mrc_hub_shape *shape)
{
    return shape->is_controlled || shape->has_link;
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

apr_status_t mrc_hub_shape_plan(const struct mrc_hub_shape *shape, unsigned nslots,
                                struct mrc_error *error, struct mrc_hub_plan *ret_plan)
{
    struct mrc_hub_header header = {
        .magic = MRC_HUB_MAGIC,
        .version = MRC_HUB_VERSION,
        .nslots = nslots,
        .total_bytes = MRC_HUB_GROUPS_OFFSET,
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
    add_region(&header, MRC_HUB_REGION_INTEREST, mrc_interests_head_bytes(nslots));
    header.region[MRC_HUB_REGION_INTEREST].version = MRC_INTERESTS_VERSION;
    add_region(&header, MRC_HUB_REGION_BUCKETS, mrc_buckets_head_bytes());
    add_region(&header, MRC_HUB_REGION_RING, mrc_ring_region_bytes(capacity));
    add_region(&header, MRC_HUB_REGION_INDEX, mrc_ring_index_bytes(buckets));
    add_region(&header, MRC_HUB_REGION_SETS, mrc_interests_sets_bytes(nslots));
    add_region(&header, MRC_HUB_REGION_CLIENTS, mrc_buckets_clients_bytes());
    add_counters(&header, nslots);
    add_region(&header, MRC_HUB_REGION_STAGING, shape->staging_bytes);
    if (shape->roster_subscribers)
        mrc_roster_measure(shape->roster_subscribers, &own, &shared);
    add_region(&header, MRC_HUB_REGION_PRESENCE,
               shape->roster_subscribers ? mrc_roster_bytes(own, shared) : 0);
    add_region(&header, MRC_HUB_REGION_CENSUS,
               shape->census_streams ? mrc_census_bytes(mrc_census_cells(shape->census_streams))
                                     : 0);
    add_region(&header, MRC_HUB_REGION_REVOCATIONS,
               shape->is_controlled ? mrc_revocations_bytes() : 0);
    add_region(&header, MRC_HUB_REGION_LINK, shape->has_link ? mrc_link_bytes() : 0);
    add_region(&header, MRC_HUB_REGION_BUSIEST, shape->is_controlled ? mrc_busiest_bytes() : 0);
    add_region(&header, MRC_HUB_REGION_SAMPLES, has_samples(shape) ? mrc_samples_bytes() : 0);
    add_groups(&header);
    *ret_plan = (struct mrc_hub_plan){header, capacity, buckets};
    return APR_SUCCESS;
}

uint64_t mrc_hub_shape_bytes(const struct mrc_hub_shape *shape, unsigned nslots,
                             struct mrc_error *error)
{
    struct mrc_hub_plan plan;

    return mrc_hub_shape_plan(shape, nslots, error, &plan) == APR_SUCCESS ? plan.header.total_bytes
                                                                          : 0;
}
