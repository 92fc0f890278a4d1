/*
 * The spec of a hub: its settings, in the form that the hub and the store use. The configuration
 * fills a spec once; afterwards it is constant, and the hub and its parts point to it.
 */
#ifndef MRC_HUB_HUB_SPEC_H
#define MRC_HUB_HUB_SPEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/engine/engine.h"
#include "store/history/history.h"
#include "store/hub/segment.h"

/* Limits that directives set without any change. */
struct mrc_hub_limits {
    int64_t heartbeat_us;        /* a stream that is silent this long gets a comment; 0: never */
    int64_t lifetime_us;         /* a stream ends after 80 to 100 % of it; 0: no limit */
    int64_t dispatch_timeout_us; /* a stream whose client accepts nothing this long ends */
    uint64_t backlog_bytes;      /* may wait for one client, besides the update in flight */
    uint64_t subscribers_max;    /* in all children together; 0: no limit */
    uint64_t per_address_max;    /* streams of one client address, in all children; 0: no limit */
    uint64_t per_token_max;      /* streams with one token, in all children; 0: no limit */
    uint64_t publish_rate;       /* updates a second, in all children together; 0: no limit */
    uint64_t publish_burst;      /* updates at once; 0: as many as in a second */
    uint64_t publish_per_token;  /* updates a second and at once with one token; 0: no limit */
    uint64_t patterns_max;       /* patterns of all children, one counted in each; 0: no limit */
    uint64_t pattern_bytes_max;  /* the memory of these patterns together; 0: no limit */
};

/* How a hub of several machines reaches the engine that they share. */
struct mrc_transport_spec {
    struct mrc_engine_spec engine;
    const char *group;    /* hubs with the same text reach the same engine in the same way */
    const char *prefix;   /* of the keys */
    const char *name;     /* of the hub in the engine */
    const char *identity; /* of the hub: another one must not use the same name */
    const char *machine;  /* the name of this machine */
    unsigned replicas;    /* that must have an update before its publisher is answered */
    int64_t lease_us;     /* a machine that is silent this long counts as dead */
    int64_t ready_us;     /* after this time without the engine, the hub is not ready; 0: never */
};

struct mrc_hub_spec {
    struct mrc_hub_shape shape; /* of its shared memory */
    struct mrc_hub_limits limits;
    const char *const *paths; /* of the hub's URLs, encoded as in a URL, without a slash at the end;
                               * at least one if the hub has a roster */
    size_t paths_count;
    const char *history_dir; /* of the durable history; NULL: the history is in memory */
    enum mrc_history_sync history_sync;
    bool is_controlled;                         /* an operator may give orders (hub/control) */
    const struct mrc_transport_spec *transport; /* NULL: one machine */
};

#endif
