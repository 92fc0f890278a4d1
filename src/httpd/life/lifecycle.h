/*
 * The hub in httpd's life: what happens when the configuration is read, when children start and
 * end, and when the server stops. The hooks, in the order in which they run.
 */
#ifndef MRC_HTTPD_LIFE_LIFECYCLE_H
#define MRC_HTTPD_LIFE_LIFECYCLE_H

#include "httpd.h"

#include "ap_mpm.h"

/* When the module is loaded: what it has made is to be removed when the server ends. */
void mrc_lifecycle_register(apr_pool_t *pconf);

/* check_config: finds and checks the hubs. Creates nothing; configtest ends here. */
int mrc_lifecycle_check_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp,
                               server_rec *main_server);

/* post_config, in the parent: makes the shared memory, or fits it to a reloaded configuration. */
int mrc_lifecycle_post_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp,
                              server_rec *main_server);

/* child_init: the child takes its slot and opens the hubs. */
void mrc_lifecycle_child_init(apr_pool_t *pchild, server_rec *main_server);

/* child_stopping, in a child: all streams are to end. From prefork's signal handler, too, where no
 * stream is over HTTP/2 and nothing is waited for. */
void mrc_lifecycle_child_stopping(apr_pool_t *pchild, int graceful);

/* child_status, in the parent: a child has ended; what it left is for the living to fold. */
void mrc_lifecycle_child_status(server_rec *server, pid_t pid, ap_generation_t generation, int slot,
                                mpm_child_status status);

#endif
