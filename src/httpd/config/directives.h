/*
 * The directives as httpd sees them: commands made from the table (directive_table.h), which check
 * their arguments and write them into settings (settings.h). Runs while the configuration is read,
 * in one thread.
 */
#ifndef MRC_HTTPD_CONFIG_DIRECTIVES_H
#define MRC_HTTPD_CONFIG_DIRECTIVES_H

#include "httpd.h"

#include "http_config.h"

/* For the module record. */
extern const command_rec mrc_directives_commands[];

/* For the module record: create and merge what a section says (settings.h). */
void *mrc_directives_create_dir(apr_pool_t *pool, char *dir);
void *mrc_directives_merge_dir(apr_pool_t *pool, void *outer, void *inner);

#endif
