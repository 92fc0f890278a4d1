/*
 * Measures the cost of verifying a token, for each algorithm, without and with the cache:
 *
 *     make tests/bench/bench_token && tests/bench/bench_token [SECONDS]
 *
 * Prints the CPU time of one thread, in microseconds, for one token with one detail.
 */
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "core/jose/sign.h"
#include "core/token/cache.h"

#define SECRET "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define ISSUER "https://example.com"
#define HUB    "https://hub.example.com/.well-known/mercure"
#define NOW_US 1767225300000000

static const char claims[] =
    "{\"iss\":\"" ISSUER "\",\"aud\":\"" HUB "\",\"exp\":1767225600,\"sub\":\"alice\","
    "\"client_id\":\"" ISSUER "\",\"iat\":1767225300,\"jti\":\"1\",\"authorization_details\":[{"
    "\"type\":\"https://mercure.rocks/authorization-detail\",\"actions\":[\"publish\"],"
    "\"topics\":[{\"match\":\"https://example.com/books/1\"}]}]}";

static void die(const char *what)
{
    fprintf(stderr, "bench_token: %s\n", what);
    exit(1);
}

static double cpu_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static char *to_pem(EVP_PKEY *pkey, bool is_private)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *data, *pem;
    long len;

    if (is_private)
        PEM_write_bio_PrivateKey(bio, pkey, NULL, NULL, 0, NULL, NULL);
    else
        PEM_write_bio_PUBKEY(bio, pkey);
    len = BIO_get_mem_data(bio, &data);
    pem = strndup(data, (size_t)len);
    BIO_free(bio);
    return pem;
}

static EVP_PKEY *generate(enum mrc_alg alg)
{
    if (mrc_alg_set_of(alg) & MRC_ALG_SET_RSA)
        return EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048);
    if (mrc_alg_set_of(alg) & MRC_ALG_SET_EDDSA)
        return EVP_PKEY_Q_keygen(NULL, NULL, alg == MRC_ALG_ED448 ? "ED448" : "ED25519");
    return EVP_PKEY_Q_keygen(NULL, NULL, "EC",
                             alg == MRC_ALG_ES256   ? "P-256"
                             : alg == MRC_ALG_ES384 ? "P-384"
                                                    : "P-521");
}

/* Microseconds for one verification, with CACHE, or without if it is NULL. */
static double measure(struct mrc_token_cache *cache, const char *text,
                      const struct mrc_token_policy *policy, double seconds)
{
    struct mrc_bytes token = mrc_bytes_of(text), scope = mrc_bytes_of("bench");
    double start = cpu_us(), spent;
    struct mrc_error reason = {""};
    long count = 0;

    do {
        for (int i = 0; i < 20; i++, count++) {
            struct mrc_token *verified = NULL;
            enum mrc_err err = cache ? mrc_token_cache_verify(cache, scope, token, policy, NOW_US,
                                                              &reason, &verified)
                                     : mrc_token_verify(token, policy, NOW_US, &reason, &verified);

            if (err)
                die(reason.text);
            mrc_token_unref(verified);
        }
        spent = cpu_us() - start;
    } while (spent < seconds * 1e6);
    return spent / (double)count;
}

static void bench(enum mrc_alg alg, struct mrc_token_cache *cache, double seconds)
{
    bool is_secret = (mrc_alg_set_of(alg) & MRC_ALG_SET_HMAC) != 0;
    EVP_PKEY *pkey = is_secret ? NULL : generate(alg);
    char *private_key = is_secret ? strdup(SECRET) : to_pem(pkey, true);
    char *public_key = is_secret ? strdup(SECRET) : to_pem(pkey, false);
    const char *audiences[] = {HUB};
    struct mrc_token_trust trust = {ISSUER, mrc_alg_set_of(alg), NULL};
    struct mrc_token_policy policy = {
        .trust = &trust,
        .trust_count = 1,
        .audiences = audiences,
        .audience_count = 1,
        .base = HUB,
        .limits = {100, 1000, 4096},
    };
    struct mrc_keyset *keys = NULL;
    char header[64], *token = NULL;

    snprintf(header, sizeof(header), "{\"alg\":\"%s\",\"typ\":\"at+jwt\"}", mrc_alg_name(alg));
    if (mrc_keyset_parse(mrc_bytes_of(public_key), mrc_alg_set_of(alg), 0, NULL, &keys) ||
        mrc_sign_jws(alg, mrc_bytes_of(private_key), mrc_bytes_of(header), mrc_bytes_of(claims),
                     NULL, &token))
        die("the token cannot be signed");
    trust.keys = keys;
    printf("%-7s %9.1f us %9.2f us cached\n", mrc_alg_name(alg),
           measure(NULL, token, &policy, seconds), measure(cache, token, &policy, seconds / 4));
    mrc_keyset_free(keys);
    EVP_PKEY_free(pkey);
    free(private_key);
    free(public_key);
    free(token);
}

int main(int argc, char **argv)
{
    double seconds = argc > 1 ? strtod(argv[1], NULL) : 1;
    struct mrc_token_cache *cache = NULL;

    if (mrc_token_cache_create(1000, &cache))
        die("out of memory");
    for (enum mrc_alg alg = 0; alg < MRC_ALG_COUNT; alg++)
        bench(alg, cache, seconds);
    mrc_token_cache_free(cache);
    return 0;
}
