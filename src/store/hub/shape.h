/* The shape of a hub's segment: how large its regions are, and where they are (layout.h). */
#ifndef MRC_STORE_HUB_SHAPE_H
#define MRC_STORE_HUB_SHAPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "apr_errno.h"
#include "core/base/err.h"
#include "store/hub/layout.h"
#include "store/ring/ring.h"

/* The size of a hub's regions. Start from {0}: a field that is 0 is a part that the hub lacks. */
struct mrc_hub_shape {
    const char *key;  /* identity across reloads; 1 to MRC_HUB_KEY_MAX bytes */
    size_t set_bytes; /* this many bytes of KEY are the same in all hubs of a set for sites, and in
                       * no others (memory/naming.h); 0: it is in no set */
    struct mrc_ring_bounds history;
    uint64_t ring_bytes;     /* payload that the ring must hold, without the records' overhead */
    uint64_t body_max_bytes; /* the largest sum of a record's id and payload */
    uint32_t staging_bytes;  /* size of the staging area; 0: absent */
    uint32_t staging_large;  /* of these, the data of the large slot; 0: there is none */
    uint64_t roster_subscribers; /* capacity of the roster; 0: absent */
    uint64_t census_streams;     /* capacity of the census; 0: absent */
    bool is_controlled;          /* has revocations, counts the busiest topics, keeps samples */
    bool has_link;               /* has a transport, and keeps samples of its counters */
    bool is_on_demand;           /* the memory is made at the first use (memory/hub_file.h) */
};

/* A segment of some shape before it is made. */
struct mrc_hub_plan {
    struct mrc_hub_header header; /* without a time and a key for positions */
    uint64_t capacity, buckets;   /* of the ring */
};

/* Plans the segment of SHAPE for NSLOTS child slots; creates nothing. APR_EINVAL: the shape is
 * impossible, for the reason in ERROR. */
apr_status_t mrc_hub_shape_plan(const struct mrc_hub_shape *shape, unsigned nslots,
                                struct mrc_error *error, struct mrc_hub_plan *ret_plan);

/* The most bytes that the segment may take; 0 if the shape is impossible, for the reason in ERROR.
 */
uint64_t mrc_hub_shape_bytes(const struct mrc_hub_shape *shape, unsigned nslots,
                             struct mrc_error *error);

#endif
