/*
 * The struct behind redis.h, for the files that share it.
 */
#ifndef MRC_STORE_ENGINE_REDIS_INTERNAL_H
#define MRC_STORE_ENGINE_REDIS_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>

#include "store/engine/engine.h"
#include "store/engine/locate.h"
#include "store/engine/sides.h"

struct mrc_lookups;
struct mrc_tls;
struct mrc_wire;

#define MRC_REDIS_SHA_BYTES 41

enum mrc_redis_script {
    MRC_REDIS_PUBLISH,
    MRC_REDIS_JOIN,
    MRC_REDIS_BEAT,
    MRC_REDIS_REAP,
    MRC_REDIS_ENTER,
    MRC_REDIS_SCRIPTS
};

struct mrc_redis {
    const struct mrc_engine_spec *spec;
    struct mrc_lookups *lookups;
    struct mrc_tls *tls;
    struct mrc_wire *wires[MRC_REDIS_SIDES];
    struct mrc_engine_host host; /* of the primary, if it was asked for */
    char host_name[MRC_LOCATE_NAME_BYTES];
    struct mrc_redis_about about;
    char run_id[2][44];
    char sha[MRC_REDIS_SCRIPTS][MRC_REDIS_SHA_BYTES];
};

/* Waits for the reply of a command that was added to SIDE. NULL: it is an error, or the wire has
 * failed. */
struct redisReply *mrc_redis_wait_on(struct mrc_redis *redis, enum mrc_redis_side side,
                                     struct mrc_engine_error *error);

/* The same for a reply that may be long for its network: its parts must come in time. */
struct redisReply *mrc_redis_wait_long(struct mrc_redis *redis, enum mrc_redis_side side,
                                       struct mrc_engine_error *error);

/* Begins, on W, the command that runs SCRIPT with COUNT keys and ARGS arguments. The last key may
 * be NULL: the caller adds it. */
struct mrc_wire *mrc_redis_begin_script(struct mrc_redis *redis, enum mrc_redis_script script,
                                        const char *const *keys, size_t count, size_t args);

#endif
