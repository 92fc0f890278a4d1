/*
 * The commands for httpd, made from the table of directives (directive_table.h). They check their
 * place (place.h) and their arguments (values.h), and write them into settings (settings.h). They
 * run in one thread, while httpd reads the configuration; those of an .htaccess file in the thread
 * of a request.
 */
#ifndef MRC_HTTPD_CONFIG_DIRECTIVES_H
#define MRC_HTTPD_CONFIG_DIRECTIVES_H

#include "httpd.h"

#include "http_config.h"

/* For the module record. */
extern const command_rec mrc_directives_commands[];

/* For the module record: create and merge the settings of a section (settings.h). */
void *mrc_directives_create_dir(apr_pool_t *pool, char *dir);
void *mrc_directives_merge_dir(apr_pool_t *pool, void *outer, void *inner);

#endif
