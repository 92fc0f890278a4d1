/*
 * The bytes of a list of revocations.
 *
 *     0             +----------------------------------------+
 *                   | struct mrc_revocations_header  (256)   |
 *     256           +----------------------------------------+
 *                   | half 0: entries of generations 0, 2, … |
 *     256 + half    +----------------------------------------+
 *                   | half 1: entries of generations 1, 3, … |
 *                   +----------------------------------------+
 *
 * An entry is whole 64-bit words:
 *
 *     word  0     words of the entry (low 32) | bytes of its data (high 32)
 *           1     until_us
 *           2, 3  id
 *           4…    the data, padded with zeros
 *
 * A writer holds the lock. It makes the next generation in the other half, sets its size, and then
 * the generation, with release order. If it dies before the last step, nothing has changed. A
 * reader loads the generation, copies that half, and loads the generation again: if it has not
 * changed, no writer has touched that half meanwhile.
 */
#ifndef MRC_STORE_REGIONS_REVOCATIONS_LAYOUT_H
#define MRC_STORE_REGIONS_REVOCATIONS_LAYOUT_H

#include <stdint.h>

#include "store/base/lock.h"

#define MRC_REVOCATIONS_MAGIC      UINT64_C(0x31564f524543524d) /* "MRCEROV1", little endian */
#define MRC_REVOCATIONS_VERSION    1
#define MRC_REVOCATIONS_HALF_BYTES ((uint64_t)1 << 20)
#define MRC_REVOCATIONS_HEAD_WORDS 4 /* of an entry */

struct mrc_revocations_header {
    /* Constant: written by the parent before any child exists. */
    uint64_t magic;
    uint32_t version;
    uint32_t unused;
    uint8_t reserved0[48];

    union mrc_lock lock;

    /* Written under the lock; read by everybody without it. */
    _Atomic uint64_t generation; /* grows with each change; its lowest bit is the half in use */
    _Atomic uint64_t words[2];   /* of the entries in each half */
    _Atomic uint64_t epoch;      /* of the file that has the same entries; 0: none */
    uint8_t reserved1[96];
};
_Static_assert(sizeof(struct mrc_revocations_header) == 256, "the halves begin at byte 256");

#endif
