/*
 * The bytes of a hub's segment; every hub has one. It is a file, or a part of one
 * (memory/hub_file_layout.h).
 *
 *     0                    +-----------------------------------------------+
 *                          | struct mrc_hub_header            (2048 bytes) |
 *     2048                 +-----------------------------------------------+
 *                          | struct mrc_sparse_layout         (2048 bytes) |  base/sparse_layout.h
 *     4096                 +-----------------------------------------------+
 *                          | groups of bits                                |
 *     region[INTEREST]     +-----------------------------------------------+
 *                          | struct mrc_interests_header, rows             |  interests_layout.h
 *     region[BUCKETS]      +-----------------------------------------------+
 *                          | struct mrc_buckets_header                     |  buckets_layout.h
 *     region[RING]         +-----------------------------------------------+
 *                          | struct mrc_ring_header (256), data            |  ring/layout.h
 *     region[INDEX]        +-----------------------------------------------+
 *                          | u64 bucket [power of two]                     |  ring/layout.h
 *     region[SETS]         +-----------------------------------------------+
 *                          | u64 word                                      |  interests_layout.h
 *     region[CLIENTS]      +-----------------------------------------------+
 *                          | struct mrc_bucket                             |  buckets_layout.h
 *     region[COUNTERS]     +-----------------------------------------------+
 *                          | struct mrc_counters_row [nslots + 1]          |  counters_layout.h
 *     region[STAGING]      +-----------------------------------------------+
 *                          | group commit of the durable store             |  may be absent
 *     region[PRESENCE]     +-----------------------------------------------+
 *                          | struct mrc_roster_header, words, cells        |  roster_layout.h;
 *                          |                                               |  may be absent
 *     region[CENSUS]       +-----------------------------------------------+
 *                          | struct mrc_census_header, cells               |  census_layout.h;
 *                          |                                               |  may be absent
 *     region[REVOCATIONS]  +-----------------------------------------------+
 *                          | struct mrc_revocations_header, halves         |  revocations_layout.h;
 *                          |                                               |  may be absent
 *     region[LINK]         +-----------------------------------------------+
 *                          | struct mrc_link_layout                        |  link_layout.h;
 *                          |                                               |  may be absent
 *     region[BUSIEST]      +-----------------------------------------------+
 *                          | struct mrc_busiest_header, cells              |  busiest_layout.h;
 *                          |                                               |  may be absent
 *     region[SAMPLES]      +-----------------------------------------------+
 *                          | struct mrc_samples_header, samples            |  samples_layout.h;
 *                          |                                               |  may be absent
 *     total_bytes          +-----------------------------------------------+
 *
 * Every region begins at a multiple of 64, and that of the counters at a multiple of a row. An
 * absent region has size 0. The word ring.state, which the lock of the ring guards, says whether
 * the hub still uses this segment.
 *
 * The file is sparse. The heads of the regions are allocated when the segment is made, and the rest
 * page by page, before it is touched. So an idle hub takes little memory, whatever it may hold.
 * What every hub needs is at the beginning, up to the head of the ring: it is allocated in one
 * step.
 */
#ifndef MRC_STORE_HUB_LAYOUT_H
#define MRC_STORE_HUB_LAYOUT_H

#include <stdint.h>

#include "store/hub/site.h"

#define MRC_HUB_MAGIC         UINT64_C(0x315342554843524d) /* "MRCHUBS1", little endian */
#define MRC_HUB_VERSION       6
#define MRC_HUB_ALIGNMENT     64 /* of regions */
#define MRC_HUB_PAGES_OFFSET  2048
#define MRC_HUB_GROUPS_OFFSET 4096

#define MRC_HUB_KEY_MAX 1023
#define MRC_HUB_REGIONS 16

/* The bytes of the key for positions. */
#define MRC_HUB_POSITION_KEY_BYTES 32

enum mrc_hub_region_type {
    MRC_HUB_REGION_INTEREST = 0,
    MRC_HUB_REGION_BUCKETS,
    MRC_HUB_REGION_RING,
    MRC_HUB_REGION_INDEX,
    MRC_HUB_REGION_SETS,
    MRC_HUB_REGION_CLIENTS,
    MRC_HUB_REGION_COUNTERS,
    MRC_HUB_REGION_STAGING,
    MRC_HUB_REGION_PRESENCE,
    MRC_HUB_REGION_CENSUS,
    MRC_HUB_REGION_REVOCATIONS,
    MRC_HUB_REGION_LINK,
    MRC_HUB_REGION_BUSIEST,
    MRC_HUB_REGION_SAMPLES,
    MRC_HUB_REGION_USED
};

struct mrc_hub_region {
    uint32_t type;    /* its own index in the table */
    uint32_t version; /* of the region's layout */
    uint64_t offset;  /* from the beginning of the segment */
    uint64_t size;    /* bytes; 0: absent */
};
_Static_assert(sizeof(struct mrc_hub_region) == 24, "a region is described by 24 bytes");

/* Constant: written before any other process can see the segment. Each process makes a copy when
 * it attaches, and uses only that. */
struct mrc_hub_header {
    uint64_t magic;
    uint32_t version;
    uint32_t nslots;
    uint64_t total_bytes;
    int64_t created_us;
    uint32_t region_count;
    uint32_t key_bytes;
    uint8_t reserved0[24];
    struct mrc_hub_region region[MRC_HUB_REGIONS];
    char key[MRC_HUB_KEY_MAX + 1];
    uint8_t position_key[MRC_HUB_POSITION_KEY_BYTES]; /* moves with the ring to another segment */
    uint64_t groups_bytes;      /* of the groups of bits; 0: everything is allocated */
    struct mrc_site_place site; /* not constant: see site.h */
    uint8_t reserved1[272];
};
_Static_assert(sizeof(struct mrc_hub_header) == MRC_HUB_PAGES_OFFSET,
               "the layout of the pages follows");

#endif
