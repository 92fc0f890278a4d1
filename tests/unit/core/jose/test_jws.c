#include "core/jose/jws.h"

#include <jansson.h>
#include <openssl/err.h>
#include <openssl/hmac.h>
#include <openssl/rsa.h>
#include <pthread.h>

#include "core/base/base64url.h"
#include "tokens.h"

/* ---- signatures of other implementations ------------------------------------------------------*/

static json_t *load(const char *name)
{
    char path[1024];
    json_error_t error;
    json_t *value;

    snprintf(path, sizeof(path), "%s/%s", VECTORS_DIR, name);
    value = json_load_file(path, 0, &error);
    ck_assert_msg(value != NULL, "%s: %s", path, error.text);
    return value;
}

/* JWK without its private members, as JSON that the caller free()s. */
static char *public_text(const json_t *jwk)
{
    static const char *const members[] = {"d", "p", "q", "dp", "dq", "qi"};
    json_t *copy = json_copy((json_t *)jwk);
    char *text;

    for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++)
        json_object_del(copy, members[i]);
    text = json_dumps(copy, 0);
    json_decref(copy);
    return text;
}

/* Parses TOKEN and verifies it with KEYS; all algorithms are allowed. */
static enum mrc_err check(struct mrc_bytes token, const struct mrc_keyset *keys,
                          struct mrc_error *error)
{
    struct mrc_jws_keys row = {MRC_ALG_SET_ALL, keys};
    struct mrc_jws *jws = NULL;
    enum mrc_err err = mrc_jws_parse(token, error, &jws);

    if (!err)
        err = mrc_jws_verify(jws, &row, 1, error);
    mrc_jws_free(jws);
    ck_assert_uint_eq(ERR_peek_error(), 0);
    return err;
}

static void check_example(const char *name)
{
    json_t *example = load(name), *input = json_object_get(example, "input");
    const char *alg_name = json_string_value(json_object_get(input, "alg"));
    const char *token =
        json_string_value(json_object_get(json_object_get(example, "output"), "compact"));
    char *key = public_text(json_object_get(input, "key")), *altered = strdup(token);
    struct mrc_error error = {""};
    struct mrc_jws *jws = NULL;
    struct mrc_keyset *keys;
    mrc_alg_set algs;

    ck_assert_int_eq(mrc_alg_parse(mrc_bytes_of(alg_name), &algs), MRC_OK);
    keys = keys_of(key, algs);
    ck_assert_msg(check(mrc_bytes_of(token), keys, &error) == MRC_OK, "%s: %s", name, error.text);
    ck_assert_int_eq(mrc_jws_parse(mrc_bytes_of(token), NULL, &jws), MRC_OK);
    ck_assert_uint_eq(mrc_jws_get_algs(jws), algs);
    ck_assert_str_eq(mrc_jws_get_alg_name(jws), alg_name);
    ck_assert_bytes_eq(mrc_jws_get_payload(jws),
                       json_string_value(json_object_get(input, "payload")));
    mrc_jws_free(jws);
    /* Fails unless TOKEN is refused with another character at any place of payload or signature. */
    for (size_t i = (size_t)(strchr(token, '.') - token) + 1; token[i]; i++) {
        if (token[i] == '.')
            continue;
        altered[i] = token[i] == 'A' ? 'Q' : 'A';
        ck_assert_msg(check(mrc_bytes_of(altered), keys, NULL) == MRC_EINVAL, "%s: byte %zu", name,
                      i);
        altered[i] = token[i];
        if (i > 40 && i + 8 < strlen(token))
            i += 6; /* a signature is long, and ES512 is slow */
    }
    mrc_keyset_free(keys);
    json_decref(example);
    free(altered);
    free(key);
}

START_TEST(rfc_7520_rsa)
{
    check_example("jose/jws/4_1.rsa_v15_signature.json");
}
END_TEST

START_TEST(rfc_7520_rsa_pss)
{
    check_example("jose/jws/4_2.rsa-pss_signature.json");
}
END_TEST

START_TEST(rfc_7520_ecdsa)
{
    check_example("jose/jws/4_3.ecdsa_signature.json");
}
END_TEST

START_TEST(rfc_7520_hmac)
{
    check_example("jose/jws/4_4.hmac-sha2_integrity_protection.json");
}
END_TEST

START_TEST(rfc_8037_ed25519)
{
    check_example("jose/curve25519/jws.json");
}
END_TEST

START_TEST(rfc_7520_keys)
{
    static const struct {
        const char *name;
        enum mrc_alg alg;
        bool is_private;
    } cases[] = {
        {"jose/jwk/3_1.ec_public_key.json", MRC_ALG_ES512, false},
        {"jose/jwk/3_2.ec_private_key.json", MRC_ALG_ES512, true},
        {"jose/jwk/3_3.rsa_public_key.json", MRC_ALG_PS256, false},
        {"jose/jwk/3_4.rsa_private_key.json", MRC_ALG_RS256, true},
        {"jose/jwk/3_5.symmetric_key_mac_computation.json", MRC_ALG_HS256, false},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        json_t *jwk = load(cases[i].name);
        char *text = json_dumps(jwk, 0);
        struct mrc_error error = {""};
        struct mrc_keyset *keys = NULL;
        enum mrc_err err =
            mrc_keyset_parse(mrc_bytes_of(text), mrc_alg_set_of(cases[i].alg), 0, &error, &keys);

        ck_assert_msg((err != MRC_OK) == cases[i].is_private, "%s: %s", cases[i].name, error.text);
        mrc_keyset_free(keys);
        json_decref(jwk);
        free(text);
    }
}
END_TEST

/* A missing payload, or one that is not base64url, is not allowed in access tokens. */
START_TEST(detached_and_unencoded_payloads)
{
    static const char *const names[] = {"jose/jws/4_5.signature_with_detached_content.json",
                                        "jose/rfc7797/hmac-sha2_b64_false.json"};

    for (size_t i = 0; i < 2; i++) {
        json_t *example = load(names[i]), *input = json_object_get(example, "input");
        char *key = json_dumps(json_object_get(input, "key"), 0);
        struct mrc_keyset *keys = keys_of(key, mrc_alg_set_of(MRC_ALG_HS256));
        const char *token =
            json_string_value(json_object_get(json_object_get(example, "output"), "compact"));

        ck_assert_int_eq(check(mrc_bytes_of(token), keys, NULL), MRC_EINVAL);
        mrc_keyset_free(keys);
        json_decref(example);
        free(key);
    }
}
END_TEST

/* The keys of a Wycheproof group; NULL: they are not supported. */
static struct mrc_keyset *wycheproof_keys(const json_t *group)
{
    const json_t *key = json_object_get(group, "public");
    const char *kty;
    struct mrc_keyset *keys = NULL;
    mrc_alg_set algs;
    json_t *set;
    char *text;

    if (!key)
        key = json_object_get(group, "private"); /* a secret */
    kty = json_string_value(json_object_get(key, "kty"));
    algs = MRC_ALG_SET_ALL & ~MRC_ALG_SET_HMAC;
    if (kty && strcmp(kty, "oct") == 0)
        algs = mrc_alg_set_of(MRC_ALG_HS256);
    set = json_object_get(key, "keys") ? json_incref((json_t *)key)
                                       : json_pack("{s:[O]}", "keys", key);
    text = json_dumps(set, 0);
    if (mrc_keyset_parse(mrc_bytes_of(text), algs, 0, NULL, &keys))
        keys = NULL;
    json_decref(set);
    free(text);
    return keys;
}

/*
 * Eight of 401 tests expect something other than this module does: foreign characters in base64url
 * are ignored (372, 373); a key is accepted for an algorithm other than its own `alg`, or its `alg`
 * does not exist (346, 347, 350, 351: PS256 for PS384, ES521); two tests refuse the same text that
 * 357 accepts.
 */
static bool is_odd(json_int_t id)
{
    return id == 346 || id == 347 || id == 350 || id == 351 || id == 367 || id == 370 ||
           id == 372 || id == 373;
}

START_TEST(wycheproof)
{
    json_t *file = load("wycheproof/json_web_signature_test.json");
    size_t g, t, valid = 0, invalid = 0, odd = 0;
    const json_t *group, *test;

    json_array_foreach(json_object_get(file, "testGroups"), g, group)
    {
        struct mrc_keyset *keys = wycheproof_keys(group);

        json_array_foreach(json_object_get(group, "tests"), t, test)
        {
            json_int_t id = json_integer_value(json_object_get(test, "tcId"));
            const json_t *jws = json_object_get(test, "jws");
            char *text = json_is_string(jws) ? strdup(json_string_value(jws)) : json_dumps(jws, 0);
            bool want = strcmp(json_string_value(json_object_get(test, "result")), "valid") == 0;
            bool got = keys && check(mrc_bytes_of(text), keys, NULL) == MRC_OK;

            free(text);
            if (is_odd(id)) {
                ck_assert_msg(want != got, "test %d is no longer odd", (int)id);
                odd++;
                continue;
            }
            ck_assert_msg(want == got, "test %d (%s): want %d", (int)id,
                          json_string_value(json_object_get(test, "comment")), want);
            valid += want;
            invalid += !want;
        }
        mrc_keyset_free(keys);
    }
    ck_assert_uint_eq(odd, 8);
    ck_assert_uint_eq(valid, 40);
    ck_assert_uint_eq(invalid, 353);
    json_decref(file);
}
END_TEST

/* ---- every algorithm, signed here -------------------------------------------------------------*/

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

static char *sign(enum mrc_alg alg, const char *key)
{
    char header[64];

    snprintf(header, sizeof(header), "{\"alg\":\"%s\"}", mrc_alg_name(alg));
    return token_sign(alg, key, header, "payload");
}

/* A token with HEADER, whose `alg` may lie about how it is signed. */
static char *sign_hs256(const char *header)
{
    return token_sign(MRC_ALG_HS256, SECRET, header, "payload");
}

START_TEST(every_algorithm_with_its_key_only)
{
    char *tokens[MRC_ALG_COUNT];
    struct mrc_keyset *keys[MRC_ALG_COUNT];

    for (enum mrc_alg alg = 0; alg < MRC_ALG_COUNT; alg++) {
        bool secret = alg <= MRC_ALG_HS512;
        EVP_PKEY *pkey = secret ? NULL : generate(alg);
        char *private_pem = secret ? strdup(SECRET) : pem_of(pkey, true);
        char *public_pem = secret ? strdup(SECRET) : pem_of(pkey, false);

        tokens[alg] = sign(alg, private_pem);
        keys[alg] = keys_of(public_pem, mrc_alg_set_of(alg));
        free(private_pem);
        free(public_pem);
        EVP_PKEY_free(pkey);
    }
    for (enum mrc_alg alg = 0; alg < MRC_ALG_COUNT; alg++) {
        for (enum mrc_alg other = 0; other < MRC_ALG_COUNT; other++) {
            enum mrc_err err = check(mrc_bytes_of(tokens[alg]), keys[other], NULL);

            ck_assert_msg(err == (alg == other ? MRC_OK : MRC_ENOTFOUND),
                          "%s with a key for %s: %s", mrc_alg_name(alg), mrc_alg_name(other),
                          mrc_strerror(err));
        }
    }
    for (enum mrc_alg alg = 0; alg < MRC_ALG_COUNT; alg++) { /* three more or fewer bytes */
        size_t len = strlen(tokens[alg]);
        char *text = malloc(len + 5);

        memcpy(text, tokens[alg], len);
        memcpy(text + len, "AAAA", 5);
        ck_assert_int_eq(check(mrc_bytes_of(text), keys[alg], NULL), MRC_EINVAL);
        text[len - 4] = '\0';
        ck_assert_int_eq(check(mrc_bytes_of(text), keys[alg], NULL), MRC_EINVAL);
        free(text);
    }
    for (enum mrc_alg alg = 0; alg < MRC_ALG_COUNT; alg++) {
        free(tokens[alg]);
        mrc_keyset_free(keys[alg]);
    }
}
END_TEST

/* Checks a token of PEM with the header ALG against a public key that is configured for ALGS. */
static enum mrc_err check_alg(EVP_PKEY *pkey, enum mrc_alg own, const char *alg, mrc_alg_set algs,
                              struct mrc_error *error)
{
    char *pem = pem_of(pkey, true), *public_pem = pem_of(pkey, false), header[64], *token;
    struct mrc_keyset *keys = keys_of(public_pem, algs);
    enum mrc_err err;

    snprintf(header, sizeof(header), "{\"alg\":\"%s\"}", alg);
    token = token_sign(own, pem, header, "payload");
    err = check(mrc_bytes_of(token), keys, error);
    free(token);
    mrc_keyset_free(keys);
    free(pem);
    free(public_pem);
    return err;
}

/* RFC 9864: Ed25519 and Ed448 are EdDSA with that curve. */
START_TEST(eddsa_and_its_curves_are_the_same_algorithm)
{
    const mrc_alg_set ed25519 = mrc_alg_set_of(MRC_ALG_ED25519);
    const mrc_alg_set ed448 = mrc_alg_set_of(MRC_ALG_ED448);
    struct mrc_error error = {""};
    EVP_PKEY *small = generate(MRC_ALG_ED25519), *large = generate(MRC_ALG_ED448);

    for (int i = 0; i < 2; i++) {
        mrc_alg_set algs = i ? MRC_ALG_SET_EDDSA : ed25519;

        ck_assert_int_eq(check_alg(small, MRC_ALG_ED25519, "EdDSA", algs, NULL), MRC_OK);
        ck_assert_int_eq(check_alg(small, MRC_ALG_ED25519, "Ed25519", algs, NULL), MRC_OK);
        algs = i ? MRC_ALG_SET_EDDSA : ed448;
        ck_assert_int_eq(check_alg(large, MRC_ALG_ED448, "EdDSA", algs, NULL), MRC_OK);
        ck_assert_int_eq(check_alg(large, MRC_ALG_ED448, "Ed448", algs, NULL), MRC_OK);
    }
    ck_assert_int_eq(check_alg(small, MRC_ALG_ED25519, "Ed448", MRC_ALG_SET_EDDSA, &error),
                     MRC_ENOTFOUND);
    ck_assert_words(error, "no key of this issuer is for Ed448");
    ck_assert_int_eq(check_alg(large, MRC_ALG_ED448, "Ed25519", MRC_ALG_SET_EDDSA, NULL),
                     MRC_ENOTFOUND);
    EVP_PKEY_free(small);
    EVP_PKEY_free(large);
}
END_TEST

START_TEST(keys_verify_only_their_algorithms)
{
    struct mrc_keyset *keys = keys_of(SECRET, mrc_alg_set_of(MRC_ALG_HS256));
    const struct mrc_key *key = mrc_keyset_get_key(keys, 0);
    unsigned char mac[EVP_MAX_MD_SIZE];
    unsigned int len;

    HMAC(EVP_sha512(), SECRET, (int)strlen(SECRET), (const unsigned char *)"data", 4, mac, &len);
    ck_assert_int_eq(mrc_key_verify(key, MRC_ALG_HS512, mrc_bytes_of("data"),
                                    (struct mrc_bytes){(char *)mac, len}),
                     MRC_EINVAL);
    HMAC(EVP_sha256(), SECRET, (int)strlen(SECRET), (const unsigned char *)"data", 4, mac, &len);
    ck_assert_int_eq(mrc_key_verify(key, MRC_ALG_HS256, mrc_bytes_of("data"),
                                    (struct mrc_bytes){(char *)mac, len}),
                     MRC_OK);
    mrc_keyset_free(keys);
}
END_TEST

/* Errors that are already in OpenSSL's queue stay there. */
START_TEST(keeps_the_openssl_error_queue)
{
    EVP_PKEY *pkey = generate(MRC_ALG_ES256);
    char *pem = pem_of(pkey, false), zeros[64] = "";
    struct mrc_keyset *keys = keys_of(pem, mrc_alg_set_of(MRC_ALG_ES256)), *none = NULL;

    ERR_raise(ERR_LIB_USER, 77);
    ck_assert_int_eq(mrc_key_verify(mrc_keyset_get_key(keys, 0), MRC_ALG_ES256,
                                    mrc_bytes_of("data"), (struct mrc_bytes){zeros, 64}),
                     MRC_EINVAL);
    ck_assert_int_ne(mrc_keyset_parse(mrc_bytes_of("-----BEGIN PUBLIC KEY-----\nAAAA\n"
                                                   "-----END PUBLIC KEY-----\n"),
                                      MRC_ALG_SET_ALL, 0, NULL, &none),
                     MRC_OK);
    ck_assert_int_eq(ERR_GET_REASON(ERR_get_error()), 77);
    ck_assert_uint_eq(ERR_get_error(), 0);
    mrc_keyset_free(keys);
    free(pem);
    EVP_PKEY_free(pkey);
}
END_TEST

START_TEST(enforces_the_configured_algorithms)
{
    struct mrc_keyset *keys = keys_of(SECRET, MRC_ALG_SET_HMAC);
    struct mrc_jws_keys row = {mrc_alg_set_of(MRC_ALG_HS512), keys};
    char *token = sign_hs256("{\"alg\":\"HS256\"}");
    struct mrc_error error = {""};
    struct mrc_jws *jws = NULL;

    ck_assert_int_eq(mrc_jws_parse(mrc_bytes_of(token), NULL, &jws), MRC_OK);
    ck_assert_int_eq(mrc_jws_verify(jws, &row, 1, &error), MRC_EINVAL);
    ck_assert_words(error, "HS256 is not configured for this issuer (HS512 is)");
    ck_assert_int_eq(mrc_jws_verify(jws, &row, 0, &error), MRC_EINVAL);
    row.algs = MRC_ALG_SET_HMAC;
    ck_assert_int_eq(mrc_jws_verify(jws, &row, 1, &error), MRC_OK);
    mrc_jws_free(jws);
    mrc_keyset_free(keys);
    free(token);
}
END_TEST

/* What the threads that verify with shared keys use. */
struct shared {
    struct mrc_keyset *keys;
    char *token;
};

static void *verify_often(void *arg)
{
    const struct shared *shared = arg;
    bool ok = true;

    for (int i = 0; i < 50; i++)
        ok = check(mrc_bytes_of(shared->token), shared->keys, NULL) == MRC_OK && ok;
    return ok ? arg : NULL;
}

START_TEST(threads_share_keys)
{
    static const enum mrc_alg algs[] = {MRC_ALG_RS256, MRC_ALG_ES256, MRC_ALG_ED25519};

    for (size_t i = 0; i < sizeof(algs) / sizeof(algs[0]); i++) {
        EVP_PKEY *pkey = generate(algs[i]);
        char *pem = pem_of(pkey, true), *public_pem = pem_of(pkey, false);
        struct shared shared = {keys_of(public_pem, mrc_alg_set_of(algs[i])), sign(algs[i], pem)};
        pthread_t threads[4];

        for (int t = 0; t < 4; t++)
            ck_assert_int_eq(pthread_create(&threads[t], NULL, verify_often, &shared), 0);
        for (int t = 0; t < 4; t++) {
            void *result;

            ck_assert_int_eq(pthread_join(threads[t], &result), 0);
            ck_assert_ptr_nonnull(result);
        }
        mrc_keyset_free(shared.keys);
        free(shared.token);
        free(pem);
        free(public_pem);
        EVP_PKEY_free(pkey);
    }
}
END_TEST

/* ---- attacks ----------------------------------------------------------------------------------*/

/* Fails unless a hub with SECRET refuses TOKEN for a reason that holds WORDS. */
static void refuse(const char *token, const char *words)
{
    struct mrc_keyset *keys = keys_of(SECRET, MRC_ALG_SET_HMAC);
    struct mrc_error error = {""};

    ck_assert_int_ne(check(mrc_bytes_of(token), keys, &error), MRC_OK);
    ck_assert_words(error, words);
    mrc_keyset_free(keys);
}

static void refuse_header(const char *header, const char *words)
{
    char *token = sign_hs256(header);

    refuse(token, words);
    free(token);
}

static void accept_header(const char *header)
{
    struct mrc_keyset *keys = keys_of(SECRET, MRC_ALG_SET_HMAC);
    char *token = sign_hs256(header);
    struct mrc_error error = {""};

    ck_assert_msg(check(mrc_bytes_of(token), keys, &error) == MRC_OK, "%s: %s", header, error.text);
    mrc_keyset_free(keys);
    free(token);
}

START_TEST(alg_none)
{
    static const char *const names[] = {"none", "None",  "NONE",  "nOnE",
                                        "",     "HS255", "hs256", "HS256 "};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char header[64], *token;

        snprintf(header, sizeof(header), "{\"alg\":\"%s\"}", names[i]);
        refuse_header(header, "is not accepted");
        token = sign_hs256(header);
        token[strlen(token) - 43] = '\0'; /* and without a signature */
        refuse(token, "is not accepted");
        free(token);
    }
    refuse_header("{}", "no alg");
    refuse_header("{\"alg\":null}", "alg is not a string");
    refuse_header("{\"alg\":[\"HS256\"]}", "alg is not a string");
}
END_TEST

/* The public key, which an attacker has, used as the secret of an HMAC. */
START_TEST(public_key_as_secret)
{
    EVP_PKEY *pkey = generate(MRC_ALG_RS256);
    char *pem = pem_of(pkey, false);
    struct mrc_keyset *keys = keys_of(pem, mrc_alg_set_of(MRC_ALG_RS256));
    char *forged;

    for (int with_end = 0; with_end < 2; with_end++) {
        struct mrc_error error = {""};

        forged = token_sign(MRC_ALG_HS256, pem, "{\"alg\":\"HS256\"}", "payload");
        ck_assert_int_eq(check(mrc_bytes_of(forged), keys, &error), MRC_ENOTFOUND);
        ck_assert_words(error, "no key of this issuer is for HS256");
        free(forged);
        forged = token_sign(MRC_ALG_HS256, pem, "{\"alg\":\"RS256\"}", "payload");
        ck_assert_int_eq(check(mrc_bytes_of(forged), keys, &error), MRC_EINVAL);
        free(forged);
        pem[strlen(pem) - 1] = '\0';
    }
    mrc_keyset_free(keys);
    free(pem);
    EVP_PKEY_free(pkey);
}
END_TEST

START_TEST(ignores_keys_in_the_header)
{
    EVP_PKEY *pkey = generate(MRC_ALG_ED25519), *own = generate(MRC_ALG_ED25519);
    char *pem = pem_of(pkey, true), *own_pem = pem_of(own, false), header[512], *token;
    struct mrc_keyset *keys = keys_of(own_pem, mrc_alg_set_of(MRC_ALG_ED25519));
    unsigned char raw[32];
    size_t len = sizeof(raw);
    struct mrc_buf x;

    ck_assert_int_eq(EVP_PKEY_get_raw_public_key(pkey, raw, &len), 1);
    mrc_buf_init(&x, 64);
    mrc_base64url_encode((struct mrc_bytes){(char *)raw, len}, &x);
    snprintf(
        header, sizeof(header),
        "{\"alg\":\"EdDSA\",\"jwk\":{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"%.*s\"},"
        "\"jku\":\"https://evil.example/\",\"x5u\":\"https://evil.example/\",\"x5c\":[\"AAAA\"]}",
        (int)x.len, x.ptr);
    token = token_sign(MRC_ALG_ED25519, pem, header, "payload");
    ck_assert_int_eq(check(mrc_bytes_of(token), keys, NULL), MRC_EINVAL);
    free(token);
    accept_header("{\"alg\":\"HS256\",\"jwk\":{\"kty\":\"oct\",\"k\":\"AA\"},\"x5c\":7}");
    mrc_buf_free(&x);
    mrc_keyset_free(keys);
    free(pem);
    free(own_pem);
    EVP_PKEY_free(pkey);
    EVP_PKEY_free(own);
}
END_TEST

START_TEST(critical_extensions)
{
    refuse_header("{\"alg\":\"HS256\",\"crit\":[\"exp\"],\"exp\":1}", "(crit)");
    refuse_header("{\"alg\":\"HS256\",\"crit\":[]}", "(crit)");
    refuse_header("{\"alg\":\"HS256\",\"crit\":null}", "(crit)");
    refuse_header("{\"alg\":\"HS256\",\"crit\":[\"b64\"],\"b64\":true}", "(crit)");
    refuse_header("{\"alg\":\"HS256\",\"b64\":false}", "(b64)");
    refuse_header("{\"alg\":\"HS256\",\"b64\":true}", "(b64)");
    accept_header("{\"alg\":\"HS256\",\"zip\":\"DEF\",\"cty\":\"JWT\",\"x\":{\"y\":[]}}");
    accept_header("{\"alg\":\"HS256\",\"x\":1e999,\"y\":-98765432109876543210}");
}
END_TEST

START_TEST(refuses_headers_that_are_not_objects)
{
    char text[256];

    refuse_header("", "the token's header is not valid JSON");
    refuse_header("[]", "not an object");
    refuse_header("\"alg\"", "not valid JSON");
    refuse_header("{\"alg\":\"none\",\"alg\":\"HS256\"}", "a duplicate member");
    refuse_header("{\"alg\":\"HS256\",\"\\u0061lg\":\"none\"}", "a duplicate member");
    refuse_header("{\"alg\":\"HS256\"}{}", "text after the value");
    refuse_header("{\"alg\":\"HS256\"} x", "text after the value");
    refuse_header("{\"alg\":\"HS256\\u0000\"}", "a NUL character");
    refuse_header("{\"alg\":\"HS256\",\"kid\":7}", "kid is not a string");
    refuse_header("{\"alg\":\"HS256\",\"x\":\"\xc0\x80\"}", "invalid UTF-8");
    snprintf(text, sizeof(text), "{\"alg\":\"HS256\",\"x\":%.31s%.31s}",
             "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[", "]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]");
    accept_header(text);
    snprintf(text, sizeof(text), "{\"alg\":\"HS256\",\"x\":%.40s%.40s}",
             "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
             "]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]");
    accept_header(text);
    snprintf(text, sizeof(text), "{\"alg\":\"HS256\",\"kid\":%.32s%.32s}",
             "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[", "]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]");
    refuse_header(text, "more than 32 levels");
    refuse_header("{\"alg\":\"HS256\",\"kid\":\"\\ud800\"}", "half of a surrogate pair");
    refuse_header("{\"alg\":\"HS256\",\"typ\":\"\\u0000\"}", "a NUL character");
    accept_header("{\"alg\":\"HS256\",\"jwk\":{\"kid\":\"\\u0000\"},\"cty\":\"\\ud800\"}");
    refuse_header("{\"alg\":\"HS256\",\"crit\":[\"\\u0000\"]}", "(crit)");
    /* Brackets in strings do not count as levels, and escaped quotes do not end a string. */
    accept_header("{\"alg\":\"HS256\",\"x\":\"\\\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\"}");
}
END_TEST

START_TEST(accepts_three_strict_segments_only)
{
    char *token = sign_hs256("{\"alg\":\"HS256\"}"), *text = malloc(strlen(token) + 16);
    size_t len = strlen(token);
    struct mrc_keyset *keys = keys_of(SECRET, MRC_ALG_SET_HMAC);

    ck_assert_int_eq(check(mrc_bytes_of(token), keys, NULL), MRC_OK);
    for (size_t cut = 0; cut < len; cut++) /* truncated at each place */
        ck_assert_msg(check((struct mrc_bytes){token, cut}, keys, NULL) != MRC_OK, "cut at %zu",
                      cut);
    for (size_t at = 0; at <= len; at++) { /* an extra character at each place */
        static const char more[] = {'=', ' ', '\n', '+', '/', '.', '\0', 'A'};

        for (size_t c = 0; c < sizeof(more); c++) {
            memcpy(text, token, at);
            text[at] = more[c];
            memcpy(text + at + 1, token + at, len - at);
            ck_assert_msg(check((struct mrc_bytes){text, len + 1}, keys, NULL) != MRC_OK,
                          "%d at %zu", more[c], at);
        }
    }
    /* Another encoding of the same bytes: unused bits in the last character of the signature. */
    memcpy(text, token, len + 1);
    text[len - 1] = (char)(text[len - 1] + 1);
    ck_assert_int_eq(check(mrc_bytes_of(text), keys, NULL), MRC_EINVAL);
    refuse("", "three parts separated by dots; this one has 1");
    refuse("a.b", "this one has 2");
    refuse("a.b.c.d", "this one has 4");
    refuse("a.b.c.d.e", "this one has 5, like an encrypted token");
    refuse("..", "the token's header is not valid JSON");
    refuse("{\"payload\":\"\",\"signatures\":[]}", "three parts");
    mrc_keyset_free(keys);
    free(token);
    free(text);
}
END_TEST

START_TEST(refuses_tokens_one_byte_too_long)
{
    struct mrc_keyset *keys = keys_of(SECRET, MRC_ALG_SET_HMAC);
    char *payload = calloc(1, MRC_JWS_MAX_BYTES), *token;
    struct mrc_error error = {""};
    size_t len = 0;

    /* 20 characters of header, 43 of signature, two dots; 49103 bytes are 65471 characters. */
    memset(payload, 'x', 49103);
    token = token_sign(MRC_ALG_HS256, SECRET, "{\"alg\":\"HS256\"}", payload);
    len = strlen(token);
    ck_assert_uint_eq(len, MRC_JWS_MAX_BYTES);
    ck_assert_int_eq(check(mrc_bytes_of(token), keys, &error), MRC_OK);
    free(token);
    memset(payload, 'x', 49104);
    token = token_sign(MRC_ALG_HS256, SECRET, "{\"alg\":\"HS256\"}", payload);
    ck_assert_uint_gt(strlen(token), MRC_JWS_MAX_BYTES);
    ck_assert_int_eq(check(mrc_bytes_of(token), keys, &error), MRC_ELIMIT);
    ck_assert_words(error, "the maximum is 65536");
    mrc_keyset_free(keys);
    free(payload);
    free(token);
}
END_TEST

/* r and s have the exact length and are not zero; DER is refused. */
START_TEST(ecdsa_signatures)
{
    static const enum mrc_alg algs[] = {MRC_ALG_ES256, MRC_ALG_ES384, MRC_ALG_ES512};
    static const size_t halves[] = {32, 48, 66};

    for (size_t i = 0; i < 3; i++) {
        EVP_PKEY *pkey = generate(algs[i]);
        char *pem = pem_of(pkey, false), zeros[140] = "";
        struct mrc_keyset *keys = keys_of(pem, mrc_alg_set_of(algs[i]));
        const struct mrc_key *key = mrc_keyset_get_key(keys, 0);
        struct mrc_bytes data = mrc_bytes_of("data");
        unsigned char der[160], padded[160];
        EVP_MD_CTX *ctx = EVP_MD_CTX_new();
        size_t len = sizeof(der), half = halves[i];

        ck_assert_int_eq(EVP_DigestSignInit(ctx, NULL,
                                            i == 0   ? EVP_sha256()
                                            : i == 1 ? EVP_sha384()
                                                     : EVP_sha512(),
                                            NULL, pkey),
                         1);
        ck_assert_int_eq(EVP_DigestSign(ctx, der, &len, (const unsigned char *)"data", 4), 1);
        ck_assert_int_eq(mrc_key_verify(key, algs[i], data, (struct mrc_bytes){(char *)der, len}),
                         MRC_EINVAL);
        for (size_t n = 0; n <= 2 * half + 1; n++)
            ck_assert_int_eq(mrc_key_verify(key, algs[i], data, (struct mrc_bytes){zeros, n}),
                             MRC_EINVAL);
        memset(padded, 0, sizeof(padded));
        ck_assert_int_eq(
            mrc_key_verify(key, algs[i], data, (struct mrc_bytes){(char *)padded, 2 * half}),
            MRC_EINVAL);
        EVP_MD_CTX_free(ctx);
        mrc_keyset_free(keys);
        free(pem);
        EVP_PKEY_free(pkey);
    }
}
END_TEST

/* ---- kid --------------------------------------------------------------------------------------*/

/* A JWK Set with two secrets, "a" and "b", and perhaps a third one without a name. */
static struct mrc_keyset *named_keys(bool with_unnamed)
{
    char text[1024], k[3][64];

    for (int i = 0; i < 3; i++) {
        char secret[40];
        struct mrc_buf buf;

        mrc_buf_init(&buf, 63);
        snprintf(secret, sizeof(secret), "%c123456789abcdef0123456789abcdef", "abn"[i]);
        mrc_base64url_encode(mrc_bytes_of(secret), &buf);
        snprintf(k[i], sizeof(k[i]), "%.*s", (int)buf.len, buf.ptr);
        mrc_buf_free(&buf);
    }
    snprintf(text, sizeof(text),
             "{\"keys\":[{\"kty\":\"oct\",\"kid\":\"a\",\"k\":\"%s\"},"
             "{\"kty\":\"oct\",\"kid\":\"b\",\"k\":\"%s\"}%s%s%s]}",
             k[0], k[1], with_unnamed ? ",{\"kty\":\"oct\",\"k\":\"" : "", with_unnamed ? k[2] : "",
             with_unnamed ? "\"}" : "");
    return keys_of(text, mrc_alg_set_of(MRC_ALG_HS256));
}

/* The result for a token that the key SIGNER has signed and that names KID. */
static enum mrc_err check_kid(char signer, const char *kid, bool with_unnamed)
{
    struct mrc_keyset *keys = named_keys(with_unnamed);
    char secret[40], header[64], *token;
    struct mrc_error error = {""};
    enum mrc_err err;

    snprintf(secret, sizeof(secret), "%c123456789abcdef0123456789abcdef", signer);
    if (kid)
        snprintf(header, sizeof(header), "{\"alg\":\"HS256\",\"kid\":\"%s\"}", kid);
    else
        snprintf(header, sizeof(header), "{\"alg\":\"HS256\"}");
    token = token_sign(MRC_ALG_HS256, secret, header, "payload");
    err = check(mrc_bytes_of(token), keys, &error);
    if (err == MRC_ENOTFOUND)
        ck_assert_words(error, "no key of this issuer has that kid; there is \"a\" and others");
    mrc_keyset_free(keys);
    free(token);
    return err;
}

START_TEST(kid_is_a_hint)
{
    ck_assert_int_eq(check_kid('a', "a", false), MRC_OK);
    ck_assert_int_eq(check_kid('b', "b", false), MRC_OK);
    ck_assert_int_eq(check_kid('b', "a", false), MRC_EINVAL);
    ck_assert_int_eq(check_kid('b', NULL, false), MRC_OK);
    ck_assert_int_eq(check_kid('x', NULL, false), MRC_EINVAL);
    ck_assert_int_eq(check_kid('a', "A", false), MRC_ENOTFOUND);
    ck_assert_int_eq(check_kid('a', "", false), MRC_ENOTFOUND);
    ck_assert_int_eq(check_kid('a', "../../a", false), MRC_ENOTFOUND);
    /* If no key has the name, the keys without a name are tried. */
    ck_assert_int_eq(check_kid('n', "c", true), MRC_OK);
    ck_assert_int_eq(check_kid('n', NULL, true), MRC_OK);
    ck_assert_int_eq(check_kid('n', "a", true), MRC_EINVAL);
    ck_assert_int_eq(check_kid('a', "c", true), MRC_EINVAL);
}
END_TEST

START_TEST(bounds_the_number_of_tried_keys)
{
    struct mrc_keyset *keys = keys_of(SECRET, MRC_ALG_SET_HMAC);
    struct mrc_jws_keys rows[MRC_JWS_MAX_TRIES + 1];
    char *token = sign_hs256("{\"alg\":\"HS256\"}");
    struct mrc_error error = {""};
    struct mrc_jws *jws = NULL;

    for (size_t i = 0; i < MRC_JWS_MAX_TRIES + 1; i++)
        rows[i] = (struct mrc_jws_keys){MRC_ALG_SET_ALL, keys};
    ck_assert_int_eq(mrc_jws_parse(mrc_bytes_of(token), NULL, &jws), MRC_OK);
    ck_assert_int_eq(mrc_jws_verify(jws, rows, MRC_JWS_MAX_TRIES, &error), MRC_OK);
    ck_assert_int_eq(mrc_jws_verify(jws, rows, MRC_JWS_MAX_TRIES + 1, &error), MRC_ELIMIT);
    ck_assert_words(error, "17 keys might have signed this token, and at most 16");
    mrc_jws_free(jws);
    mrc_jws_free(NULL);
    mrc_keyset_free(keys);
    free(token);
}
END_TEST

START_TEST(signing_reports_unusable_keys)
{
    EVP_PKEY *pkey = generate(MRC_ALG_ES256);
    char *pem = pem_of(pkey, true), *public_pem = pem_of(pkey, false), *token = NULL;
    struct mrc_bytes json = mrc_bytes_of("{}");
    struct mrc_error error = {""};

    ck_assert_int_eq(mrc_sign_jws(MRC_ALG_ES384, mrc_bytes_of(pem), json, json, &error, &token),
                     MRC_EINVAL);
    ck_assert_words(
        error, "ES384 does not fit this private key, which belongs to an EC public key on P-256");
    ck_assert_int_eq(mrc_sign_jws(MRC_ALG_RS256, mrc_bytes_of(pem), json, json, &error, &token),
                     MRC_EINVAL);
    ck_assert_int_eq(
        mrc_sign_jws(MRC_ALG_ES256, mrc_bytes_of(public_pem), json, json, &error, &token),
        MRC_EINVAL);
    ck_assert_words(error, "this is not one");
    ck_assert_int_eq(mrc_sign_jws(MRC_ALG_ES256, mrc_bytes_of("x"), json, json, &error, &token),
                     MRC_EINVAL);
    ck_assert_int_eq(mrc_sign_jws(MRC_ALG_HS256, mrc_bytes_of("\n"), json, json, &error, &token),
                     MRC_EINVAL);
    ck_assert_ptr_null(token);
    ck_assert_uint_eq(ERR_peek_error(), 0);
    free(pem);
    free(public_pem);
    EVP_PKEY_free(pkey);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("jws");
    TCase *tcase = tcase_create("jws");

    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, rfc_7520_rsa);
    tcase_add_test(tcase, rfc_7520_rsa_pss);
    tcase_add_test(tcase, rfc_7520_ecdsa);
    tcase_add_test(tcase, rfc_7520_hmac);
    tcase_add_test(tcase, rfc_8037_ed25519);
    tcase_add_test(tcase, rfc_7520_keys);
    tcase_add_test(tcase, detached_and_unencoded_payloads);
    tcase_add_test(tcase, wycheproof);
    tcase_add_test(tcase, every_algorithm_with_its_key_only);
    tcase_add_test(tcase, eddsa_and_its_curves_are_the_same_algorithm);
    tcase_add_test(tcase, keys_verify_only_their_algorithms);
    tcase_add_test(tcase, keeps_the_openssl_error_queue);
    tcase_add_test(tcase, enforces_the_configured_algorithms);
    tcase_add_test(tcase, threads_share_keys);
    tcase_add_test(tcase, alg_none);
    tcase_add_test(tcase, public_key_as_secret);
    tcase_add_test(tcase, ignores_keys_in_the_header);
    tcase_add_test(tcase, critical_extensions);
    tcase_add_test(tcase, refuses_headers_that_are_not_objects);
    tcase_add_test(tcase, accepts_three_strict_segments_only);
    tcase_add_test(tcase, refuses_tokens_one_byte_too_long);
    tcase_add_test(tcase, ecdsa_signatures);
    tcase_add_test(tcase, kid_is_a_hint);
    tcase_add_test(tcase, bounds_the_number_of_tried_keys);
    tcase_add_test(tcase, signing_reports_unusable_keys);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
