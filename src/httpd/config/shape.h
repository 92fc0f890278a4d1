/*
 * The shape of a hub: how much shared memory its settings ask for.
 */
#ifndef MRC_HTTPD_CONFIG_SHAPE_H
#define MRC_HTTPD_CONFIG_SHAPE_H

#include "httpd.h"

struct mrc_hub_shape;

/* The ring of a hub holds at least this many of the largest updates. */
#define MRC_SHAPE_BODIES_IN_RING 4

/* Fills the shape and the directory of each of the HUBS (struct mrc_hub_conf *), in POOL. */
void mrc_shape_fill(apr_pool_t *pool, const apr_array_header_t *hubs);

/* The shapes of the HUBS, in their order: an array in POOL. */
struct mrc_hub_shape *mrc_shape_list(apr_pool_t *pool, const apr_array_header_t *hubs);

#endif
