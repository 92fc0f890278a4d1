/*
 * Tokens. The input is a token or, after a byte of 1, a header and claims separated by NUL, which
 * are signed here to reach the rules past the signature. Verifying must return, give a reason for a
 * refusal, leave no error in OpenSSL's queue, and grant nothing to a refused token.
 */
#include <openssl/err.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/jose/sign.h"
#include "core/token/token.h"

#define SECRET "0123456789abcdef0123456789abcdef"
#define NOW_US 1767225300000000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct mrc_keyset *keys;

static void verify(struct mrc_bytes text)
{
    static const char *const audiences[] = {"https://hub.example.com/.well-known/mercure"};
    struct mrc_token_trust trust = {"https://example.com", MRC_ALG_SET_ALL, keys};
    struct mrc_token_trust legacy = {NULL, MRC_ALG_SET_ALL, keys};
    struct mrc_token_policy policy = {
        .trust = &trust,
        .trust_count = 1,
        .legacy = &legacy,
        .legacy_count = 1,
        .audiences = audiences,
        .audience_count = 1,
        .base = audiences[0],
        .limits = {10, 20, 200},
    };
    struct mrc_error reason = {""};
    struct mrc_token *token = NULL;
    enum mrc_err err = mrc_token_verify(text, &policy, NOW_US, &reason, &token);

    if ((err == MRC_OK) != (token != NULL) || (err && !reason.text[0]) || ERR_peek_error())
        abort();
    mrc_token_find_mismatch(text, &policy);
    if (!token)
        return;
    if (mrc_token_get_exp_us(token) <= NOW_US)
        abort();
    for (size_t i = 0; i < mrc_grants_get_count(mrc_token_get_grants(token)); i++) {
        struct mrc_grant grant = mrc_grants_get(mrc_token_get_grants(token), i);

        if ((grant.publish &&
             !mrc_grants_allow_some(mrc_token_get_grants(token), MRC_ACTION_PUBLISH)) ||
            (grant.subscribe &&
             !mrc_grants_allow_some(mrc_token_get_grants(token), MRC_ACTION_SUBSCRIBE)))
            abort();
    }
    mrc_token_grants(token, MRC_ACTION_PUBLISH, text);
    mrc_grants_find_payload(mrc_token_get_grants(token), mrc_bytes_of("https://example.com/a"));
    mrc_token_unref(token);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mrc_bytes in = {(const char *)data, size};
    const char *end;
    char *text;

    if (!keys && mrc_keyset_parse(mrc_bytes_of(SECRET), mrc_alg_set_of(MRC_ALG_HS256), 0, NULL,
                                  &keys) != MRC_OK)
        abort();
    if (!size || data[0] != 1) {
        verify(in);
        return 0;
    }
    end = memchr(in.ptr + 1, 0, in.len - 1);
    if (!end ||
        mrc_sign_jws(MRC_ALG_HS256, mrc_bytes_of(SECRET),
                     (struct mrc_bytes){in.ptr + 1, (size_t)(end - in.ptr - 1)},
                     (struct mrc_bytes){end + 1, (size_t)(in.ptr + in.len - end - 1)}, NULL, &text))
        return 0;
    verify(mrc_bytes_of(text));
    free(text);
    return 0;
}
