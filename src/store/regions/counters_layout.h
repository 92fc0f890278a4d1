/*
 * The bytes of a hub's counters and gauges: one row for each child slot, and one more.
 *
 *     0            +-------------------------------------------------+
 *                  | struct mrc_counters_row [nslots]   (1024 bytes) |
 *     nslots*1024  +-------------------------------------------------+
 *                  | struct mrc_counters_row                         |  from before a resize
 *                  +-------------------------------------------------+
 *
 * A row is on cache lines that no other child writes: relaxed additions by the child that owns the
 * slot. Counters only grow; they stay when the child ends, and the next child in the slot continues
 * them. Gauges count what the child has open now; the process that folds a dead child sets them to
 * 0. The last row has the counts from before the hub was resized. Each row is in one page, and is
 * allocated when its child begins.
 */
#ifndef MRC_STORE_REGIONS_COUNTERS_LAYOUT_H
#define MRC_STORE_REGIONS_COUNTERS_LAYOUT_H

#include <stdint.h>

#define MRC_COUNTERS_MAX        112
#define MRC_COUNTERS_GAUGES_MAX 16
#define MRC_COUNTERS_ROW_BYTES  1024

struct mrc_counters_row {
    _Atomic uint64_t counter[MRC_COUNTERS_MAX];
    _Atomic uint64_t gauge[MRC_COUNTERS_GAUGES_MAX];
};
_Static_assert(sizeof(struct mrc_counters_row) == MRC_COUNTERS_ROW_BYTES, "a row is 1024 bytes");

#endif
