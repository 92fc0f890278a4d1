#include "apr_general.h"
#include "store/ring/codec.h"
#include "store/ring/index.h"
#include "store/ring/ring.h"

#define PADDING_BYTES 14 /* the most that an id and a payload need to fill whole words */
#define RECORDS_MIN   16
#define BUCKETS_MIN   MRC_RING_TABLE_MIN
#define BUCKETS_MAX   (UINT64_C(1) << 24)

/* ---- Sizes ------------------------------------------------------------------------------------*/

static uint64_t records_for(uint64_t payload_bytes, uint64_t count)
{
    uint64_t n = payload_bytes / MRC_RING_SMALL_RECORD_BYTES;

    if (count && count < n)
        n = count;
    return n < RECORDS_MIN ? RECORDS_MIN : n;
}

uint64_t mrc_ring_capacity_for(uint64_t payload_bytes, uint64_t count, uint64_t largest_bytes)
{
    uint64_t largest;
    uint64_t capacity;

    if (payload_bytes > MRC_RING_CAPACITY_MAX || largest_bytes > MRC_RING_RECORD_MAX)
        return 0;
    largest = mrc_ring_codec_round_up(largest_bytes + MRC_RING_OVERHEAD_BYTES + PADDING_BYTES);
    if (largest > MRC_RING_RECORD_MAX)
        return 0;
    capacity = payload_bytes +
               records_for(payload_bytes, count) * (MRC_RING_OVERHEAD_BYTES + PADDING_BYTES) +
               largest;
    if (capacity < 4 * largest)
        capacity = 4 * largest;
    capacity = (capacity + 63) & ~UINT64_C(63);
    return capacity <= MRC_RING_CAPACITY_MAX ? capacity : 0;
}

uint64_t mrc_ring_buckets_for(uint64_t payload_bytes, uint64_t count)
{
    uint64_t n = records_for(payload_bytes, count);
    uint64_t buckets = BUCKETS_MIN;

    while (buckets < n && buckets < BUCKETS_MAX)
        buckets *= 2;
    return buckets;
}

uint64_t mrc_ring_region_bytes(uint64_t capacity)
{
    return sizeof(struct mrc_ring_header) + capacity;
}

uint64_t mrc_ring_index_bytes(uint64_t bucket_count)
{
    return mrc_ring_index_total(bucket_count) * sizeof(uint64_t);
}

uint64_t mrc_ring_largest(const struct mrc_ring *ring)
{
    uint64_t largest = ring->capacity / 4;

    if (largest > MRC_RING_RECORD_MAX)
        largest = MRC_RING_RECORD_MAX;
    largest &= ~UINT64_C(7);
    return largest > MRC_RING_OVERHEAD_BYTES + PADDING_BYTES
               ? largest - MRC_RING_OVERHEAD_BYTES - PADDING_BYTES
               : 0;
}

/* ---- Making and opening -----------------------------------------------------------------------*/

static bool geometry_is_sound(uint64_t capacity, uint64_t bucket_count)
{
    return capacity >= 4 * MRC_RING_OVERHEAD_BYTES && capacity <= MRC_RING_CAPACITY_MAX &&
           capacity % 8 == 0 && bucket_count > 0 && bucket_count <= BUCKETS_MAX &&
           (bucket_count & (bucket_count - 1)) == 0;
}

struct mrc_ring *mrc_ring_attach(apr_pool_t *pool, void *region, uint64_t capacity, void *index,
                                 uint64_t bucket_count)
{
    struct mrc_ring_header *header = region;
    struct mrc_ring *ring = apr_pcalloc(pool, sizeof(*ring));

    ring->header = header;
    ring->words = (_Atomic uint64_t *)(void *)(header + 1);
    ring->buckets = index;
    ring->capacity = capacity;
    ring->bucket_count = bucket_count;
    ring->hash_key[0] = header->hash_key[0];
    ring->hash_key[1] = header->hash_key[1];
    return ring;
}

apr_status_t mrc_ring_create(apr_pool_t *pool, void *region, uint64_t capacity, void *index,
                             uint64_t bucket_count, const struct mrc_ring_bounds *bounds,
                             struct mrc_error *error, struct mrc_ring **ret_ring)
{
    struct mrc_ring_header *header = region;
    apr_status_t status;

    if (!geometry_is_sound(capacity, bucket_count))
        return mrc_status_set(error, APR_EINVAL, "a ring cannot have this size");
    header->magic = MRC_RING_MAGIC;
    header->version = MRC_RING_VERSION;
    header->header_bytes = sizeof(*header);
    header->capacity = capacity;
    header->bucket_count = bucket_count;
    status = apr_generate_random_bytes((unsigned char *)header->hash_key, sizeof(header->hash_key));
    if (status)
        return mrc_status_set(error, status, "the system has no random bytes");
    status = mrc_lock_init(&header->lock);
    if (status)
        return mrc_status_set(error, status,
                              "the system has no robust locks that processes can share");
    atomic_store(&header->bound_count, bounds->count);
    atomic_store(&header->bound_bytes, bounds->bytes);
    atomic_store(&header->bound_age_us, bounds->age_us);
    atomic_store(&header->bound_off, bounds->off);
    atomic_store(&header->state, MRC_RING_OPEN);
    *ret_ring = mrc_ring_attach(pool, region, capacity, index, bucket_count);
    return APR_SUCCESS;
}

apr_status_t mrc_ring_open(apr_pool_t *pool, const void *region, uint64_t region_bytes,
                           const void *index, uint64_t index_bytes, struct mrc_error *error,
                           struct mrc_ring **ret_ring)
{
    struct mrc_ring_header *header = (struct mrc_ring_header *)(uintptr_t)region;
    const char *why = NULL;
    uint64_t capacity, bucket_count;

    if (region_bytes < sizeof(*header))
        why = "it is too short";
    else if (header->magic != MRC_RING_MAGIC)
        why = "its first bytes are different";
    else if (header->version != MRC_RING_VERSION || header->header_bytes != sizeof(*header))
        why = "its layout has another version";
    if (why)
        return mrc_status_set(error, MRC_STATUS_CORRUPT, "this is not a ring: %s", why);
    capacity = header->capacity;
    bucket_count = header->bucket_count;
    if (!geometry_is_sound(capacity, bucket_count) ||
        mrc_ring_region_bytes(capacity) > region_bytes ||
        mrc_ring_index_bytes(bucket_count) > index_bytes)
        return mrc_status_set(error, MRC_STATUS_CORRUPT,
                              "this is not a ring: its header contradicts itself or the size of "
                              "its region");
    *ret_ring = mrc_ring_attach(pool, header, capacity, (void *)(uintptr_t)index, bucket_count);
    (*ret_ring)->read_only = true;
    return APR_SUCCESS;
}

void mrc_ring_use_sparse(struct mrc_ring *ring, struct mrc_sparse *pages)
{
    ring->pages = pages;
}
