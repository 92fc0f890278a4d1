/*
 * Where a directive stands: in which file, and whether it is allowed there. For the thread that
 * reads it (directives.h).
 */
#ifndef MRC_HTTPD_CONFIG_PLACE_H
#define MRC_HTTPD_CONFIG_PLACE_H

#include <stdbool.h>
#include <stdint.h>

#include "httpd.h"

#include "http_config.h"

#include "core/base/bytes.h"
#include "httpd/config/directive_table.h"

/*
 * What the directives in the .htaccess file of a site need, while the hub reads the file
 * (httpd/htaccess). When httpd itself reads it, they have no effect.
 */
struct mrc_place_site {
    /* Reads the key file NAME. NULL, or an error message. */
    const char *(*read_key)(void *ctx, const char *name, struct mrc_bytes *ret_content);
    void *ctx;
    uint64_t number;    /* of the next key; no other key of the child has it */
    unsigned keys_left; /* that the file may have */
    bool lacks_memory;  /* set if there was none for a key, so the file may be correct */
};

/* Sets what the directives that are read into POOL use; NULL: reading has ended. */
void mrc_place_set_site(apr_pool_t *pool, struct mrc_place_site *site);

/* What mrc_place_set_site() has set for the directive that is read; NULL: httpd itself reads it. */
struct mrc_place_site *mrc_place_get_site(cmd_parms *cmd);

/* Whether httpd or the hub reads an .htaccess file. */
bool mrc_place_is_htaccess(const cmd_parms *cmd);

/* Whether the settings of SCOPE are those of a server or virtual host, not of a Location. */
bool mrc_place_is_of_server(enum mrc_scope scope);

/* Checks that the directive of ROW is allowed where it stands. NULL, or an error message with the
 * fix. */
const char *mrc_place_check(cmd_parms *cmd, const struct mrc_directive *row);

#endif
