/*
 * Waking other processes: one eventfd for each child slot, and one for the links to engines.
 *
 * The parent creates them before it forks, so every child of every generation has all of them, with
 * the same numbers. Wake-ups that were not taken yet add up in the counter of the eventfd, and one
 * read takes all of them. A socket pair would need two descriptors for each slot and a longer read
 * for every wake-up (tests/bench/bench_notify.c).
 */
#ifndef MRC_STORE_SHM_NOTIFY_H
#define MRC_STORE_SHM_NOTIFY_H

#include "apr_errno.h"
#include "apr_pools.h"
#include "core/base/err.h"

struct mrc_notify;

/*
 * Creates NSLOTS descriptors, close-on-exec and non-blocking; the struct lives in POOL. On failure
 * none of them stays open, and ERROR names the limit to raise.
 */
apr_status_t mrc_notify_create(apr_pool_t *pool, unsigned nslots, struct mrc_error *error,
                               struct mrc_notify **ret_notify);

/* The descriptor that becomes readable when SLOT is woken; -1: there is no such slot. */
int mrc_notify_fd(const struct mrc_notify *notify, unsigned slot);

/* Wakes SLOT. Any thread of any process; never blocks. */
void mrc_notify_wake(const struct mrc_notify *notify, unsigned slot);

/*
 * Takes all wake-ups of SLOT. The owner of the slot calls it, once right after claiming the slot,
 * for wake-ups of the previous owner. Drain first, then read the rings until they are empty.
 */
void mrc_notify_drain(const struct mrc_notify *notify, unsigned slot);

/*
 * The bell: one more descriptor, which nobody drains. The links of all children watch it
 * edge-triggered (EPOLLET), so each ring wakes all of them. Any thread of any process; never
 * blocks.
 */
int mrc_notify_bell_fd(const struct mrc_notify *notify);
void mrc_notify_ring_bell(const struct mrc_notify *notify);

/* Closes the descriptors in this process. Accepts NULL. */
void mrc_notify_close(struct mrc_notify *notify);

#endif
