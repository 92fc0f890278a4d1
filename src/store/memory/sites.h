/*
 * A set of hubs for sites (naming.h) that gets another number of hubs at a reload.
 *
 * The name of a site and the number of hubs say where its hub is looked for, so with another number
 * almost every hub has to change its place. Its segment, with the history and the revocations,
 * stays the same: only the key, under which the new children find it, is another one.
 */
#ifndef MRC_STORE_MEMORY_SITES_H
#define MRC_STORE_MEMORY_SITES_H

#include <stddef.h>
#include <stdint.h>

#include "apr_pools.h"

struct mrc_hub_shape;
struct mrc_memory;

/*
 * Gives the hubs of sites the keys that they have in the N SHAPES, in which the hubs of a set stand
 * together. Those without a name, and those for which the set has become too small, keep their old
 * keys; no child gives them to a site from now on. Waits at most WAIT_US for children that give a
 * hub to a site now. TEMP is for scratch. Only the parent.
 */
void mrc_memory_sites_arrange(struct mrc_memory *memory, apr_pool_t *temp,
                              const struct mrc_hub_shape *const *shapes, size_t n, int64_t wait_us);

#endif
