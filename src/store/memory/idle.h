/*
 * Hubs of sites (naming.h) that nobody has used for a long time. A reload gives them back, so that
 * other sites can have them.
 *
 * A hub is idle while it has no listeners, no history and no revoked tokens, and nothing is
 * published. Only the parent.
 */
#ifndef MRC_STORE_MEMORY_IDLE_H
#define MRC_STORE_MEMORY_IDLE_H

#include <stdbool.h>
#include <stdint.h>

struct mrc_memory_hub;

/* A hub that has been idle for this long is given back. */
#define MRC_MEMORY_IDLE_US ((int64_t)3600 * 1000 * 1000)

/* Looks at HUB, about once a minute. */
void mrc_memory_idle_look(struct mrc_memory_hub *hub, int64_t now_us);

/* Whether HUB has been idle for MRC_MEMORY_IDLE_US. */
bool mrc_memory_idle_is_long(struct mrc_memory_hub *hub, int64_t now_us);

/*
 * Ends HUB for all children, if it is still idle. False: it is not, or its lock is held for
 * WAIT_US.
 */
bool mrc_memory_idle_end(struct mrc_memory_hub *hub, int64_t now_us, int64_t wait_us);

#endif
