/*
 * The bytes of a hub's interests: which children are to be woken for what.
 *
 *     0    +-----------------------------------------------+
 *          | struct mrc_interests_header        (64 bytes) |
 *     64   +-----------------------------------------------+
 *          | struct mrc_interests_row [nslots]  (64 each)  |
 *          +-----------------------------------------------+
 *          | u64 word [nslots][bit_count / 64]             |
 *          +-----------------------------------------------+
 *
 * The bits of a slot are a set of tags, in which a tag is its low bits. Two tags may share a bit:
 * the child is then woken for the one that it has not asked for, too.
 *
 * Written by the child that owns the slot or, when that is dead, by the one that folds it: seq_cst,
 * since they take part in the argument of interests.h.
 */
#ifndef MRC_STORE_REGIONS_INTERESTS_LAYOUT_H
#define MRC_STORE_REGIONS_INTERESTS_LAYOUT_H

#include <stdint.h>

#define MRC_INTERESTS_VERSION 2 /* of the region */

/* Constant: written by the parent before any child exists. */
struct mrc_interests_header {
    uint64_t hash_key[2]; /* random: nobody can choose topics that share a bit */
    uint64_t bit_count;   /* of one slot; a power of two */
    uint8_t reserved[40];
};
_Static_assert(sizeof(struct mrc_interests_header) == 64, "the header is a cache line");

struct mrc_interests_row {
    _Atomic uint64_t listeners; /* subscribers; while there are none, the child is never woken */
    _Atomic uint64_t broad;     /* those of them that no set of tags describes */
    /* The newest record for which some publisher has woken the child, by its number and by its end.
     * Relaxed stores, which may overtake each other: an older value makes the next wake-up come
     * early, and nothing else. Told after the wake-up, so that a publisher that dies between tells
     * nothing. */
    _Atomic uint64_t woken_seq;
    _Atomic uint64_t woken_pos;
    uint8_t reserved[32];
};
_Static_assert(sizeof(struct mrc_interests_row) == 64, "a row is a cache line");

#endif
