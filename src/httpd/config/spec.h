/*
 * Turns the settings of a hub into its spec, the form that the layers below use.
 */
#ifndef MRC_HTTPD_CONFIG_SPEC_H
#define MRC_HTTPD_CONFIG_SPEC_H

#include "httpd.h"

struct mrc_hub_shape;
struct mrc_hub_spec;

/* The ring of a hub has room for at least this many of the largest updates. */
#define MRC_SPEC_BODIES_IN_RING 4

/*
 * Fills the spec of each of the HUBS (struct mrc_hub_conf *), which has its key already. In POOL.
 */
void mrc_spec_fill(apr_pool_t *pool, const apr_array_header_t *hubs);

/* The specs, or the shapes in them, of the HUBS, in the same order; an array in POOL. The spec of a
 * hub that is down has an empty key: no memory belongs to it. */
const struct mrc_hub_spec *const *mrc_spec_list(apr_pool_t *pool, const apr_array_header_t *hubs);
const struct mrc_hub_shape *const *mrc_spec_shapes(apr_pool_t *pool,
                                                   const apr_array_header_t *hubs);

#endif
