/*
 * Asks all children for the streams of a hub, for an operator. Each child answers for its own
 * streams (hub/stream/answers.h), so nothing is kept about streams in shared memory.
 */
#ifndef MRC_HUB_CHILD_INQUIRE_H
#define MRC_HUB_CHILD_INQUIRE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "apr_errno.h"

struct mrc_child;
struct mrc_hub;
struct mrc_listing_entry;
struct mrc_order;

/* A place in the list of all streams, which is in the order of the slots of the children. Starts as
 * {0}, the beginning. */
struct mrc_inquire_place {
    unsigned slot;
    pid_t pid; /* of the child in the slot */
    unsigned part;
    bool has_serial; /* after the stream with this serial number */
    uint32_t serial;
};

/* Receives a stream and its place. The views of ENTRY live until it returns. False: it wants no
 * more. */
typedef bool mrc_inquire_fn(void *ctx, const struct mrc_listing_entry *entry,
                            const struct mrc_inquire_place *place);

/*
 * Calls FN(CTX) for the streams of HUB to which ORDER would apply, from PLACE on, until it returns
 * false. A stream that is open the whole time is given once. Waits at most WAIT_US for the other
 * children, and a second for each; RET_SILENT gets the number of those that did not answer. LIMIT
 * is the number of streams that the caller wants at most, so that children look for no more.
 *
 * APR_TIMEUP: other operators ask, or a child that was asked before has not answered yet.
 * APR_ENOMEM.
 */
apr_status_t mrc_child_inquire(struct mrc_child *child, const struct mrc_hub *hub,
                               const struct mrc_order *order, uint32_t limit,
                               struct mrc_inquire_place place, int64_t wait_us, mrc_inquire_fn *fn,
                               void *ctx, unsigned *ret_silent);

#endif
