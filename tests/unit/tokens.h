/*
 * Shared by the tests of tokens: keys, and tokens that the tests sign.
 */
#ifndef MRC_TESTS_TOKENS_H
#define MRC_TESTS_TOKENS_H

#include <openssl/evp.h>
#include <openssl/pem.h>

#include "core/jose/keyset.h"
#include "core/jose/sign.h"
#include "core/token/token.h"
#include "unit.h"

#define SECRET "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define ISSUER "https://example.com"
#define HUB    "https://hub.example.com/.well-known/mercure"
#define NOW_S  1767225300LL
#define NOW_US (NOW_S * 1000000)
#define DETAIL "https://mercure.rocks/authorization-detail"

/* The standard claims, without the closing brace, so that others can follow. */
#define CLAIMS                                                                                     \
    "{\"iss\":\"" ISSUER "\",\"aud\":\"" HUB "\",\"exp\":1767225600,\"sub\":\"alice\","            \
    "\"client_id\":\"" ISSUER "\",\"iat\":1767225300,\"jti\":\"1\""

/* A Mercure detail with these members. */
#define ONE_DETAIL(members) "{\"type\":\"" DETAIL "\"," members "}"

/* Standard claims with these details. */
#define CLAIMS_WITH(details) CLAIMS ",\"authorization_details\":[" details "]}"

/* Signs a token with ALG and KEY (a secret or a PEM private key); the caller free()s it. */
static inline char *token_sign(enum mrc_alg alg, const char *key, const char *header,
                               const char *claims)
{
    struct mrc_error error = {""};
    char *token = NULL;

    ck_assert_msg(mrc_sign_jws(alg, mrc_bytes_of(key), mrc_bytes_of(header), mrc_bytes_of(claims),
                               &error, &token) == MRC_OK,
                  "cannot sign: %s", error.text);
    return token;
}

/* Parses CONTENT, which must be valid. */
static inline struct mrc_keyset *keys_of(const char *content, mrc_alg_set algs)
{
    struct mrc_error error = {""};
    struct mrc_keyset *keys = NULL;

    ck_assert_msg(mrc_keyset_parse(mrc_bytes_of(content), algs, 0, &error, &keys) == MRC_OK,
                  "bad key: %s", error.text);
    return keys;
}

/* PKEY as PEM; the caller free()s it. */
static inline char *pem_of(EVP_PKEY *pkey, bool is_private)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *data, *pem;
    long len;

    ck_assert_int_eq(is_private ? PEM_write_bio_PrivateKey(bio, pkey, NULL, NULL, 0, NULL, NULL)
                                : PEM_write_bio_PUBKEY(bio, pkey),
                     1);
    len = BIO_get_mem_data(bio, &data);
    pem = strndup(data, (size_t)len);
    BIO_free(bio);
    return pem;
}

/* Fails unless the text of ERROR, a struct mrc_error, holds PART. */
#define ck_assert_words(error, part)                                                               \
    ck_assert_msg(strstr((error).text, (part)) != NULL, "got \"%s\", want words \"%s\"",           \
                  (error).text, (part))

#endif
