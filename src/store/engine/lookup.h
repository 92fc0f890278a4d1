/*
 * Looks up the addresses of hosts, with a time limit. A name server that does not answer may hold
 * up a lookup for longer than that. Such a lookup continues in a thread of the C library, and the
 * next lookup of the same host uses its result.
 *
 * Without getaddrinfo_a(), as with musl, there is no limit but that of the resolver. One thread at
 * a time.
 */
#ifndef MRC_STORE_ENGINE_LOOKUP_H
#define MRC_STORE_ENGINE_LOOKUP_H

#include <stdbool.h>
#include <stdint.h>

#include "store/engine/engine.h"

struct addrinfo;

/* The lookups that have not ended. */
struct mrc_lookups;

/* NULL: out of memory. */
struct mrc_lookups *mrc_lookups_create(void);

/* Accepts NULL. A lookup that cannot be cancelled keeps its memory. */
void mrc_lookups_free(struct mrc_lookups *lookups);

/* Finds the addresses of HOST within TIMEOUT_US. The caller frees them with freeaddrinfo(). NULL,
 * with the reason in ERROR. */
struct addrinfo *mrc_lookups_find(struct mrc_lookups *lookups, const struct mrc_engine_host *host,
                                  int64_t timeout_us, struct mrc_engine_error *error);

#endif
