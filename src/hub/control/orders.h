/*
 * Reads the orders in a ring (order.h). A reader keeps a mark: the newest control record that it
 * has carried out (mrc_ring_control()). Looking for newer ones is one load of a word.
 */
#ifndef MRC_HUB_CONTROL_ORDERS_H
#define MRC_HUB_CONTROL_ORDERS_H

#include <stdint.h>

#include "apr_errno.h"

struct mrc_order;
struct mrc_ring;

typedef void mrc_orders_fn(void *ctx, const struct mrc_order *order);

/* The most orders that one call reads; more count as lost. */
#define MRC_ORDERS_MAX 4096

/*
 * Calls FN(CTX) for each order of RING after the mark AFTER and up to the mark UNTIL, the oldest
 * first. A position in the ring is a mark, too: all control records from there on are after it. An
 * order that this version cannot read is passed over. MRC_STATUS_OVERRUN: some orders are lost,
 * because the ring has overwritten them, and FN was not called for all; the streams that they might
 * have applied to should end. APR_ENOMEM: the same.
 */
apr_status_t mrc_orders_read(const struct mrc_ring *ring, uint64_t after, uint64_t until,
                             mrc_orders_fn *fn, void *ctx);

#endif
