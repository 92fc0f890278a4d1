/*
 * Key sources. The input is two bytes of algorithms, then the content. The parser must return, give
 * a reason for a refusal, and leave no error in OpenSSL's queue. Each key must fit one of the
 * algorithms, and a secret must never be a public key or the reverse.
 */
#include <openssl/err.h>
#include <stdint.h>
#include <stdlib.h>

#include "core/jose/keyset.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char signature[256] = "signature";
    struct mrc_error error = {""};
    struct mrc_keyset *keys = NULL;
    struct mrc_bytes content;
    mrc_alg_set algs;
    enum mrc_err err;

    if (size < 2)
        return 0;
    algs = ((mrc_alg_set)data[0] << 8 | data[1]) & MRC_ALG_SET_ALL;
    if (!algs)
        return 0;
    content = (struct mrc_bytes){(const char *)data + 2, size - 2};
    err = mrc_keyset_parse(content, algs, data[0] >> 7, &error, &keys);
    if ((err == MRC_OK) != (keys != NULL) || (err && !error.text[0]) || ERR_peek_error())
        abort();
    for (size_t i = 0; keys && i < mrc_keyset_get_count(keys); i++) {
        const struct mrc_key *key = mrc_keyset_get_key(keys, i);
        mrc_alg_set own = mrc_key_get_algs(key);
        bool secret = mrc_key_get_secret_bytes(key) != 0;

        if (!own || (own & ~algs) || secret != ((own & MRC_ALG_SET_HMAC) != 0) ||
            (secret && (own & ~MRC_ALG_SET_HMAC)))
            abort();
        if (mrc_key_verify(key, mrc_alg_set_first(own), content,
                           (struct mrc_bytes){signature, 64}) == MRC_OK ||
            ERR_peek_error())
            abort();
    }
    mrc_keyset_free(keys);
    return 0;
}
