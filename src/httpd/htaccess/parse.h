/*
 * The settings of a site in its .htaccess file.
 *
 * httpd's own parser reads the file, so sections such as `<IfModule>` count. Of its directives,
 * only those of this module are executed: a mistake in others is not the hub's, and what the file
 * may cost is bounded.
 */
#ifndef MRC_HTTPD_HTACCESS_PARSE_H
#define MRC_HTTPD_HTACCESS_PARSE_H

#include <stdbool.h>
#include <stdint.h>

#include "httpd.h"

#include "core/base/err.h"
#include "store/base/file.h"

struct mrc_settings;

/* The most keys of one site, and so the most numbers that a reading takes. */
#define MRC_HTACCESS_PARSE_KEYS_MAX 32

/* Where the file of a site is, and what it may contain. */
struct mrc_htaccess_place {
    server_rec *server;
    const char *dir;   /* the document root, without a slash at its end */
    const char *names; /* the possible names of the file, separated by spaces */
    int override, override_opts;
    apr_table_t *override_list;
};

/* A file that was read, or looked for, as it was then. */
struct mrc_htaccess_watch {
    const char *path;
    bool is_through; /* the stamp is that of the file to which the link PATH leads */
    struct mrc_file_stamp stamp;
    bool is_young; /* it may have changed again without another stamp */
};

/* A reading. It lives in a pool of its own. */
struct mrc_htaccess_reading {
    apr_pool_t *pool;
    const struct mrc_settings *settings; /* of this level only; NULL: there is no file */
    const char *error;                   /* a mistake, with file and line; NULL: none */
    bool is_unread;                      /* a file could not be read, and may be readable without a
                                          * change of its own */
    apr_array_header_t *watches;         /* of struct mrc_htaccess_watch */
};

/*
 * Reads the file of PLACE. NUMBER is the first of MRC_HTACCESS_PARSE_KEYS_MAX numbers for the keys,
 * which no other keys of this child have. NULL: the file, or a key file, cannot be read now, and
 * ERROR says why: this process lacks memory or descriptors.
 */
struct mrc_htaccess_reading *mrc_htaccess_parse(const struct mrc_htaccess_place *place,
                                                uint64_t number, struct mrc_error *error);

/* Whether no file of READING has changed, or can have changed. */
bool mrc_htaccess_is_valid(const struct mrc_htaccess_reading *reading);

/* For struct mrc_htaccess_cache. */
void mrc_htaccess_free(void *reading);

#endif
