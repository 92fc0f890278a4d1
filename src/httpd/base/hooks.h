/*
 * Finds out which modules have registered for a hook of httpd. Any thread, after httpd has read
 * its configuration.
 */
#ifndef MRC_HTTPD_BASE_HOOKS_H
#define MRC_HTTPD_BASE_HOOKS_H

#include "apr_tables.h"

/* An element of an array of hooks. No header of httpd declares it; mod_info has the same copy. */
struct mrc_hook {
    void (*call)(void *); /* has the type of the hook's functions */
    const char *file;     /* the module's source file */
    const char *const *predecessors;
    const char *const *successors;
    int order;
};

/* The hook of the module FILE in HOOKS, the result of an ap_hook_get_…(). NULL: there is none. */
const struct mrc_hook *mrc_hooks_find(const apr_array_header_t *hooks, const char *file);

/* A hook in HOOKS of a module that is not in FILES, which ends with NULL. NULL: there is none. */
const struct mrc_hook *mrc_hooks_find_other(const apr_array_header_t *hooks,
                                            const char *const *files);

#endif
