/*
 * The hooks of the server's life, in the order in which they run: the configuration is read,
 * children start and end, the server stops.
 */
#ifndef MRC_HTTPD_LIFE_LIFECYCLE_H
#define MRC_HTTPD_LIFE_LIFECYCLE_H

#include "httpd.h"

#include "ap_mpm.h"

/* check_config: finds and checks the hubs. Creates nothing. configtest ends here. */
int mrc_lifecycle_check_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp,
                               server_rec *main_server);

/*
 * post_config, in the parent, before all other modules, which may start processes there: hides the
 * environment variables that hold secrets.
 */
int mrc_lifecycle_hide_variables(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp,
                                 server_rec *main_server);

/*
 * post_config, in the parent: creates the shared memory, or adapts it to a reloaded configuration.
 */
int mrc_lifecycle_post_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp,
                              server_rec *main_server);

/* child_init: the child takes its slot and opens the hubs. */
void mrc_lifecycle_child_init(apr_pool_t *pchild, server_rec *main_server);

/* child_stopping, in a child: ends all streams. Prefork calls it in its signal handler; under
 * prefork it does not wait, because there are no streams over HTTP/2. */
void mrc_lifecycle_child_stopping(apr_pool_t *pchild, int graceful);

/* child_status, in the parent, when a child has ended: wakes the living children, which free its
 * slot and take back its counters. */
void mrc_lifecycle_child_status(server_rec *server, pid_t pid, ap_generation_t generation, int slot,
                                mpm_child_status status);

/*
 * monitor, in the parent, every few seconds: returns memory that the hubs do not need to the
 * system.
 */
int mrc_lifecycle_monitor(apr_pool_t *pool, server_rec *main_server);

#endif
