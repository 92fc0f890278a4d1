/*
 * The commands for httpd, made from the table of directives (directive_table.h). They check their
 * arguments and write them into settings (settings.h). They run in one thread, while httpd reads
 * the configuration; those of an .htaccess file in the thread of a request.
 */
#ifndef MRC_HTTPD_CONFIG_DIRECTIVES_H
#define MRC_HTTPD_CONFIG_DIRECTIVES_H

#include <stdbool.h>

#include "httpd.h"

#include "http_config.h"

#include "core/base/bytes.h"

/* For the module record. */
extern const command_rec mrc_directives_commands[];

/*
 * What the directives in the .htaccess file of a site need, while the hub reads the file
 * (httpd/htaccess). When httpd itself reads it, they have no effect.
 */
struct mrc_directives_site {
    /* Reads the key file NAME. NULL, or an error message. */
    const char *(*read_key)(void *ctx, const char *name, struct mrc_bytes *ret_content);
    void *ctx;
    uint64_t number;    /* of the next key; no other key of the child has it */
    unsigned keys_left; /* that the file may have */
    bool lacks_memory;  /* set if there was none for a key, so the file may be correct */
};

/* Sets what the directives that are read into POOL use; NULL: reading has ended. */
void mrc_directives_set_site(apr_pool_t *pool, struct mrc_directives_site *site);

/* For the module record: create and merge the settings of a section (settings.h). */
void *mrc_directives_create_dir(apr_pool_t *pool, char *dir);
void *mrc_directives_merge_dir(apr_pool_t *pool, void *outer, void *inner);

#endif
