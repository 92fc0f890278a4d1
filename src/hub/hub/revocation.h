/*
 * Revokes tokens, for all children of a hub, and for the servers after this one if the history is
 * durable. With a transport the engine keeps the revocations, and sends the orders to all machines,
 * each of which adds to its list what is revoked (transport/relay.h).
 *
 *     revoke --> history (disk) --> list in shared memory --> order in the ring
 *                                     |                          |
 *                               new requests are refused    open streams end
 *
 * The list comes before the order: a stream whose token passed the list, and that a dispatcher
 * takes over after the order, is checked against the list once more.
 */
#ifndef MRC_HUB_HUB_REVOCATION_H
#define MRC_HUB_HUB_REVOCATION_H

#include <stdbool.h>
#include <stdint.h>

#include "apr_errno.h"

#include "store/base/record.h"

struct mrc_hub;
struct mrc_order;
struct mrc_token;

/*
 * Carries out ORDER, of the kind MRC_ORDER_REVOKE, under the ID. Waits as a publisher does.
 * APR_ENOSPC: the list is full, or the disk is; others as mrc_hub_publish(). On failure nothing is
 * revoked.
 */
apr_status_t mrc_revocation_add(struct mrc_hub *hub,
                                const unsigned char id[MRC_REVOCATION_ID_BYTES],
                                const struct mrc_order *order, int64_t now_us);

/* Lifts the revocation with this ID. APR_NOTFOUND: there is none. */
apr_status_t mrc_revocation_lift(struct mrc_hub *hub,
                                 const unsigned char id[MRC_REVOCATION_ID_BYTES], int64_t now_us);

/* Whether TOKEN (NULL: anonymous) is revoked at NOW_US. Any thread. */
bool mrc_revocation_has(const struct mrc_hub *hub, const struct mrc_token *token, int64_t now_us);

/* Whether the hub knows which tokens are revoked. With a transport it does once it has joined:
 * waits for that, about a second at most. Any thread that may wait. */
bool mrc_revocation_wait(struct mrc_hub *hub);

/*
 * When a child opens the hub: unless another child has done it, makes the list and the file of the
 * history have the revocations of both. The list of a hub whose store a reload has changed has some
 * that the file does not have. Waits as a publisher does. APR_ENOSPC: the list has no room for
 * both; others as mrc_hub_publish().
 */
apr_status_t mrc_revocation_load(struct mrc_hub *hub, int64_t now_us);

#endif
