/*
 * The key directives' arguments: from ISSUER ALGS SOURCE to keys that verify. Runs while the
 * configuration is read.
 */
#ifndef MRC_HTTPD_KEYS_H
#define MRC_HTTPD_KEYS_H

#include "apr_pools.h"

#include "core/token.h"

/*
 * Loads the keys of SOURCE: `env:NAME`, `file:PATH` (relative to ServerRoot), or the secret itself.
 * ISSUER is NULL for keys of tokens of protocol 0.x; FLAGS are those of mrc_keyset_parse(). They
 * live as long as POOL. Returns NULL, or what is wrong and how to mend it; the text names the
 * source, never the secret.
 */
const char *mrc_keys_load(apr_pool_t *pool, const char *issuer, const char *algs,
                          const char *source, unsigned flags, struct mrc_token_trust *ret_trust);

#endif
