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
 * otherwise *RET_PROBLEM is "because", the reason and the fix, in POOL. After the modules are
 * loaded.
 */
bool mrc_library_is_shared(apr_pool_t *pool, const char **ret_problem);

/* When streams over TLS stay in httpd: "if" another module than mod_ssl makes the connection, and
 * the fix, in POOL. NULL: no such module is loaded. */
const char *mrc_library_other_module(apr_pool_t *pool);

#endif
