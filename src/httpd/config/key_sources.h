/*
 * The key directives' arguments: from ISSUER ALGS SOURCE to rows of keys, and the catalogue of all
 * rows of a configuration. All of it lives in the configuration's pool, is made while that is read,
 * and is constant afterwards.
 */
#ifndef MRC_HTTPD_CONFIG_KEY_SOURCES_H
#define MRC_HTTPD_CONFIG_KEY_SOURCES_H

#include "apr_pools.h"
#include "apr_tables.h"

#include "hub/keys/keeper.h"
#include "hub/keys/keyring.h"
#include "store/documents/documents.h"

/* Every row of a configuration, and where the keys come from that may change. */
struct mrc_key_sources_catalogue {
    apr_array_header_t *rows;    /* of struct mrc_key_row *, in the order of their indices */
    apr_array_header_t *sources; /* of struct mrc_key_source, in the order of their documents */
    apr_array_header_t *specs;   /* of struct mrc_document_spec, the same */
};

/* The longest URL of a JWK Set, in bytes. */
#define MRC_KEY_SOURCES_URL_MAX_BYTES 2048

/* The catalogue of the configuration whose pool is PCONF; made with the first question. */
struct mrc_key_sources_catalogue *mrc_key_sources_catalogue(apr_pool_t *pconf);

/*
 * Makes a row of ISSUER, ALGS and SOURCE, which is `env:NAME`, `file:PATH` (relative to
 * ServerRoot), `https://…`, or the secret itself. Reads what can be read now, connects to nothing.
 * ISSUER is NULL for keys of tokens of protocol 0.x; PCONF is the configuration's pool; FLAGS are
 * those of mrc_keyset_parse(). Returns NULL, or what is wrong and how to mend it; the text names
 * the source, never the secret.
 */
const char *mrc_key_sources_load(apr_pool_t *pconf, const char *issuer, const char *algs,
                                 const char *source, unsigned flags,
                                 const struct mrc_key_row **ret_row);

/* Whether the file PATH holds certificates in PEM: NULL, or what is wrong. */
const char *mrc_key_sources_check_ca_file(apr_pool_t *pool, const char *path);

/* The first versions of the files have been handed over: their bytes are wiped here. */
void mrc_key_sources_forget_contents(struct mrc_key_sources_catalogue *catalogue);

#endif
