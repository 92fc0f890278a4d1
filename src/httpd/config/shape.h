/*
 * Computes the shape of a hub: the shared memory that its settings require.
 */
#ifndef MRC_HTTPD_CONFIG_SHAPE_H
#define MRC_HTTPD_CONFIG_SHAPE_H

#include "httpd.h"

struct mrc_hub_shape;

/* The ring of a hub has room for at least this many of the largest updates. */
#define MRC_SHAPE_BODIES_IN_RING 4

/* Fills `shape` and `history_dir` of each of the HUBS (struct mrc_hub_conf *), in POOL. */
void mrc_shape_fill(apr_pool_t *pool, const apr_array_header_t *hubs);

/* The shapes of the HUBS, in the same order; an array in POOL. */
struct mrc_hub_shape *mrc_shape_list(apr_pool_t *pool, const apr_array_header_t *hubs);

#endif
