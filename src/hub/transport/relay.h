/*
 * Orders that come from the engine (hub/control/order.h): what an operator has told one machine to
 * do reaches the children of all machines here, in one order with the updates. The engine keeps
 * revocations, too, and a machine that joins takes them from there.
 *
 * One thread, that of the link.
 */
#ifndef MRC_HUB_TRANSPORT_RELAY_H
#define MRC_HUB_TRANSPORT_RELAY_H

#include <stdbool.h>
#include <stddef.h>

#include "apr_errno.h"

#include "core/base/bytes.h"
#include "store/engine/redis.h"

struct mrc_hub;
struct mrc_update_origin;

/*
 * Carries out ORDER of ORIGIN, which the engine has stored at TIME_US: notes its revocation, and
 * gives it to the children. APR_EINVAL: it is not an order, or of a later version. APR_ENOSPC: the
 * list of revocations is full; the streams end nevertheless. Others: as mrc_ring_append_control().
 */
apr_status_t mrc_relay_take(struct mrc_hub *hub, struct mrc_bytes order,
                            const struct mrc_update_origin *origin, int64_t time_us);

/* Makes the orders that are already in the ring visible to the children, because a leader may have
 * died before that. Errors are those of mrc_ring_settle(). */
apr_status_t mrc_relay_take_again(struct mrc_hub *hub);

/* Set even after a failure. */
struct mrc_relay_found {
    /* The list of revocations is full: the smallest one that it has no room for has so many bytes.
     * 0: it has all. */
    size_t lacks_bytes;
    bool is_stuck;   /* the ring or the list has not taken one; the connection is still good */
    bool is_refused; /* the engine accepts no writes, and may lack some */
    bool has_orders; /* the children have been given orders */
};

/*
 * Takes the revocations of the engine when the hub joins, and ends the streams of those that are
 * new here. Enters those that the engine has lost, and removes those that were lifted there. An
 * engine that accepts no writes is no failure: call it again later. WAS_FULL: the list had no room
 * for some when it was read before, and the streams of these have ended then. If the hub is not
 * controlled, it has no revocations, and nothing happens.
 */
bool mrc_relay_join(struct mrc_hub *hub, struct mrc_redis *redis, const struct mrc_redis_keys *keys,
                    bool was_full, struct mrc_relay_found *ret_found,
                    struct mrc_engine_error *error);

/* The same after another machine has entered some again; enters and removes none. */
bool mrc_relay_read(struct mrc_hub *hub, struct mrc_redis *redis, const struct mrc_redis_keys *keys,
                    bool was_full, struct mrc_relay_found *ret_found,
                    struct mrc_engine_error *error);

#endif
