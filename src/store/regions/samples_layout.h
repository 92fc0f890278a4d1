/*
 * The bytes of the samples of a hub's counters.
 *
 *     0     +--------------------------------------------+
 *           | struct mrc_samples_header      (128 bytes) |
 *     128   +--------------------------------------------+
 *           | struct mrc_sample [MRC_SAMPLES_MAX]        |  a ring
 *           +--------------------------------------------+
 *
 * If a process dies with the lock, the next holder forgets all samples.
 */
#ifndef MRC_STORE_REGIONS_SAMPLES_LAYOUT_H
#define MRC_STORE_REGIONS_SAMPLES_LAYOUT_H

#include <stdint.h>

#include "store/base/lock.h"

#define MRC_SAMPLES_MAGIC UINT64_C(0x31504d415343524d) /* "MRCSAMP1", little endian */
#define MRC_SAMPLES_MAX   64
#define MRC_SAMPLE_VALUES 23

struct mrc_sample {
    int64_t at_us; /* of the monotonic clock; 0: none */
    uint64_t values[MRC_SAMPLE_VALUES];
};
_Static_assert(sizeof(struct mrc_sample) == 192, "a sample is three cache lines");

struct mrc_samples_header {
    uint64_t magic;            /* constant */
    _Atomic int64_t newest_us; /* of the newest sample; 0: none. Read without the lock */
    uint64_t next;             /* the place of the next sample */
    uint8_t reserved[40];
    union mrc_lock lock;
};
_Static_assert(sizeof(struct mrc_samples_header) == 128, "the samples begin at byte 128");

#endif
