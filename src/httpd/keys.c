#include "httpd/keys.h"

#include <stdlib.h>

#include "httpd.h"

#include "apr_file_io.h"
#include "apr_strings.h"
#include "http_config.h"

/* Reads the whole of a small file; the error in words, or NULL. */
static const char *read_file(apr_pool_t *pool, const char *path, struct mrc_bytes *ret_content)
{
    apr_size_t room = MRC_KEYSET_MAX_BYTES + 1;
    char *content = apr_palloc(pool, room);
    apr_size_t len = 0;
    apr_file_t *file;
    apr_status_t status;
    char reason[120];

    status = apr_file_open(&file, path, APR_FOPEN_READ | APR_FOPEN_BINARY, APR_OS_DEFAULT, pool);
    if (status == APR_SUCCESS) {
        status = apr_file_read_full(file, content, room, &len);
        apr_file_close(file);
        if (APR_STATUS_IS_EOF(status))
            status = APR_SUCCESS;
    }
    if (status != APR_SUCCESS)
        return apr_psprintf(pool, "the key file %s cannot be read: %s", path,
                            apr_strerror(status, reason, sizeof(reason)));
    *ret_content = (struct mrc_bytes){content, len};
    return NULL;
}

static const char *read_source(apr_pool_t *pool, const char *source, struct mrc_bytes *ret_content)
{
    if (!strncmp(source, "env:", 4)) {
        const char *value = getenv(source + 4);

        if (!value || !*value)
            return apr_psprintf(pool,
                                "the environment variable %s is %s: set it where httpd is started "
                                "(on Debian in /etc/apache2/envvars)",
                                source + 4, value ? "empty" : "not set");
        *ret_content = mrc_bytes_of(value);
        return NULL;
    }
    if (!strncmp(source, "file:", 5)) {
        const char *path = ap_server_root_relative(pool, source + 5);

        return path ? read_file(pool, path, ret_content)
                    : apr_psprintf(pool, "%s is no valid path", source);
    }
    if (!strncmp(source, "https:", 6) || !strncmp(source, "http:", 5))
        return apr_psprintf(pool,
                            "keys cannot be fetched from a URL: save the JWK Set to a file and "
                            "name it with file:PATH");
    *ret_content = mrc_bytes_of(source);
    return NULL;
}

static apr_status_t free_keys(void *keys)
{
    mrc_keyset_free(keys);
    return APR_SUCCESS;
}

const char *mrc_keys_load(apr_pool_t *pool, const char *issuer, const char *algs,
                          const char *source, unsigned flags, struct mrc_token_trust *ret_trust)
{
    struct mrc_error error = {""};
    struct mrc_keyset *keys;
    struct mrc_bytes content;
    const char *problem;
    apr_pool_t *scratch;
    mrc_alg_set set;

    if (issuer && !*issuer)
        return "the issuer is empty: give the value of the tokens' iss claim";
    if (mrc_alg_parse_list(mrc_bytes_of(algs), &error, &set) != MRC_OK)
        return apr_pstrdup(pool, error.text);
    apr_pool_create(&scratch, pool); /* a secret does not stay longer than it is needed */
    problem = read_source(scratch, source, &content);
    if (!problem && mrc_keyset_parse(content, set, flags, &error, &keys) != MRC_OK)
        problem = error.text;
    if (problem)
        problem = apr_pstrdup(pool, problem);
    apr_pool_destroy(scratch);
    if (problem)
        return problem;
    apr_pool_cleanup_register(pool, keys, free_keys, apr_pool_cleanup_null);
    *ret_trust = (struct mrc_token_trust){
        .issuer = issuer ? apr_pstrdup(pool, issuer) : NULL,
        .algs = set,
        .keys = keys,
    };
    return NULL;
}
