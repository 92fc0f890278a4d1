/*
 * Finds the primary: asks Sentinels, or the nodes of a cluster.
 */
#ifndef MRC_STORE_ENGINE_LOCATE_H
#define MRC_STORE_ENGINE_LOCATE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/bytes.h"
#include "store/engine/engine.h"

struct mrc_lookups;
struct mrc_tls;
struct mrc_wire;
struct redisReply;

#define MRC_LOCATE_NAME_BYTES 256

struct mrc_locate {
    char name[MRC_LOCATE_NAME_BYTES]; /* of the host */
    uint16_t port;
    struct mrc_wire *wire; /* to the Sentinel that has answered; NULL: none */
};

/* Asks the hosts of SPEC, in their order, for the primary of KEY. The caller closes the wire. */
bool mrc_locate(struct mrc_lookups *lookups, const struct mrc_engine_spec *spec,
                const struct mrc_tls *tls, const char *key, struct mrc_locate *ret_located,
                struct mrc_engine_error *error);

/* Adds the question for the primary to WIRE, the connection to a Sentinel; parses its answer. */
void mrc_locate_ask_sentinel(struct mrc_wire *wire, const struct mrc_engine_spec *spec);
bool mrc_locate_of_sentinel(const struct redisReply *reply, struct mrc_locate *ret_located,
                            struct mrc_engine_error *error);

/* The slot of KEY in a cluster: only the part in braces counts, if there is one. */
unsigned mrc_locate_slot(struct mrc_bytes key);

#endif
