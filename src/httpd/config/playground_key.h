/*
 * The key of a hub with MercurePlayground On. Only this hub trusts its issuer. The secret is random
 * and new each time httpd reads the configuration.
 */
#ifndef MRC_HTTPD_CONFIG_PLAYGROUND_KEY_H
#define MRC_HTTPD_CONFIG_PLAYGROUND_KEY_H

#include "apr_pools.h"
#include "apr_tables.h"

#include "core/base/bytes.h"

/* The iss claim of the tokens. They are signed with HS256. */
#define MRC_PLAYGROUND_KEY_ISSUER "urn:mercure:playground"

struct mrc_playground_key;

/* Makes a key in the configuration's pool. NULL: no random bytes, or out of memory. */
const struct mrc_playground_key *mrc_playground_key_create(apr_pool_t *pconf);

/*
 * The rows of KEY (const struct mrc_key_row *, like those of the key directives) if TOKEN names the
 * playground as its issuer; else NULL. KEY may be NULL.
 */
const apr_array_header_t *mrc_playground_key_rows(const struct mrc_playground_key *key,
                                                  struct mrc_bytes token);

/* The secret that signs the playground's tokens. */
struct mrc_bytes mrc_playground_key_secret(const struct mrc_playground_key *key);

#endif
