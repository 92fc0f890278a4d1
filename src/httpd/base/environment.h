/*
 * The environment variables whose values are secrets of the configuration (`env:NAME`).
 *
 * httpd replaces ${NAME} by the variable NAME in every file that it reads, and whoever may write an
 * .htaccess file can have the result sent to himself. So these variables leave the environment
 * before any child exists, and come back while httpd reads its own configuration again:
 *
 *     the configuration is read | children run                  | it is read again
 *     --------------------------+-------------------------------+-----------------
 *     there                     | hidden                        | there
 *                               ^ mrc_environment_hide()          ^ POOL is cleared
 *
 * Only the thread that reads the configuration calls these functions.
 */
#ifndef MRC_HTTPD_BASE_ENVIRONMENT_H
#define MRC_HTTPD_BASE_ENVIRONMENT_H

#include "apr_pools.h"

/* The value of the variable NAME, a secret, copied to PCONF, the configuration's pool; empty if it
 * is empty. NULL: it is not set. */
const char *mrc_environment_read(apr_pool_t *pconf, const char *name);

/*
 * Removes all variables that were read with PCONF from the environment of this process, and their
 * values from what the system shows of it (/proc/PID/environ). When PCONF is cleared, this process
 * sets them again; its children do not.
 */
void mrc_environment_hide(apr_pool_t *pconf);

#endif
