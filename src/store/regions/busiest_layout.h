/*
 * The bytes of the tables of the busiest topics: one table for updates, and one for receivers.
 *
 *     0     +-----------------------------------------------------------+
 *           | struct mrc_busiest_header                           (128) |
 *     128   +-----------------------------------------------------------+
 *           | struct mrc_busiest_cell [kind][bucket][way]    (256 each) |
 *           +-----------------------------------------------------------+
 *
 * A topic is in one of the ways of its bucket. A new topic takes the cell of the topic that counts
 * least there, and continues from its count (the space-saving algorithm, in each bucket), so a
 * topic that is really busy is never missing, and its count is at most that much too high.
 * Everything is read and written under the lock. A process that dies while it holds the lock leaves
 * at most one wrong cell, and the next holder empties the tables.
 */
#ifndef MRC_STORE_REGIONS_BUSIEST_LAYOUT_H
#define MRC_STORE_REGIONS_BUSIEST_LAYOUT_H

#include <stdint.h>

#include "store/base/lock.h"

#define MRC_BUSIEST_MAGIC   UINT64_C(0x314953554243524d) /* "MRCBUSI1", little endian */
#define MRC_BUSIEST_KINDS   2
#define MRC_BUSIEST_BUCKETS 32
#define MRC_BUSIEST_WAYS    8

struct mrc_busiest_header {
    uint64_t magic; /* these two: constant */
    uint64_t key[2];
    uint8_t reserved[40];
    union mrc_lock lock;
};
_Static_assert(sizeof(struct mrc_busiest_header) == 128, "the cells begin at byte 128");

struct mrc_busiest_cell {
    uint64_t hash;       /* of the topic; 0 with BYTES 0: free */
    uint64_t minute;     /* of the last count */
    uint64_t count;      /* in that minute */
    uint64_t before;     /* in the minute before it */
    uint32_t text_bytes; /* a longer topic is cut */
    char text[220];
};
_Static_assert(sizeof(struct mrc_busiest_cell) == 256, "a cell is four cache lines");

#endif
