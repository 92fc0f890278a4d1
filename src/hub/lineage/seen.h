/*
 * Which updates a machine has: for each writer, the counter of its last one. A writer counts what
 * it publishes, and every machine sees its updates in that order, so an update is known if its
 * counter is not above the one that is noted here.
 *
 * One thread.
 */
#ifndef MRC_HUB_LINEAGE_SEEN_H
#define MRC_HUB_LINEAGE_SEEN_H

#include <stdbool.h>
#include <stdint.h>

struct mrc_seen;

/* NULL: out of memory. */
struct mrc_seen *mrc_seen_create(void);

/* Accepts NULL. */
void mrc_seen_free(struct mrc_seen *seen);

/* The last counter of WRITER; 0: none. */
uint64_t mrc_seen_get(const struct mrc_seen *seen, uint64_t writer);

/* Notes COUNTER of WRITER, which is not 0, unless a higher one is noted. False: out of memory,
 * which cannot happen if a counter of WRITER, even 0, was noted before. */
bool mrc_seen_note(struct mrc_seen *seen, uint64_t writer, uint64_t counter);

#endif
