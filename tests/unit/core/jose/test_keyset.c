#include "core/jose/keyset.h"

#include <openssl/err.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "core/base/base64url.h"
#include "tokens.h"

#define HS256   mrc_alg_set_of(MRC_ALG_HS256)
#define RS256   mrc_alg_set_of(MRC_ALG_RS256)
#define ES256   mrc_alg_set_of(MRC_ALG_ES256)
#define EDDSA   MRC_ALG_SET_EDDSA
#define ED25519 mrc_alg_set_of(MRC_ALG_ED25519)

#define K32 "0123456789abcdef0123456789abcdef"

/* RFC 8037, A.2, and RFC 7517, A.1 (the public keys). */
#define ED25519_MEMBERS                                                                            \
    "\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\""
#define P256_MEMBERS                                                                               \
    "\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4\","      \
    "\"y\":\"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM\""
#define RSA_N                                                                                      \
    "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_"      \
    "BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_"     \
    "FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4"    \
    "vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"
#define RSA_MEMBERS "\"kty\":\"RSA\",\"n\":\"" RSA_N "\",\"e\":\"AQAB\""
#define OCT_MEMBERS "\"kty\":\"oct\",\"k\":\"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY\""

static enum mrc_err parse(const char *content, mrc_alg_set algs, struct mrc_error *error,
                          struct mrc_keyset **ret_keys)
{
    return mrc_keyset_parse(mrc_bytes_of(content), algs, 0, error, ret_keys);
}

static void refuse(const char *content, mrc_alg_set algs, const char *words)
{
    struct mrc_error error = {""};
    struct mrc_keyset *keys = NULL;

    ck_assert_int_ne(parse(content, algs, &error, &keys), MRC_OK);
    ck_assert_ptr_null(keys);
    ck_assert_words(error, words);
    ck_assert_uint_eq(ERR_peek_error(), 0);
}

/* The first of COUNT keys in CONTENT; the caller frees the set. */
static const struct mrc_key *first_of(const char *content, mrc_alg_set algs, size_t count,
                                      struct mrc_keyset **ret_keys)
{
    struct mrc_error error = {""};

    ck_assert_msg(parse(content, algs, &error, ret_keys) == MRC_OK, "refused: %s", error.text);
    ck_assert_uint_eq(mrc_keyset_get_count(*ret_keys), count);
    ck_assert_uint_eq(ERR_peek_error(), 0);
    return mrc_keyset_get_key(*ret_keys, 0);
}

/* The length of the secret CONTENT; 0 if it is not a secret. */
static size_t secret_length(const char *content, mrc_alg_set algs)
{
    struct mrc_keyset *keys = NULL;
    size_t len = mrc_key_get_secret_bytes(first_of(content, algs, 1, &keys));

    mrc_keyset_free(keys);
    return len;
}

START_TEST(parses_lists_of_algorithms)
{
    struct mrc_error error = {""};
    mrc_alg_set set = 7;

    ck_assert_int_eq(mrc_alg_parse_list(mrc_bytes_of("HS256"), NULL, &set), MRC_OK);
    ck_assert_uint_eq(set, HS256);
    ck_assert_int_eq(mrc_alg_parse_list(mrc_bytes_of("EdDSA,ES256,RS512,PS384"), NULL, &set),
                     MRC_OK);
    ck_assert_uint_eq(set, EDDSA | ES256 | mrc_alg_set_of(MRC_ALG_RS512) |
                               mrc_alg_set_of(MRC_ALG_PS384));
    for (enum mrc_alg alg = 0; alg < MRC_ALG_COUNT; alg++) {
        mrc_alg_set parsed = 0;

        ck_assert_int_eq(mrc_alg_parse(mrc_bytes_of(mrc_alg_name(alg)), &parsed), MRC_OK);
        ck_assert_uint_eq(parsed, mrc_alg_set_of(alg));
        ck_assert_int_eq(mrc_alg_set_first(mrc_alg_set_of(alg)), alg);
        ck_assert_str_eq(mrc_alg_set_name(mrc_alg_set_of(alg)), mrc_alg_name(alg));
    }
    ck_assert_uint_eq(MRC_ALG_SET_HMAC | MRC_ALG_SET_RSA | MRC_ALG_SET_ECDSA | EDDSA,
                      MRC_ALG_SET_ALL);
    ck_assert_uint_eq(MRC_ALG_SET_ALL, ((mrc_alg_set)1 << MRC_ALG_COUNT) - 1);
    /* Each name of RFC 9864 stands for one curve. */
    ck_assert_int_eq(mrc_alg_parse_list(mrc_bytes_of("Ed25519,ES256"), NULL, &set), MRC_OK);
    ck_assert_uint_eq(set, ED25519 | ES256);
    ck_assert_int_eq(mrc_alg_parse_list(mrc_bytes_of("Ed448,EdDSA"), NULL, &set), MRC_OK);
    ck_assert_uint_eq(set, EDDSA);
    ck_assert_uint_eq(EDDSA, ED25519 | mrc_alg_set_of(MRC_ALG_ED448));
    ck_assert_str_eq(mrc_alg_set_name(EDDSA), "EdDSA");
    ck_assert_str_eq(mrc_alg_set_name(EDDSA | ES256), "ES256");
    set = 7;
    ck_assert_int_eq(mrc_alg_parse_list(mrc_bytes_of("HS256,none"), &error, &set), MRC_EINVAL);
    ck_assert_words(error, "\"none\" is not an algorithm");
    ck_assert_int_eq(mrc_alg_parse_list(mrc_bytes_of("hs256"), &error, &set), MRC_EINVAL);
    ck_assert_words(error, "\"hs256\" is not an algorithm");
    ck_assert_int_eq(mrc_alg_parse_list(mrc_bytes_of("HS256,my-secret"), &error, &set), MRC_EINVAL);
    ck_assert_words(error, "a name in the list is not an algorithm");
    ck_assert_int_eq(mrc_alg_parse_list(mrc_bytes_of("HS256,HS256"), &error, &set), MRC_EINVAL);
    ck_assert_words(error, "HS256 is given twice");
    ck_assert_int_eq(mrc_alg_parse_list(mrc_bytes_of(""), &error, &set), MRC_EINVAL);
    ck_assert_int_eq(mrc_alg_parse_list(mrc_bytes_of("HS256,"), &error, &set), MRC_EINVAL);
    ck_assert_int_eq(mrc_alg_parse_list(mrc_bytes_of("HS256, HS384"), &error, &set), MRC_EINVAL);
    ck_assert_uint_eq(set, 7);
}
END_TEST

START_TEST(drops_one_line_end_of_a_secret)
{
    ck_assert_uint_eq(secret_length(K32, HS256), 32);
    ck_assert_uint_eq(secret_length(K32 "\n", HS256), 32);
    ck_assert_uint_eq(secret_length(K32 "\r\n", HS256), 32);
    ck_assert_uint_eq(secret_length(K32 "\n\n", HS256), 33);
    ck_assert_uint_eq(secret_length(K32 "\r", HS256), 33);
    ck_assert_uint_eq(secret_length(" " K32, HS256), 33);
    ck_assert_uint_eq(secret_length("{" K32, HS256), 33);
    ck_assert_uint_eq(secret_length("{" K32 "}", HS256), 34);
    refuse("", HS256, "the key is empty: give a secret or a public key");
    refuse("\n", HS256, "the key is empty: give a secret or a public key");
    refuse("\r\n", HS256, "the key is empty: give a secret or a public key");
}
END_TEST

START_TEST(secrets_are_as_long_as_their_hash)
{
    struct mrc_error error = {""};
    struct mrc_keyset *keys = NULL;

    refuse("0123456789abcdef0123456789abcde", HS256,
           "the secret has 31 bytes; HS256 needs 32 or more");
    refuse("0123456789abcdef0123456789abcde\n", HS256, "has 31 bytes");
    refuse(K32, HS256 | mrc_alg_set_of(MRC_ALG_HS384), "has 32 bytes; HS384 needs 48 or more");
    refuse(&SECRET[1], MRC_ALG_SET_HMAC, "has 63 bytes; HS512 needs 64 or more");
    ck_assert_uint_eq(secret_length(SECRET, MRC_ALG_SET_HMAC), 64);
    ck_assert_int_eq(mrc_keyset_parse(mrc_bytes_of("short"), HS256, MRC_KEYSET_SHORT_SECRET_WARNS,
                                      &error, &keys),
                     MRC_OK);
    ck_assert_str_eq(
        mrc_keyset_get_warning(keys),
        "the secret has 5 bytes; HS256 needs 32 or more, because a short secret can be guessed");
    mrc_keyset_free(keys);
    ck_assert_int_eq(
        mrc_keyset_parse(mrc_bytes_of(K32), HS256, MRC_KEYSET_SHORT_SECRET_WARNS, &error, &keys),
        MRC_OK);
    ck_assert_ptr_null(mrc_keyset_get_warning(keys));
    mrc_keyset_free(keys);
    mrc_keyset_free(NULL);
}
END_TEST

START_TEST(refuses_undefined_variables)
{
    refuse("${MERCURE_PUBLISHER_JWT_KEY_OF_32_BYTES}", HS256, "still holds ${");
    refuse(K32 "${X}", HS256, "still holds ${");
    ck_assert_uint_eq(secret_length(K32 "$X{}", HS256), 36);
}
END_TEST

START_TEST(keys_must_fit_their_algorithms)
{
    refuse(K32, RS256, "RS256 needs a public key");
    refuse(K32, HS256 | ES256, "ES256 needs a public key");
    refuse("{" ED25519_MEMBERS "}", HS256, "would let anybody sign");
    refuse("{" RSA_MEMBERS "}", RS256 | HS256,
           "HS256 needs a secret, but this is an RSA public key");
    refuse("{" P256_MEMBERS "}", mrc_alg_set_of(MRC_ALG_ES384),
           "ES384 does not fit an EC public key on P-256; this one is for ES256");
    refuse("{" P256_MEMBERS "}", RS256 | ED25519,
           "none of the configured algorithms fits an EC public key on P-256; this one is for "
           "ES256");
    refuse("{" P256_MEMBERS "}", ES256 | RS256 | HS256, "HS256 needs a secret");
    refuse("{" ED25519_MEMBERS "}", mrc_alg_set_of(MRC_ALG_ED448),
           "Ed448 does not fit an Ed25519 public key; this one is for Ed25519");
    refuse("{" ED25519_MEMBERS "}", ES256, "ES256 does not fit an Ed25519 public key");
    refuse("{" RSA_MEMBERS "}", EDDSA, "EdDSA does not fit an RSA public key");
    refuse("{" OCT_MEMBERS "}", RS256, "RS256 needs a public key");
}
END_TEST

/* A rotation to another kind of key needs ALGS of both kinds. */
START_TEST(a_key_fits_one_of_several_algorithms)
{
    const struct {
        const char *jwk;
        mrc_alg_set algs, own;
    } cases[] = {
        {"{" P256_MEMBERS "}", ES256 | RS256, ES256},
        {"{" RSA_MEMBERS "}", ES256 | RS256, RS256},
        {"{" ED25519_MEMBERS "}", ES256 | RS256 | EDDSA, ED25519},
        {"{" RSA_MEMBERS ",\"alg\":\"PS256\"}", RS256 | mrc_alg_set_of(MRC_ALG_PS256),
         mrc_alg_set_of(MRC_ALG_PS256)},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct mrc_keyset *keys = NULL;
        const struct mrc_key *key = first_of(cases[i].jwk, cases[i].algs, 1, &keys);

        ck_assert_uint_eq(mrc_key_get_algs(key), cases[i].own);
        mrc_keyset_free(keys);
    }
}
END_TEST

START_TEST(one_jwk)
{
    struct mrc_keyset *keys = NULL;
    const struct mrc_key *key;

    key = first_of("{" RSA_MEMBERS "}", RS256 | mrc_alg_set_of(MRC_ALG_PS512), 1, &keys);
    ck_assert_uint_eq(mrc_key_get_algs(key), RS256 | mrc_alg_set_of(MRC_ALG_PS512));
    ck_assert_ptr_null(mrc_key_get_kid(key));
    mrc_keyset_free(keys);
    key = first_of(" \r\n{" P256_MEMBERS ",\"kid\":\"1\",\"use\":\"sig\",\"alg\":\"ES256\"}\n",
                   ES256, 1, &keys);
    ck_assert_str_eq(mrc_key_get_kid(key), "1");
    mrc_keyset_free(keys);
    key = first_of("\xef\xbb\xbf{" ED25519_MEMBERS ",\"key_ops\":[\"sign\",\"verify\"]}", EDDSA, 1,
                   &keys);
    ck_assert_str_eq(mrc_key_get_kind(key), "an Ed25519 public key");
    mrc_keyset_free(keys);
    key = first_of("{" OCT_MEMBERS "}", HS256, 1, &keys);
    ck_assert_uint_eq(mrc_key_get_secret_bytes(key), 32);
    mrc_keyset_free(keys);
    key = first_of("{\"kty\":\"OKP\",\"crv\":\"Ed448\",\"x\":\"X9dEm1m0Yf0s54fsYWrUah2hNCSFpw4fi"
                   "g6nXYDpZ3jt8SR2m0bHBhvWeD3x5Q9s0foavq_oJWGA\"}",
                   EDDSA, 1, &keys);
    ck_assert_str_eq(mrc_key_get_kind(key), "an Ed448 public key");
    mrc_keyset_free(keys);
}
END_TEST

START_TEST(restrictions_of_a_jwk_apply)
{
    refuse("{" RSA_MEMBERS ",\"use\":\"enc\"}", RS256, "not for signatures (use)");
    refuse("{" RSA_MEMBERS ",\"use\":1}", RS256, "not for signatures (use)");
    refuse("{" RSA_MEMBERS ",\"key_ops\":[\"sign\"]}", RS256, "key_ops do not allow");
    refuse("{" RSA_MEMBERS ",\"key_ops\":[]}", RS256, "key_ops do not allow");
    refuse("{" RSA_MEMBERS ",\"key_ops\":\"verify\"}", RS256, "key_ops do not allow");
    refuse("{" RSA_MEMBERS ",\"key_ops\":[\"verify\",1]}", RS256, "key_ops are not all strings");
    refuse("{" RSA_MEMBERS ",\"alg\":\"RS384\"}", RS256, "RS256 does not fit");
    refuse("{" RSA_MEMBERS ",\"alg\":\"RSA-OAEP\"}", RS256, "\"RSA-OAEP\" is not supported");
    refuse("{" RSA_MEMBERS ",\"alg\":\"ES256\"}", RS256, "ES256 does not fit an RSA public key");
    refuse("{" RSA_MEMBERS ",\"alg\":\"HS256\"}", HS256, "HS256 does not fit an RSA public key");
    refuse("{" RSA_MEMBERS ",\"alg\":1}", RS256, "alg is not a string");
    refuse("{" RSA_MEMBERS ",\"kid\":1}", RS256, "kid is not a string");
}
END_TEST

/* An `alg` of RFC 9864 names EdDSA with one curve. */
START_TEST(an_alg_may_name_its_curve)
{
    const struct {
        const char *alg;
        mrc_alg_set algs;
    } cases[] = {{"Ed25519", EDDSA}, {"Ed25519", ED25519}, {"EdDSA", ED25519}, {"EdDSA", EDDSA}};
    char text[512];

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct mrc_keyset *keys = NULL;

        snprintf(text, sizeof(text), "{" ED25519_MEMBERS ",\"alg\":\"%s\"}", cases[i].alg);
        ck_assert_uint_eq(mrc_key_get_algs(first_of(text, cases[i].algs, 1, &keys)), ED25519);
        mrc_keyset_free(keys);
    }
    refuse("{" ED25519_MEMBERS ",\"alg\":\"Ed448\"}", EDDSA,
           "Ed448 does not fit an Ed25519 public key");
    refuse("{\"keys\":[{" ED25519_MEMBERS ",\"alg\":\"Ed25519\"}]}", mrc_alg_set_of(MRC_ALG_ED448),
           "fits none of the configured algorithms");
}
END_TEST

START_TEST(members_that_are_null_or_unused_do_not_count)
{
    struct mrc_keyset *keys = NULL;
    const struct mrc_key *key;

    key = first_of("{" P256_MEMBERS ",\"use\":null,\"alg\":null,\"key_ops\":null,\"kid\":null,"
                   "\"d\":null,\"x5c\":null,\"x5u\":null}",
                   ES256, 1, &keys);
    ck_assert_ptr_null(mrc_key_get_kid(key));
    mrc_keyset_free(keys);
    first_of("{\"keys\":[{" P256_MEMBERS ",\"use\":null,\"alg\":null,\"key_ops\":null,"
             "\"d\":null,\"name\":\"a\\u0000b\",\"\\ud800\":\"\\ud83d\"}],\"x\":\"\\u0000\"}",
             ES256, 1, &keys);
    mrc_keyset_free(keys);
    first_of("{" P256_MEMBERS ",\"name\":\"a\\u0000b\",\"x5c\":"
             "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]}",
             ES256, 1, &keys);
    mrc_keyset_free(keys);
    refuse("{\"kty\":null}", ES256, "has no member kty");
    refuse("{\"kty\":\"EC\",\"crv\":null}", ES256, "crv is missing");
    refuse("{\"kty\":\"oct\",\"k\":null}", HS256, "k is missing");
    refuse("{\"keys\":null}", ES256, "member keys is not an array");
    refuse("{" P256_MEMBERS ",\"kid\":\"a\\u0000\"}", ES256, "a NUL character");
}
END_TEST

START_TEST(refuses_malformed_jwks)
{
    char text[8192], big[6001];

    refuse("{\"kty\":\"EC\",\"crv\":\"P-256\"", ES256, "an unexpected end");
    refuse("{\"kty\":\"XYZ\"}", ES256, "type \"XYZ\" is not supported");
    refuse("{\"kty\":1}", ES256, "has no member kty");
    refuse("{\"a\":1}", HS256, "neither a JWK (with a member kty) nor a JWK Set");
    refuse("{" RSA_MEMBERS ",\"e\":\"AQAB\"}", RS256, "a duplicate member");
    refuse("{\"kty\":\"RSA\",\"e\":\"AQAB\"}", RS256, "member n is missing");
    refuse("{\"kty\":\"RSA\",\"n\":\"" RSA_N "\",\"e\":\"\"}", RS256, "member e is empty");
    refuse("{\"kty\":\"RSA\",\"n\":\"" RSA_N "\",\"e\":\"AQAB=\"}", RS256,
           "e is too long, or not base64url");
    refuse("{\"kty\":\"RSA\",\"n\":\"" RSA_N "==\",\"e\":\"AQAB\"}", RS256,
           "n is too long, or not base64url");
    refuse("{\"kty\":\"oct\",\"k\":\"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\"}", HS256,
           "k is too long, or not base64url");
    refuse("{\"kty\":\"oct\",\"k\":\"\"}", HS256, "k is empty");
    refuse("{\"kty\":\"oct\",\"k\":\"c2hvcnQ\"}", HS256, "has 5 bytes");
    refuse("{\"kty\":\"EC\",\"x\":\"AA\",\"y\":\"AA\"}", ES256, "crv is missing");
    refuse("{\"kty\":\"EC\",\"crv\":\"secp256k1\",\"x\":\"AA\",\"y\":\"AA\"}", ES256,
           "curve \"secp256k1\" is not supported");
    refuse("{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AA\",\"y\":\"AA\"}", ES256,
           "x and y must have 32 bytes");
    /* The y of another point, so the point is not on the curve. */
    refuse(
        "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4\","
        "\"y\":\"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4\"}",
        ES256, "not a valid EC public key");
    refuse("{\"kty\":\"OKP\",\"crv\":\"X25519\",\"x\":\"11qYAYKxCrfVS_"
           "7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}",
           EDDSA, "curve \"X25519\" is not for signatures");
    refuse("{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"AAAA\"}", EDDSA, "not a valid ED25519");
    memset(big, 'A', sizeof(big) - 1);
    big[sizeof(big) - 1] = '\0';
    snprintf(text, sizeof(text), "{\"kty\":\"oct\",\"k\":\"%s\"}", big);
    refuse(text, HS256, "is too long");
}
END_TEST

START_TEST(private_keys_are_refused)
{
    EVP_PKEY *pkey = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
    char *pem = pem_of(pkey, true), *public_pem = pem_of(pkey, false), both[2048];

    refuse(pem, ES256, "private key");
    snprintf(both, sizeof(both), "%s%s", public_pem, pem);
    refuse(both, ES256, "private key");
    refuse("-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"
           "-----BEGIN EC PRIVATE KEY-----\nAAAA\n-----END EC PRIVATE KEY-----\n",
           ES256, "private key");
    refuse("-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
           ES256, "private key");
    refuse("-----BEGIN PRIVATE KEY-----\nno base64!\n", HS256, "private key");
    refuse("{" P256_MEMBERS ",\"d\":\"870MB6gfuTJ4HtUnUvYMyJpr5eUZNP4Bk43bVdj3eAE\"}", ES256,
           "private key");
    refuse("{\"keys\":[{" ED25519_MEMBERS "},{" P256_MEMBERS ",\"d\":\"AA\"}]}", EDDSA,
           "key 2 of the JWK Set is a private key");
    free(pem);
    free(public_pem);
    EVP_PKEY_free(pkey);
}
END_TEST

START_TEST(bounds_of_rsa)
{
    EVP_PKEY *small = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2040);
    char *pem = pem_of(small, false), text[4096], n[2800];
    size_t len;

    refuse(pem, RS256, "has 2040 bits: make a new one with 2048 to 16384");
    free(pem);
    EVP_PKEY_free(small);
    /* 2049 bytes, all ones: 16392 bits. */
    len = mrc_base64url_encoded_len(2049);
    memset(n, '_', len);
    n[len] = '\0';
    snprintf(text, sizeof(text), "{\"kty\":\"RSA\",\"n\":\"%s\",\"e\":\"AQAB\"}", n);
    refuse(text, RS256, "has 16392 bits");
    refuse("{\"kty\":\"RSA\",\"n\":\"" RSA_N "\",\"e\":\"AQ\"}", RS256, "unacceptable");
    refuse("{\"kty\":\"RSA\",\"n\":\"" RSA_N "\",\"e\":\"Ag\"}", RS256, "unacceptable");
    refuse("{\"kty\":\"RSA\",\"n\":\"" RSA_N "\",\"e\":\"____________\"}", RS256, "unacceptable");
}
END_TEST

START_TEST(pem_of_many_kinds)
{
    static const struct {
        const char *type, *curve, *kind;
        enum mrc_alg alg;
    } cases[] = {
        {"EC", "P-256", "an EC public key on P-256", MRC_ALG_ES256},
        {"EC", "P-384", "an EC public key on P-384", MRC_ALG_ES384},
        {"EC", "P-521", "an EC public key on P-521", MRC_ALG_ES512},
        {"ED25519", NULL, "an Ed25519 public key", MRC_ALG_ED25519},
        {"ED448", NULL, "an Ed448 public key", MRC_ALG_ED448},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        EVP_PKEY *pkey = EVP_PKEY_Q_keygen(NULL, NULL, cases[i].type, cases[i].curve);
        char *pem = pem_of(pkey, false), text[2048];
        struct mrc_keyset *keys = NULL;
        const struct mrc_key *key;

        snprintf(text, sizeof(text), "a comment before it\n%s", pem);
        key = first_of(text, mrc_alg_set_of(cases[i].alg), 1, &keys);
        ck_assert_str_eq(mrc_key_get_kind(key), cases[i].kind);
        mrc_keyset_free(keys);
        refuse(text, HS256, "would let anybody sign");
        free(pem);
        EVP_PKEY_free(pkey);
    }
}
END_TEST

START_TEST(refuses_other_pem)
{
    EVP_PKEY *pkey = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "secp256k1"), *pss, *x25519;
    EVP_PKEY *good = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
    char *pem = pem_of(pkey, false), *good_pem = pem_of(good, false), two[2048];
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA-PSS", NULL);

    refuse(pem, ES256, "a curve other than P-256, P-384 and P-521");
    free(pem);
    x25519 = EVP_PKEY_Q_keygen(NULL, NULL, "X25519");
    pem = pem_of(x25519, false);
    refuse(pem, EDDSA, "of a type other than");
    free(pem);
    pss = NULL;
    ck_assert_int_eq(EVP_PKEY_keygen_init(ctx), 1);
    ck_assert_int_eq(EVP_PKEY_keygen(ctx, &pss), 1);
    pem = pem_of(pss, false);
    refuse(pem, mrc_alg_set_of(MRC_ALG_PS256), "of a type other than");
    free(pem);
    refuse("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", ES256, "cannot be read");
    refuse("-----BEGIN PUBLIC KEY-----\nAAAA\n", ES256, "holds no complete block");
    refuse("-----BEGIN PUBLIC KEY-----\nAAAA\n", HS256, "holds no complete block");
    refuse("-----BEGIN PUBLIC KEY-----\\nAAAA\\n-----END PUBLIC KEY-----\\n", ES256,
           "its line ends are written as \\n");
    refuse("-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n", ES256,
           "\"X509 CRL\" is neither");
    snprintf(two, sizeof(two), "%s%s", good_pem, good_pem);
    refuse(two, ES256, "several public keys");
    free(good_pem);
    EVP_PKEY_CTX_free(ctx);
    EVP_PKEY_free(pkey);
    EVP_PKEY_free(pss);
    EVP_PKEY_free(x25519);
    EVP_PKEY_free(good);
}
END_TEST

/* A key with an extra byte after it. */
START_TEST(refuses_pem_with_bytes_after_the_key)
{
    EVP_PKEY *pkey = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
    unsigned char *der = NULL, more[256] = "";
    int len = i2d_PUBKEY(pkey, &der);
    BIO *bio = BIO_new(BIO_s_mem());
    char *data, *pem;
    long pem_len;

    ck_assert_int_gt(len, 0);
    memcpy(more, der, (size_t)len);
    PEM_write_bio(bio, PEM_STRING_PUBLIC, "", more, len + 1);
    pem_len = BIO_get_mem_data(bio, &data);
    pem = strndup(data, (size_t)pem_len);
    refuse(pem, ES256, "cannot be read");
    free(pem);
    BIO_free(bio);
    OPENSSL_free(der);
    EVP_PKEY_free(pkey);
}
END_TEST

/* A self-signed certificate for PKEY, in PEM. */
static void add_certificate(EVP_PKEY *pkey, BIO *bio)
{
    X509 *cert = X509_new();

    ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
    X509_gmtime_adj(X509_getm_notBefore(cert), -10);
    X509_gmtime_adj(X509_getm_notAfter(cert), -1); /* its dates do not matter */
    X509_set_pubkey(cert, pkey);
    ck_assert_int_gt(X509_sign(cert, pkey, EVP_sha256()), 0);
    ck_assert_int_eq(PEM_write_bio_X509(bio, cert), 1);
    X509_free(cert);
}

START_TEST(the_first_certificate_counts)
{
    EVP_PKEY *leaf = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
    EVP_PKEY *ca = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-384");
    BIO *bio = BIO_new(BIO_s_mem());
    struct mrc_keyset *keys = NULL;
    char *data, *pem;
    long len;

    add_certificate(leaf, bio);
    add_certificate(ca, bio);
    len = BIO_get_mem_data(bio, &data);
    pem = strndup(data, (size_t)len);
    ck_assert_str_eq(mrc_key_get_kind(first_of(pem, ES256, 1, &keys)), "an EC public key on P-256");
    mrc_keyset_free(keys);
    refuse(pem, HS256, "would let anybody sign");
    free(pem);
    BIO_free(bio);
    EVP_PKEY_free(leaf);
    EVP_PKEY_free(ca);
}
END_TEST

START_TEST(public_keys_in_other_forms_are_not_secrets)
{
    EVP_PKEY *pkey = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
    unsigned char *der = NULL;
    struct mrc_error error = {""};
    struct mrc_keyset *keys = NULL;
    int len = i2d_PUBKEY(pkey, &der);

    ck_assert_int_gt(len, 0);
    ck_assert_int_eq(
        mrc_keyset_parse((struct mrc_bytes){(char *)der, (size_t)len}, HS256, 0, &error, &keys),
        MRC_EINVAL);
    ck_assert_words(error, "neither PEM nor JWK");
    refuse("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ me@example.com", HS256, "neither PEM nor JWK");
    refuse("ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTY me", HS256, "neither PEM nor JWK");
    OPENSSL_free(der);
    EVP_PKEY_free(pkey);
}
END_TEST

START_TEST(jwk_sets_skip_unusable_keys)
{
    static const char set[] =
        "{\"keys\":[{\"kty\":\"XYZ\"},{" RSA_MEMBERS
        ",\"use\":\"enc\"},{\"kty\":\"RSA\",\"n\":1},7,"
        "{\"kty\":\"EC\",\"crv\":\"P-999\"},{" ED25519_MEMBERS ",\"kid\":\"ed\"},"
        "{" RSA_MEMBERS ",\"alg\":\"RS256\",\"kid\":\"rsa\"},{" OCT_MEMBERS
        "}],\"other\":[1e999,-98765432109876543210]}";
    struct mrc_keyset *keys = NULL;

    ck_assert_str_eq(mrc_key_get_kid(first_of(set, EDDSA | RS256, 2, &keys)), "ed");
    ck_assert_uint_eq(mrc_key_get_algs(mrc_keyset_get_key(keys, 0)), ED25519);
    ck_assert_uint_eq(mrc_key_get_algs(mrc_keyset_get_key(keys, 1)), RS256);
    mrc_keyset_free(keys);
    /* A public key never becomes a secret, whatever the configuration says. */
    first_of(set, MRC_ALG_SET_ALL, 2, &keys); /* the secret is too short for HS512 */
    mrc_keyset_free(keys);
    first_of(set, HS256, 1, &keys);
    ck_assert_uint_eq(mrc_key_get_secret_bytes(mrc_keyset_get_key(keys, 0)), 32);
    mrc_keyset_free(keys);
    first_of("{\"keys\":[{" RSA_MEMBERS "}]}", RS256, 1, &keys);
    ck_assert_uint_eq(mrc_key_get_algs(mrc_keyset_get_key(keys, 0)), RS256);
    mrc_keyset_free(keys);
    refuse(set, ES256, "no usable key: the JWK's type \"XYZ\" is not supported");
    refuse("{\"keys\":[]}", ES256, "no usable key: it is empty");
    refuse("{\"keys\":[{" RSA_MEMBERS "}]}", ES256,
           "key 1 is an RSA public key, which fits none of the configured algorithms");
    refuse("{\"keys\":{}}", ES256, "JWK Set's member keys is not an array");
    refuse("{\"keys\":[{" RSA_MEMBERS ",\"kty\":\"RSA\"}]}", RS256, "a duplicate member");
    refuse("{\"keys\":[{" RSA_MEMBERS "}", RS256, "this looks like a JWK or a JWK Set");
    refuse("{\"keys\":[{" RSA_MEMBERS "}", HS256, "this looks like a JWK or a JWK Set");
}
END_TEST

START_TEST(network_sources_hold_jwk_sets_only)
{
    static const char *const others[] = {
        K32,
        "",
        "{",
        "[]",
        "{\"kty\":\"oct\",\"k\":\"" K32 K32 "\"}",
        "{\"keys\":1}",
        "{\"keys\":[]}",
        "\xef\xbb\xbf",
        "\xef\xbb\xbf\xef\xbb\xbf{\"keys\":[{\"kty\":\"oct\",\"k\":\"" K32 K32 "\"}]}",
    };
    struct mrc_keyset *keys = NULL;

    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        ck_assert_int_eq(
            mrc_keyset_parse(mrc_bytes_of(others[i]), HS256, MRC_KEYSET_SET_ONLY, NULL, &keys),
            MRC_EINVAL);
    ck_assert_int_eq(
        mrc_keyset_parse(mrc_bytes_of(" {\"keys\":[{\"kty\":\"oct\",\"k\":\"" K32 K32 "\"}]}\n"),
                         HS256, MRC_KEYSET_SET_ONLY, NULL, &keys),
        MRC_OK);
    mrc_keyset_free(keys);
    ck_assert_int_eq(
        mrc_keyset_parse(
            mrc_bytes_of("\xef\xbb\xbf{\"keys\":[{\"kty\":\"oct\",\"k\":\"" K32 K32 "\"}]}"), HS256,
            MRC_KEYSET_SET_ONLY, NULL, &keys),
        MRC_OK);
    mrc_keyset_free(keys);
}
END_TEST

/* A JWK Set with KEY repeated COUNT times, then the keys MORE. The caller free()s it. */
static char *set_of(const char *key, size_t count, const char *more)
{
    struct mrc_buf buf;

    mrc_buf_init(&buf, MRC_KEYSET_MAX_BYTES);
    mrc_buf_add_str(&buf, "{\"keys\":[");
    for (size_t i = 0; i < count; i++)
        mrc_buf_printf(&buf, "%s%s", i ? "," : "", key);
    mrc_buf_printf(&buf, "%s]}", more);
    return mrc_buf_take(&buf, NULL);
}

/* Only usable keys count, and few of the others cost more than a look. */
START_TEST(large_sets_may_hold_few_usable_keys)
{
    static const char last[] = ",{" ED25519_MEMBERS ",\"kid\":\"last\"}";
    static const char *const unusable[] = {
        "{" ED25519_MEMBERS ",\"use\":\"enc\"}",
        "{" P256_MEMBERS "}",
        "{" OCT_MEMBERS "}",
        "{\"kty\":\"EC\",\"crv\":\"P-521\"}",
        "{" ED25519_MEMBERS ",\"alg\":\"ECDH-ES\"}",
        "7",
    };
    struct mrc_keyset *keys = NULL;

    for (size_t i = 0; i < sizeof(unusable) / sizeof(unusable[0]); i++) {
        char *text = set_of(unusable[i], 1000, last);

        ck_assert_str_eq(mrc_key_get_kid(first_of(text, EDDSA, 1, &keys)), "last");
        mrc_keyset_free(keys);
        free(text);
    }
}
END_TEST

START_TEST(refuses_content_past_the_limits)
{
    struct mrc_keyset *keys = NULL;
    struct mrc_buf buf;
    char *text;

    text = set_of("{" ED25519_MEMBERS "}", MRC_KEYSET_MAX_KEYS, "");
    first_of(text, EDDSA, MRC_KEYSET_MAX_KEYS, &keys);
    mrc_keyset_free(keys);
    free(text);
    text = set_of("{" ED25519_MEMBERS "}", MRC_KEYSET_MAX_KEYS + 1, "");
    refuse(text, EDDSA, "the JWK Set has more than 64 usable keys");
    free(text);
    text = set_of("{\"kty\":\"OKP\",\"crv\":\"Ed25519\"}", MRC_KEYSET_MAX_TRIES - 1,
                  ",{" ED25519_MEMBERS "}");
    first_of(text, EDDSA, 1, &keys);
    mrc_keyset_free(keys);
    free(text);
    text = set_of("{\"kty\":\"OKP\",\"crv\":\"Ed25519\"}", MRC_KEYSET_MAX_TRIES,
                  ",{" ED25519_MEMBERS "}");
    refuse(text, EDDSA, "the JWK Set has more than 256 keys of the configured algorithms");
    free(text);
    mrc_buf_init(&buf, MRC_KEYSET_MAX_BYTES + 1);
    text = mrc_buf_extend(&buf, MRC_KEYSET_MAX_BYTES);
    memset(text, 'x', MRC_KEYSET_MAX_BYTES);
    text = mrc_buf_take(&buf, NULL);
    ck_assert_uint_eq(secret_length(text, HS256), MRC_KEYSET_MAX_BYTES);
    mrc_buf_printf(&buf, "%sx", text);
    free(text);
    text = mrc_buf_take(&buf, NULL);
    refuse(text, HS256, "longer than 262144 bytes");
    free(text);
}
END_TEST

START_TEST(messages_hold_no_key)
{
    struct mrc_error error = {""};
    struct mrc_keyset *keys = NULL;

    ck_assert_int_ne(parse("TOPSECRET", HS256, &error, &keys), MRC_OK);
    ck_assert_ptr_null(strstr(error.text, "TOPS"));
    ck_assert_int_ne(parse("{\"kty\":\"oct\",\"k\":\"TOPSECRET", HS256, &error, &keys), MRC_OK);
    ck_assert_ptr_null(strstr(error.text, "TOPS"));
    ck_assert_int_ne(parse("TOPSECRET${", HS256, &error, &keys), MRC_OK);
    ck_assert_ptr_null(strstr(error.text, "TOPS"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("jwks");
    TCase *tcase = tcase_create("jwks");

    tcase_add_test(tcase, parses_lists_of_algorithms);
    tcase_add_test(tcase, drops_one_line_end_of_a_secret);
    tcase_add_test(tcase, secrets_are_as_long_as_their_hash);
    tcase_add_test(tcase, refuses_undefined_variables);
    tcase_add_test(tcase, keys_must_fit_their_algorithms);
    tcase_add_test(tcase, a_key_fits_one_of_several_algorithms);
    tcase_add_test(tcase, one_jwk);
    tcase_add_test(tcase, restrictions_of_a_jwk_apply);
    tcase_add_test(tcase, an_alg_may_name_its_curve);
    tcase_add_test(tcase, members_that_are_null_or_unused_do_not_count);
    tcase_add_test(tcase, refuses_malformed_jwks);
    tcase_add_test(tcase, private_keys_are_refused);
    tcase_add_test(tcase, bounds_of_rsa);
    tcase_add_test(tcase, pem_of_many_kinds);
    tcase_add_test(tcase, refuses_other_pem);
    tcase_add_test(tcase, refuses_pem_with_bytes_after_the_key);
    tcase_add_test(tcase, the_first_certificate_counts);
    tcase_add_test(tcase, public_keys_in_other_forms_are_not_secrets);
    tcase_add_test(tcase, jwk_sets_skip_unusable_keys);
    tcase_add_test(tcase, network_sources_hold_jwk_sets_only);
    tcase_add_test(tcase, large_sets_may_hold_few_usable_keys);
    tcase_add_test(tcase, refuses_content_past_the_limits);
    tcase_add_test(tcase, messages_hold_no_key);
    tcase_set_timeout(tcase, 60);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
