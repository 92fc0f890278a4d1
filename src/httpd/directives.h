/*
 * The directives as httpd sees them: commands, create and merge, all made from the table
 * (directive_table.h). Runs while the configuration is read, in one thread.
 */
#ifndef MRC_HTTPD_DIRECTIVES_H
#define MRC_HTTPD_DIRECTIVES_H

#include "httpd.h"

#include "http_config.h"

#include "httpd/directive_table.h"

struct mrc_settings;

/* For the module record. */
extern const command_rec mrc_directives_commands[];

/* Settings in which every field has its default and none is set. */
void *mrc_directives_create(apr_pool_t *pool);
void *mrc_directives_create_dir(apr_pool_t *pool, char *dir);

/* OUTER, with what INNER sets put over it. */
void *mrc_directives_merge(apr_pool_t *pool, void *outer, void *inner);

/* Whether FIELD was named in the configuration, at some level. */
int mrc_directives_is_set(const struct mrc_settings *settings, enum mrc_field field);

/*
 * The name of a directive that belongs to the hub and has not the same value in both, or NULL when
 * they agree.
 */
const char *mrc_directives_disagreement(const struct mrc_settings *a, const struct mrc_settings *b);

#endif
