/*
 * The bytes of a file with many hubs, each of which is made at its first use.
 *
 *     0              +-----------------------------------------------+
 *                    | struct mrc_hub_file_header         (64 bytes) |
 *     64             +-----------------------------------------------+
 *                    | struct mrc_hub_file_entry [count]  (32 each)  |
 *     head_bytes     +-----------------------------------------------+
 *                    | the segment of hub 0, at entry[0].offset      |  hub/layout.h
 *                    | the segment of hub 1                          |
 *                    | …                                             |
 *     total_bytes    +-----------------------------------------------+
 *
 * Every segment begins with a page. The head is allocated when the file is made; a segment is
 * allocated while it is made, and then page by page. The state of a hub says who may touch its
 * segment:
 *
 *               make (any process, under the lock `making`)
 *     EMPTY ------> MAKING ------> MADE
 *       |   <------   |              |       no room: EMPTY again
 *       +-------------+--------------+-----> GONE     give up (the parent)
 *
 * A process that finds MAKING under the lock knows that the one that was making the hub has died,
 * and begins again. In GONE, processes that have the segment may continue to use it; no other may
 * begin to.
 */
#ifndef MRC_STORE_MEMORY_HUB_FILE_LAYOUT_H
#define MRC_STORE_MEMORY_HUB_FILE_LAYOUT_H

#include <stdint.h>

#define MRC_HUB_FILE_MAGIC   UINT64_C(0x314642554843524d) /* "MRCHUBF1", little endian */
#define MRC_HUB_FILE_VERSION 1

/* Constant: written by the parent before any other process can see the file. */
struct mrc_hub_file_header {
    uint64_t magic;
    uint32_t version;
    uint32_t count;
    uint64_t total_bytes;
    uint64_t head_bytes;
    uint8_t reserved[32];
};
_Static_assert(sizeof(struct mrc_hub_file_header) == 64, "the header is 64 bytes");

struct mrc_hub_file_entry {
    uint64_t offset;        /* from the beginning of the file; constant */
    uint64_t size;          /* constant */
    _Atomic uint32_t state; /* as in the drawing (seq_cst) */
    uint8_t reserved[12];
};
_Static_assert(sizeof(struct mrc_hub_file_entry) == 32, "an entry is 32 bytes");

#endif
