/*
 * The index of a ring: where the bucket of a record is (layout.h).
 */
#ifndef MRC_STORE_RING_INDEX_H
#define MRC_STORE_RING_INDEX_H

#include "store/ring/internal.h"

/* The number of buckets of all tables, if the largest one has BUCKET_COUNT. */
uint64_t mrc_ring_index_total(uint64_t bucket_count);

/* The number of buckets of the table for a record at POS. */
uint64_t mrc_ring_index_table_at(const struct mrc_ring *ring, uint64_t pos);

/* The number of buckets of the table before the one with TABLE buckets; 0: it is the first. */
uint64_t mrc_ring_index_before(const struct mrc_ring *ring, uint64_t table);

/* The number of the bucket of HASH in the table with TABLE buckets, counted over all tables. */
uint64_t mrc_ring_index_bucket(const struct mrc_ring *ring, uint64_t table, uint64_t hash);

/* The same in the table for a record at POS. */
uint64_t mrc_ring_index_bucket_at(const struct mrc_ring *ring, uint64_t pos, uint64_t hash);

/* The position after that of the last record that may be in the table with TABLE buckets. */
uint64_t mrc_ring_index_end_of(const struct mrc_ring *ring, uint64_t table);

/* What the bucket number BUCKET leads to: position + 1, or 0. It may not be allocated. */
uint64_t mrc_ring_index_load(const struct mrc_ring *ring, uint64_t bucket);

#endif
