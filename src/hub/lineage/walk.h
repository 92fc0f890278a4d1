/*
 * A walk through the ring of a machine, over the records that came from the engine. An update has
 * its origin at its end, an order in its id.
 */
#ifndef MRC_HUB_LINEAGE_WALK_H
#define MRC_HUB_LINEAGE_WALK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/bytes.h"

struct mrc_ring;
struct mrc_ring_record;
struct mrc_update_origin;

/* LEN: the length of the payload of RECORD without its origin. Returns false to stop. */
typedef bool mrc_walk_fn(void *ctx, const struct mrc_ring_record *record,
                         const struct mrc_update_origin *origin, size_t len);

/* Calls EACH for every update after the record SINCE_SEQ that the ring still has, from older to
 * newer. False: EACH has stopped it, or there is no memory. */
bool mrc_walk(const struct mrc_ring *ring, uint64_t since_seq, mrc_walk_fn *each, void *ctx);

/* The same for all records, with the orders of operators among them (is_control). */
bool mrc_walk_all(const struct mrc_ring *ring, mrc_walk_fn *each, void *ctx);

/* The id in the ring of an order of ORIGIN, which must outlive it. */
struct mrc_bytes mrc_walk_order_id(const struct mrc_update_origin *origin);

#endif
