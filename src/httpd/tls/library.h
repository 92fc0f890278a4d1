/*
 * Finds out whether this module may use the SSL objects of mod_ssl.
 */
#ifndef MRC_HTTPD_TLS_LIBRARY_H
#define MRC_HTTPD_TLS_LIBRARY_H

#include <stdbool.h>

#include "apr_pools.h"

/*
 * Whether mod_ssl is loaded and uses the same libssl as this module: the objects of another one
 * have another layout, and a call would crash. False with *RET_PROBLEM NULL: mod_ssl is not loaded;
 * otherwise *RET_PROBLEM is the reason, in POOL. After the modules are loaded.
 */
bool mrc_library_is_shared(apr_pool_t *pool, const char **ret_problem);

#endif
