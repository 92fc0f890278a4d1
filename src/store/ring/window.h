/*
 * The window of a ring: the history, from its first record to the head, and the older records that
 * the ring still has, from the tail on. Call these functions under the lock of the ring.
 */
#ifndef MRC_STORE_RING_WINDOW_H
#define MRC_STORE_RING_WINDOW_H

#include "store/ring/codec.h"
#include "store/ring/internal.h"
#include "store/ring/ring.h"

/* Stores new bounds; mrc_ring_window_trim() enforces them. */
void mrc_ring_window_set_bounds(struct mrc_ring *ring, const struct mrc_ring_bounds *bounds);

/* Removes from the history the records that its bounds exclude at NOW_US. The tail stays. */
void mrc_ring_window_trim(struct mrc_ring *ring, int64_t now_us);

/* Moves history and tail until a new record of TOTAL_BYTES at the head overwrites nothing after the
 * tail. */
void mrc_ring_window_make_room(struct mrc_ring *ring, uint64_t total_bytes);

/* Counts the record that was just appended. */
void mrc_ring_window_add(struct mrc_ring *ring, uint64_t stored_bytes);

/* Counts the records of the history again, after the death of a writer. False: there was a
 * contradiction, and the ring was reset. */
bool mrc_ring_window_recount(struct mrc_ring *ring);

/* Makes the history empty; the records stay in the ring. */
void mrc_ring_window_clear(struct mrc_ring *ring);

/* Drops every record. Only after a contradiction that no death of a writer explains. */
void mrc_ring_window_reset(struct mrc_ring *ring);

#endif
