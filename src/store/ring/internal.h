/*
 * What the files of the ring share among themselves: ring.c reads, ring_write.c writes,
 * ring_check.c doubts. The layout and the order of steps: ring_layout.h.
 */
#ifndef MRC_STORE_RING_INTERNAL_H
#define MRC_STORE_RING_INTERNAL_H

#include <stdatomic.h>

#include "store/ring/layout.h"
#include "store/ring/ring.h"

/* One process's view. All of it is constant after the ring was made or opened; the geometry is our
 * own copy, so that no byte in shared memory can lead us outside. */
struct mrc_ring {
    struct mrc_ring_header *header;
    _Atomic uint64_t *words;   /* capacity / 8 of them */
    _Atomic uint64_t *buckets; /* bucket_mask + 1 of them */
    uint64_t capacity;
    uint64_t bucket_mask;
    uint64_t hash_key[2];
    bool read_only; /* a tool's view: the lock cannot be taken */
};

/* The header of a record, taken apart. */
struct mrc_ring_meta {
    uint64_t seq;
    int64_t time_us;
    uint32_t total_bytes;
    uint32_t id_bytes;
    uint32_t payload_bytes;
    uint32_t stored_bytes;
    uint64_t chain;
    uint64_t id_hash;
};

static inline uint64_t mrc_ring_round_up(uint64_t bytes)
{
    return (bytes + 7) & ~UINT64_C(7);
}

/* What a record takes; the arguments are below 2^32. */
static inline uint64_t mrc_ring_record_bytes(uint64_t id_bytes, uint64_t payload_bytes)
{
    return MRC_RING_OVERHEAD_BYTES + mrc_ring_round_up(id_bytes) + mrc_ring_round_up(payload_bytes);
}

static inline uint64_t mrc_ring_load_word(const struct mrc_ring *ring, uint64_t pos)
{
    return atomic_load_explicit(&ring->words[pos % ring->capacity / 8], memory_order_acquire);
}

/* What the last word of the record that ends at END says about the size of it. */
static inline uint64_t mrc_ring_footer(const struct mrc_ring *ring, uint64_t end)
{
    return mrc_ring_load_word(ring, end - 8);
}

static inline uint64_t mrc_ring_footer_of(uint64_t total_bytes)
{
    return (uint64_t)MRC_RING_FOOTER_MARK << 32 | total_bytes;
}

/*
 * Reads the header of the record at POS, which ends at HEAD at the latest. MRC_STATUS_OVERRUN: the
 * tail has passed it; MRC_STATUS_CORRUPT: it is none. ring.c
 */
apr_status_t mrc_ring_load_meta(const struct mrc_ring *ring, uint64_t pos, uint64_t head,
                                struct mrc_ring_meta *ret_meta);

/* Whether a record of TIME_US is older than AGE_US (0: no bound) at NOW_US. */
static inline bool mrc_ring_is_older(int64_t time_us, uint64_t age_us, int64_t now_us)
{
    return age_us && now_us > time_us && (uint64_t)now_us - (uint64_t)time_us > age_us;
}

/* Takes what is too old out of the history, if the lock is free just now. ring_write.c */
void mrc_ring_try_trim(struct mrc_ring *ring, int64_t now_us);

#endif
