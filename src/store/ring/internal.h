/*
 * One process's view of a ring, shared by the files of this room. The layout and the order of the
 * steps are in layout.h.
 */
#ifndef MRC_STORE_RING_INTERNAL_H
#define MRC_STORE_RING_INTERNAL_H

#include <stdatomic.h>
#include <stdbool.h>

#include "store/base/sparse.h"
#include "store/ring/layout.h"

/*
 * Constant after the ring was made or opened. The geometry is a private copy, so no byte in shared
 * memory can lead this process outside the ring.
 */
struct mrc_ring {
    struct mrc_ring_header *header;
    _Atomic uint64_t *words;   /* capacity / 8 of them */
    _Atomic uint64_t *buckets; /* of all tables */
    uint64_t capacity;
    uint64_t bucket_count; /* of the largest table */
    uint64_t hash_key[2];
    struct mrc_sparse *pages; /* NULL: all words and buckets are allocated */
    bool read_only;           /* a tool's view: the lock cannot be taken */
};

/* A word of the header as the holder of the lock reads it. Nobody else writes these words, so a
 * relaxed load is exact. */
static inline uint64_t mrc_ring_held(const _Atomic uint64_t *word)
{
    return atomic_load_explicit(word, memory_order_relaxed);
}

/* Stores a word for readers that do not hold the lock. */
static inline void mrc_ring_publish(_Atomic uint64_t *word, uint64_t value)
{
    atomic_store_explicit(word, value, memory_order_release);
}

#endif
