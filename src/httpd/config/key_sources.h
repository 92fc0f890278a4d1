/*
 * Turns the arguments of key directives (ISSUER ALGS SOURCE) into rows of keys, and keeps the
 * catalogue of all rows of a configuration. All of it is made while httpd reads the configuration,
 * lives in the configuration's pool, and is constant afterwards.
 */
#ifndef MRC_HTTPD_CONFIG_KEY_SOURCES_H
#define MRC_HTTPD_CONFIG_KEY_SOURCES_H

#include "apr_pools.h"
#include "apr_tables.h"

#include "hub/keys/keeper.h"
#include "hub/keys/keyring.h"
#include "store/documents/documents.h"

/* All rows of a configuration, and the sources of the keys that may change. */
struct mrc_key_sources_catalogue {
    apr_array_header_t *rows;    /* of struct mrc_key_row *, by their index */
    apr_array_header_t *sources; /* of struct mrc_key_source, by the number of their document */
    apr_array_header_t *specs;   /* of struct mrc_document_spec, the same */
    apr_array_header_t *skipped; /* of const char *: problems that a reload passes over */
};

/* The longest URL of a JWK Set, in bytes. */
#define MRC_KEY_SOURCES_URL_MAX_BYTES 2048

/* The catalogue of the configuration whose pool is PCONF. The first call creates it. */
struct mrc_key_sources_catalogue *mrc_key_sources_catalogue(apr_pool_t *pconf);

/*
 * Makes a row from ISSUER, ALGS and SOURCE. SOURCE is `env:NAME`, `file:PATH` (relative to
 * ServerRoot), `https://…`, or the secret itself. Reads variables and files, but connects to
 * nothing. ISSUER is NULL for keys of tokens of protocol 0.x. PCONF is the configuration's pool.
 * FLAGS are those of mrc_keyset_parse(). Returns NULL, or an error message with the fix; it names
 * the source, never the secret.
 *
 * At a reload, a file or a variable that cannot be used is not an error: the row then has no keys
 * of its own, so that the previous version of its file stays in force, and the catalogue has the
 * problem.
 */
const char *mrc_key_sources_load(apr_pool_t *pconf, const char *issuer, const char *algs,
                                 const char *source, unsigned flags,
                                 const struct mrc_key_row **ret_row);

/*
 * Makes a row that belongs to no catalogue from CONTENT, for a site's .htaccess file. It lives in
 * POOL. NUMBER distinguishes its keys from all others of the child. Without memory RET_ROW gets
 * NULL. Any thread.
 */
const char *mrc_key_sources_load_loose(apr_pool_t *pool, const char *issuer, const char *algs,
                                       struct mrc_bytes content, unsigned flags, uint64_t number,
                                       const struct mrc_key_row **ret_row);

/* Whether A and B have the same issuer and the same source: the same document, or equal content. */
bool mrc_key_sources_is_same(const struct mrc_key_row *a, const struct mrc_key_row *b);

/* Checks that the file PATH contains PEM certificates. NULL, or an error message. */
const char *mrc_key_sources_check_ca_file(apr_pool_t *pool, const char *path);

/* Wipes the first versions of the files, after they have been copied to the shared memory. */
void mrc_key_sources_forget_contents(struct mrc_key_sources_catalogue *catalogue);

/*
 * ISSUER as a message may show it: as it is if it is a URL without the parts that may hold a
 * secret. Anything else may be a secret in the place of the issuer.
 */
const char *mrc_key_sources_show_issuer(const char *issuer);

/*
 * NAME, which no environment variable has, if a message may show it; otherwise NULL. It may be a
 * secret: httpd replaces the variable in `env:${NAME}` by its value. Names are in upper case.
 */
const char *mrc_key_sources_show_variable(const char *name);

/* The error for such a name. */
#define MRC_KEY_SOURCES_NO_VARIABLE                                                                \
    "no environment variable has the name that follows env:, which is not shown because it may "   \
    "be a secret: write env:NAME, and not env:${NAME}, which httpd replaces by the value, and "    \
    "set the variable where httpd is started"

#endif
