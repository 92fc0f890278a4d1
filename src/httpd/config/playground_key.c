#include "httpd/config/playground_key.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "apr_escape.h"
#include "apr_general.h"

#include "core/token/token.h"
#include "httpd/config/key_sources.h"

#define SECRET_BYTES 32

struct mrc_playground_key {
    const char *secret;       /* in hexadecimal digits */
    apr_array_header_t *rows; /* of const struct mrc_key_row *: one */
};

const struct mrc_playground_key *mrc_playground_key_create(apr_pool_t *pconf)
{
    struct mrc_playground_key *key = apr_pcalloc(pconf, sizeof(*key));
    unsigned char random[SECRET_BYTES];
    const struct mrc_key_row *row;

    if (apr_generate_random_bytes(random, sizeof(random)) != APR_SUCCESS)
        return NULL;
    key->secret = apr_pescape_hex(pconf, random, sizeof(random), 0);
    if (mrc_key_sources_load(pconf, MRC_PLAYGROUND_KEY_ISSUER, "HS256", key->secret, 0, &row))
        return NULL;
    key->rows = apr_array_make(pconf, 1, sizeof(row));
    *(const struct mrc_key_row **)apr_array_push(key->rows) = row;
    return key;
}

const apr_array_header_t *mrc_playground_key_rows(const struct mrc_playground_key *key,
                                                  struct mrc_bytes token)
{
    struct mrc_error error = {""};
    char *issuer = NULL;
    char *audience = NULL;
    bool is_ours;

    if (!key || mrc_token_peek(token, &error, &issuer, &audience) != MRC_OK)
        return NULL;
    is_ours = issuer && !strcmp(issuer, MRC_PLAYGROUND_KEY_ISSUER);
    free(issuer);
    free(audience);
    return is_ours ? key->rows : NULL;
}

struct mrc_bytes mrc_playground_key_secret(const struct mrc_playground_key *key)
{
    return mrc_bytes_of(key->secret);
}
