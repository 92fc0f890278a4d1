/*
 * The bytes of a hub's interests: which children are woken for what.
 *
 *     0    +-----------------------------------------------+
 *          | struct mrc_interests_header        (64 bytes) |
 *     64   +-----------------------------------------------+
 *          | struct mrc_interests_row [nslots]  (64 each)  |
 *          +-----------------------------------------------+
 *
 *     and in a region of their own, the sets:
 *
 *     0    +-----------------------------------------------+
 *          | u64 word [nslots][bit_count / 64]             |
 *          +-----------------------------------------------+
 *
 * The words of a slot are a bit set of tags. The low bits of a tag are the number of its bit. Two
 * tags may share a bit; the child is then woken for both.
 *
 * Written by the child that owns the slot or, after its death, by the process that folds it. The
 * writes are seq_cst, because the argument of interests.h depends on their order.
 */
#ifndef MRC_STORE_REGIONS_INTERESTS_LAYOUT_H
#define MRC_STORE_REGIONS_INTERESTS_LAYOUT_H

#include <stdint.h>

#define MRC_INTERESTS_VERSION 3 /* of the region */

/* Constant: written by the parent before any child exists. */
struct mrc_interests_header {
    uint64_t hash_key[2]; /* random, so that nobody can choose topics that share a bit */
    uint64_t bit_count;   /* of one slot; a power of two */
    uint8_t reserved[40];
};
_Static_assert(sizeof(struct mrc_interests_header) == 64, "the header is a cache line");

struct mrc_interests_row {
    _Atomic uint64_t listeners; /* subscribers; while there are none, the child is never woken */
    _Atomic uint64_t broad;     /* subscribers among them that no list of tags describes */
    /*
     * The newest record for which a publisher has woken the child: its number, and the position
     * after it. Stored by publishers, relaxed, so one may overwrite another's newer value; the next
     * wake-up then only comes early. Stored after the wake-up, so that a publisher that dies in
     * between leaves no trace of a wake-up that did not happen.
     */
    _Atomic uint64_t woken_seq;
    _Atomic uint64_t woken_pos;
    uint8_t reserved[32];
};
_Static_assert(sizeof(struct mrc_interests_row) == 64, "a row is a cache line");

#endif
