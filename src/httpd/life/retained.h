/*
 * The state of the server that survives a reload: the shared memory of the hubs, and the locked
 * directories of their durable histories. In the parent; children read what they inherit.
 */
#ifndef MRC_HTTPD_LIFE_RETAINED_H
#define MRC_HTTPD_LIFE_RETAINED_H

#include <stdbool.h>

#include "httpd.h"

struct mrc_memory;

/* Makes the server release the state when it ends. Call it when the module is loaded. PCONF is the
 * configuration's pool. */
void mrc_retained_register(apr_pool_t *pconf);

/* Whether this server has such a state: it has had a hub since it started. */
bool mrc_retained_exists(void);

/* The shared memory; NULL: there is none. */
struct mrc_memory *mrc_retained_memory(void);

/*
 * Creates the state for the hubs of MAIN_SERVER, or adapts it to a reloaded configuration. An error
 * is logged; then the server cannot run with this configuration. In post_config.
 */
apr_status_t mrc_retained_update(apr_pool_t *pconf, apr_pool_t *ptemp, server_rec *main_server);

#endif
