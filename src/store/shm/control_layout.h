/*
 * The bytes of the control segment; every server has one.
 *
 *     0                  +---------------------------------------------+
 *                        | struct mrc_control_header       (256 bytes) |
 *     slots_offset       +---------------------------------------------+
 *                        | struct mrc_control_slot [nslots]  (64 each) |
 *     counters_offset    +---------------------------------------------+
 *                        | u64 counter [MRC_CONTROL_COUNTERS]          |  server-wide numbers
 *     total_bytes        +---------------------------------------------+
 *
 * The state of a child slot is in one word, so no change can be half done:
 *
 *            claim (the child)                  mark_dead (the parent)
 *     FREE ---------------------> LIVE(pid) ---------------------------> DEAD(pid)
 *      ^                            |                                     |    ^
 *      |    release (the child)     |         reap (a survivor)           |    |
 *      +----------------------------+         +---------------------------+    |
 *      |                                      v                                |
 *      +------------------------- REAPING(pid, reaper) ------------------------+
 *                 folded                               mark_dead (the reaper died)
 *
 *      63     60 59                        30 29                         0
 *     +---------+----------------------------+----------------------------+
 *     |  state  |  pid of the reaper, or 0   |      pid of the child      |
 *     +---------+----------------------------+----------------------------+
 */
#ifndef MRC_STORE_SHM_CONTROL_LAYOUT_H
#define MRC_STORE_SHM_CONTROL_LAYOUT_H

#include <stdint.h>

#include "store/base/lock.h"

#define MRC_CONTROL_MAGIC     UINT64_C(0x314c52544343524d) /* "MRCCTRL1", little endian */
#define MRC_CONTROL_VERSION   4
#define MRC_CONTROL_SLOTS_MAX 65536
#define MRC_CONTROL_COUNTERS  64

/* Two of the counters: the bytes that all hubs have taken, and may take (0: no limit). */
#define MRC_CONTROL_MEMORY_TAKEN 62
#define MRC_CONTROL_MEMORY_LIMIT 63

#define MRC_CONTROL_PID_BITS 30

/* Written by the parent before any child exists; constant, except for the locks. */
struct mrc_control_header {
    uint64_t magic;
    uint32_t version;
    uint32_t nslots;
    uint64_t total_bytes;
    uint64_t slots_offset;
    uint64_t counters_offset;
    int64_t created_us;
    uint64_t owner_pid; /* httpd's main process */
    uint8_t reserved[8];
    union mrc_lock making; /* held by the process that makes a hub on demand */
    union mrc_lock naming; /* held by the process that gives a hub to a site; before `making` */
    uint8_t reserved1[64];
};
_Static_assert(sizeof(struct mrc_control_header) == 256, "the header is 256 bytes");

/* One cache line for each child. */
struct mrc_control_slot {
    /* State and pids, as in the drawing. Every change is one compare-and-swap (seq_cst). */
    _Atomic uint64_t word;
    /* The configuration generation of the child, by which a reaper decides. Written by the child
     * after it has claimed the slot; set to 0 (unknown) before the slot becomes FREE. */
    _Atomic uint64_t generation;
    /* How often the slot was claimed. Written by the child after it has claimed the slot. */
    _Atomic uint64_t claims;
    uint8_t reserved[40];
};
_Static_assert(sizeof(struct mrc_control_slot) == 64, "a slot is a cache line");

#endif
