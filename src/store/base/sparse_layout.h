/*
 * The bytes that say which pages of a segment are allocated.
 *
 *     0                        +----------------------------------------------+
 *                              | struct mrc_sparse_layout (2048 bytes)        |
 *     MRC_SPARSE_GROUP_BYTES   | u64 word [512]   bits of group 0             |  at multiples of
 *     2 MRC_SPARSE_GROUP_BYTES | u64 word [512]   bits of group 1             |  4096 bytes from
 *                              | …                                            |  the first group
 *
 * A page has one bit: it is set after the page was allocated. A group is the bits of 32,768 pages.
 * The groups themselves take memory only when they are used; bit G of the layout is set after the
 * bytes of group G were allocated.
 *
 * Taking pages sets bits (seq_cst, because interests.h depends on the order), by any thread of any
 * process. The owner of a region clears bits before it gives pages back. A process may die at any
 * instruction: then a page may be allocated whose bit is not set, and the next one to need the page
 * allocates it again, which changes nothing.
 */
#ifndef MRC_STORE_BASE_SPARSE_LAYOUT_H
#define MRC_STORE_BASE_SPARSE_LAYOUT_H

#include <stdint.h>

#define MRC_SPARSE_GROUP_BYTES 4096
#define MRC_SPARSE_GROUP_BITS  ((uint64_t)MRC_SPARSE_GROUP_BYTES * 8)
#define MRC_SPARSE_TOP_WORDS   252
#define MRC_SPARSE_GROUPS_MAX  (MRC_SPARSE_TOP_WORDS * 64)

struct mrc_sparse_layout {
    uint64_t page_bytes;    /* of the system that made the segment; constant */
    uint64_t groups;        /* constant */
    _Atomic uint64_t taken; /* bytes that are allocated */
    uint8_t reserved[8];
    _Atomic uint64_t top[MRC_SPARSE_TOP_WORDS]; /* a bit for each group */
};
_Static_assert(sizeof(struct mrc_sparse_layout) == 2048, "the layout has 2048 bytes");

#endif
