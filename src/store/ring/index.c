#include "store/ring/index.h"

static uint64_t first_table(uint64_t bucket_count)
{
    return bucket_count < MRC_RING_TABLE_MIN ? bucket_count : MRC_RING_TABLE_MIN;
}

/* Each table has twice the buckets of the one before it, so those before a table have as many as
 * the table itself, without those of the first one. */
uint64_t mrc_ring_index_total(uint64_t bucket_count)
{
    return 2 * bucket_count - first_table(bucket_count);
}

uint64_t mrc_ring_index_table_at(const struct mrc_ring *ring, uint64_t pos)
{
    uint64_t table = first_table(ring->bucket_count);

    while (table < ring->bucket_count && mrc_ring_index_end_of(ring, table) <= pos)
        table *= 2;
    return table;
}

uint64_t mrc_ring_index_before(const struct mrc_ring *ring, uint64_t table)
{
    return table > first_table(ring->bucket_count) ? table / 2 : 0;
}

uint64_t mrc_ring_index_bucket(const struct mrc_ring *ring, uint64_t table, uint64_t hash)
{
    return table - first_table(ring->bucket_count) + (hash & (table - 1));
}

uint64_t mrc_ring_index_bucket_at(const struct mrc_ring *ring, uint64_t pos, uint64_t hash)
{
    return mrc_ring_index_bucket(ring, mrc_ring_index_table_at(ring, pos), hash);
}

uint64_t mrc_ring_index_end_of(const struct mrc_ring *ring, uint64_t table)
{
    return table < ring->bucket_count ? table * MRC_RING_BUCKET_BYTES : UINT64_MAX;
}

uint64_t mrc_ring_index_load(const struct mrc_ring *ring, uint64_t bucket)
{
    const _Atomic uint64_t *word = &ring->buckets[bucket];

    if (!mrc_sparse_have(ring->pages, (const void *)word, sizeof(*word)))
        return 0;
    return atomic_load_explicit(word, memory_order_acquire);
}
