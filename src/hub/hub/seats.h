/*
 * The seats of one hub: how many subscribers it may have, in all its children together, and how
 * many of them may come from one client address or with one token. Any thread, no lock.
 *
 * With a transport, the subscribers of the other machines count, too, as those reported last; the
 * limits of a client count on each machine alone.
 */
#ifndef MRC_HUB_HUB_SEATS_H
#define MRC_HUB_HUB_SEATS_H

#include <stdint.h>

#include "apr_errno.h"
#include "apr_pools.h"

#include "core/base/bytes.h"
#include "hub/base/end.h"
#include "hub/hub/spec.h"

struct mrc_hub_segment;
struct mrc_numbers;
struct mrc_seats;

/* The client that a seat is counted for. */
struct mrc_hub_client {
    struct mrc_bytes address;
    struct mrc_bytes token; /* the text of the token; { NULL, 0 }: none */
};

/* A taken seat: the clients in the census (store/regions/census.h) for which it counts. */
struct mrc_hub_seat {
    uint64_t address; /* a key of the census; 0: not counted */
    uint64_t token;   /* the same */
};

/* The hub has no free seat; or the address, or the token, has as many as LIMITS allows. In the
 * range of store/base/status.h. */
#define MRC_STATUS_FULL         (APR_OS_START_USERERR + 7320)
#define MRC_STATUS_ADDRESS_FULL (APR_OS_START_USERERR + 7321)
#define MRC_STATUS_TOKEN_FULL   (APR_OS_START_USERERR + 7322)

/* The seats of the hub in SEGMENT, for the child that owns SLOT. They live in POOL; the other
 * arguments must outlive them. */
struct mrc_seats *mrc_seats_create(apr_pool_t *pool, struct mrc_hub_segment *segment, unsigned slot,
                                   struct mrc_numbers *numbers,
                                   const struct mrc_hub_limits *limits);

/* Takes a seat for CLIENT, or returns one of the statuses above. */
apr_status_t mrc_seats_take(struct mrc_seats *seats, const struct mrc_hub_client *client,
                            struct mrc_hub_seat *ret_seat);

/* Gives SEAT back, and counts the END of its stream. MRC_END_REFUSED: the stream never began. */
void mrc_seats_give_back(struct mrc_seats *seats, const struct mrc_hub_seat *seat,
                         enum mrc_end end);

#endif
