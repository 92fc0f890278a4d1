/*
 * The bytes of a census: the number of streams of each client, in all children of a hub.
 *
 *     0    +---------------------------------------+
 *          | struct mrc_census_header   (64 bytes) |
 *     64   +---------------------------------------+
 *          | u64 cell [cell_count, power of two]   |
 *          +---------------------------------------+
 *
 * A cell counts the streams of one client in one child; 0: free.
 *
 *      63                      32 31            16 15             0
 *     +--------------------------+----------------+----------------+
 *     |     mark of the key      | slot of child  |  count, not 0  |
 *     +--------------------------+----------------+----------------+
 *
 * The low bits of the key are the number of the cell where its window of MRC_CENSUS_WINDOW cells
 * begins; the high bits are its mark. The client has a cell for each child with streams of it,
 * anywhere in the window. A sum reads the whole window, so a cell that becomes free leaves no gap.
 *
 * Every change is one compare-and-swap (seq_cst) of one cell, by the child that owns the slot or,
 * after its death, by the process that folds it. A child may die at any instruction: its counts are
 * in its own cells, and are removed with them.
 */
#ifndef MRC_STORE_REGIONS_CENSUS_LAYOUT_H
#define MRC_STORE_REGIONS_CENSUS_LAYOUT_H

#include <stdint.h>

#define MRC_CENSUS_MAGIC      UINT64_C(0x3155534e4543524d) /* "MRCENSU1", little endian */
#define MRC_CENSUS_VERSION    1
#define MRC_CENSUS_WINDOW     64
#define MRC_CENSUS_MARK_SHIFT 32
#define MRC_CENSUS_SLOT_SHIFT 16
#define MRC_CENSUS_COUNT_MASK UINT64_C(0xffff)

/* Constant: written by the parent before any child exists. */
struct mrc_census_header {
    uint64_t magic;
    uint32_t version;
    uint32_t cell_count;
    uint64_t hash_key[2]; /* random, so that nobody can choose clients that share a window */
    uint8_t reserved[32];
};
_Static_assert(sizeof(struct mrc_census_header) == 64, "the header is a cache line");

#endif
