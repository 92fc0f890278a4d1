#include "core/jose/key.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/objects.h>
#include <openssl/rsa.h>

struct mrc_key {
    mrc_alg_set algs;
    const char *kind;
    char *kid;             /* NULL: none */
    EVP_PKEY *pkey;        /* NULL: a secret */
    unsigned char *secret; /* NULL: a public key */
    size_t secret_len;
};

/* A larger exponent costs far more time than any sensible key needs. */
#define RSA_EXPONENT_MAX_BITS 64

/* The curves, the algorithm of each, and the length of r and s. */
static const struct curve {
    const char *group;
    const char *kind;
    enum mrc_alg alg;
    size_t coordinate_bytes;
} curves[] = {
    {SN_X9_62_prime256v1, "an EC public key on P-256", MRC_ALG_ES256, 32},
    {SN_secp384r1, "an EC public key on P-384", MRC_ALG_ES384, 48},
    {SN_secp521r1, "an EC public key on P-521", MRC_ALG_ES512, 66},
};

static struct mrc_key *key_new(mrc_alg_set algs, const char *kind)
{
    struct mrc_key *key = calloc(1, sizeof(*key));

    if (key) {
        key->algs = algs;
        key->kind = kind;
    }
    return key;
}

enum mrc_err mrc_key_from_secret(struct mrc_bytes secret, struct mrc_key **ret_key)
{
    struct mrc_key *key = key_new(MRC_ALG_SET_HMAC, "a secret");

    if (!key)
        return MRC_ENOMEM;
    key->secret = malloc(secret.len);
    if (!key->secret) {
        mrc_key_free(key);
        return MRC_ENOMEM;
    }
    memcpy(key->secret, secret.ptr, secret.len);
    key->secret_len = secret.len;
    *ret_key = key;
    return MRC_OK;
}

static enum mrc_err check_rsa(EVP_PKEY *pkey, struct mrc_error *error)
{
    BIGNUM *exponent = NULL, *modulus = NULL;
    enum mrc_err err = MRC_OK;
    int bits;

    if (!EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_RSA_E, &exponent) ||
        !EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_RSA_N, &modulus)) {
        err = MRC_ENOMEM;
        goto leave;
    }
    bits = BN_num_bits(modulus);
    if (bits < MRC_KEY_RSA_MIN_BITS || bits > MRC_KEY_RSA_MAX_BITS)
        err = mrc_error_set(error, MRC_EINVAL,
                            "the RSA key has %d bits: make a new one with %d to %d bits", bits,
                            MRC_KEY_RSA_MIN_BITS, MRC_KEY_RSA_MAX_BITS);
    else if (!BN_is_odd(exponent) || BN_is_one(exponent) || !BN_is_odd(modulus) ||
             BN_num_bits(exponent) > RSA_EXPONENT_MAX_BITS)
        err =
            mrc_error_set(error, MRC_EINVAL, "the RSA key has an unacceptable exponent or modulus");
leave:
    BN_free(exponent);
    BN_free(modulus);
    return err;
}

static const struct curve *find_curve(EVP_PKEY *pkey)
{
    char group[64];
    size_t len;

    if (EVP_PKEY_get_group_name(pkey, group, sizeof(group), &len))
        for (size_t i = 0; i < sizeof(curves) / sizeof(curves[0]); i++)
            if (strcmp(group, curves[i].group) == 0)
                return &curves[i];
    return NULL;
}

static enum mrc_err check_point(EVP_PKEY *pkey, struct mrc_error *error)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, pkey, NULL);
    enum mrc_err err = MRC_OK;

    if (!ctx)
        return MRC_ENOMEM;
    if (EVP_PKEY_public_check(ctx) != 1)
        err = mrc_error_set(error, MRC_EINVAL, "the EC key's point is not on its curve");
    EVP_PKEY_CTX_free(ctx);
    return err;
}

/* Finds the kind of PKEY and the algorithms that fit it. */
static enum mrc_err classify(EVP_PKEY *pkey, struct mrc_error *error, mrc_alg_set *ret_algs,
                             const char **ret_kind)
{
    const struct curve *curve;
    enum mrc_err err;

    switch (EVP_PKEY_get_base_id(pkey)) {
    case EVP_PKEY_RSA:
        err = check_rsa(pkey, error);
        if (err)
            return err;
        *ret_algs = MRC_ALG_SET_RSA;
        *ret_kind = "an RSA public key";
        return MRC_OK;
    case EVP_PKEY_EC:
        curve = find_curve(pkey);
        if (!curve)
            return mrc_error_set(error, MRC_EUNSUPPORTED,
                                 "the EC key is on a curve other than P-256, P-384 and P-521");
        err = check_point(pkey, error);
        if (err)
            return err;
        *ret_algs = mrc_alg_set_of(curve->alg);
        *ret_kind = curve->kind;
        return MRC_OK;
    case EVP_PKEY_ED25519:
        *ret_algs = mrc_alg_set_of(MRC_ALG_ED25519);
        *ret_kind = "an Ed25519 public key";
        return MRC_OK;
    case EVP_PKEY_ED448:
        *ret_algs = mrc_alg_set_of(MRC_ALG_ED448);
        *ret_kind = "an Ed448 public key";
        return MRC_OK;
    default:
        return mrc_error_set(error, MRC_EUNSUPPORTED,
                             "the key is of a type other than RSA, EC, Ed25519 and Ed448");
    }
}

enum mrc_err mrc_key_from_pkey(EVP_PKEY *pkey, struct mrc_error *error, struct mrc_key **ret_key)
{
    mrc_alg_set algs = 0;
    const char *kind = NULL;
    struct mrc_key *key;
    enum mrc_err err;

    ERR_set_mark();
    err = classify(pkey, error, &algs, &kind);
    ERR_pop_to_mark();
    if (err)
        return err;
    key = key_new(algs, kind);
    if (!key)
        return MRC_ENOMEM;
    if (!EVP_PKEY_up_ref(pkey)) {
        mrc_key_free(key);
        return MRC_ENOMEM;
    }
    key->pkey = pkey;
    *ret_key = key;
    return MRC_OK;
}

void mrc_key_free(struct mrc_key *key)
{
    if (!key)
        return;
    if (key->secret)
        OPENSSL_cleanse(key->secret, key->secret_len);
    free(key->secret);
    EVP_PKEY_free(key->pkey);
    free(key->kid);
    free(key);
}

void mrc_key_restrict(struct mrc_key *key, mrc_alg_set algs)
{
    key->algs &= algs;
}

enum mrc_err mrc_key_set_kid(struct mrc_key *key, const char *kid)
{
    char *copy = strdup(kid);

    if (!copy)
        return MRC_ENOMEM;
    free(key->kid);
    key->kid = copy;
    return MRC_OK;
}

const char *mrc_key_get_kid(const struct mrc_key *key)
{
    return key->kid;
}

mrc_alg_set mrc_key_get_algs(const struct mrc_key *key)
{
    return key->algs;
}

const char *mrc_key_get_kind(const struct mrc_key *key)
{
    return key->kind;
}

size_t mrc_key_get_secret_bytes(const struct mrc_key *key)
{
    return key->secret_len;
}

const EVP_MD *mrc_key_digest(enum mrc_alg alg)
{
    switch (mrc_alg_hash_bytes(alg)) {
    case 32:
        return EVP_sha256();
    case 48:
        return EVP_sha384();
    case 64:
        return EVP_sha512();
    default:
        return NULL; /* EdDSA hashes by itself */
    }
}

static enum mrc_err verify_hmac(const struct mrc_key *key, enum mrc_alg alg, struct mrc_bytes data,
                                struct mrc_bytes signature)
{
    unsigned char expected[EVP_MAX_MD_SIZE];
    unsigned int len = 0;
    bool same;

    if (!HMAC(mrc_key_digest(alg), key->secret, (int)key->secret_len,
              (const unsigned char *)data.ptr, data.len, expected, &len))
        return MRC_ENOMEM;
    same = signature.len == len && CRYPTO_memcmp(expected, signature.ptr, len) == 0;
    OPENSSL_cleanse(expected, sizeof(expected));
    return same ? MRC_OK : MRC_EINVAL;
}

/* Converts an ECDSA signature (r and s, each as long as a coordinate) to DER for OpenSSL. */
static enum mrc_err ecdsa_to_der(enum mrc_alg alg, struct mrc_bytes signature,
                                 unsigned char **ret_der, int *ret_len)
{
    const unsigned char *raw = (const unsigned char *)signature.ptr;
    size_t half = 0;
    ECDSA_SIG *sig;
    BIGNUM *r, *s;
    int len;

    for (size_t i = 0; i < sizeof(curves) / sizeof(curves[0]); i++)
        if (curves[i].alg == alg)
            half = curves[i].coordinate_bytes;
    if (signature.len != 2 * half)
        return MRC_EINVAL;
    sig = ECDSA_SIG_new();
    r = BN_bin2bn(raw, (int)half, NULL);
    s = BN_bin2bn(raw + half, (int)half, NULL);
    if (!sig || !r || !s || !ECDSA_SIG_set0(sig, r, s)) {
        BN_free(r);
        BN_free(s);
        ECDSA_SIG_free(sig);
        return MRC_ENOMEM;
    }
    len = i2d_ECDSA_SIG(sig, ret_der);
    ECDSA_SIG_free(sig);
    if (len <= 0)
        return MRC_ENOMEM;
    *ret_len = len;
    return MRC_OK;
}

static enum mrc_err verify_public(const struct mrc_key *key, enum mrc_alg alg,
                                  struct mrc_bytes data, struct mrc_bytes signature)
{
    const unsigned char *sig = (const unsigned char *)signature.ptr;
    mrc_alg_set set = mrc_alg_set_of(alg);
    unsigned char *der = NULL;
    enum mrc_err err = MRC_ENOMEM;
    EVP_PKEY_CTX *pctx = NULL; /* belongs to ctx */
    EVP_MD_CTX *ctx = NULL;
    size_t len = signature.len;
    int der_len;

    if (set & MRC_ALG_SET_ECDSA) {
        enum mrc_err der_err = ecdsa_to_der(alg, signature, &der, &der_len);

        if (der_err)
            return der_err;
        sig = der;
        len = (size_t)der_len;
    }
    ctx = EVP_MD_CTX_new();
    if (!ctx || EVP_DigestVerifyInit(ctx, &pctx, mrc_key_digest(alg), NULL, key->pkey) != 1)
        goto leave;
    if (alg >= MRC_ALG_PS256 && alg <= MRC_ALG_PS512 &&
        (EVP_PKEY_CTX_set_rsa_padding(pctx, RSA_PKCS1_PSS_PADDING) != 1 ||
         EVP_PKEY_CTX_set_rsa_pss_saltlen(pctx, RSA_PSS_SALTLEN_DIGEST) != 1))
        goto leave; /* MGF1 uses the digest of the signature by default */
    err = EVP_DigestVerify(ctx, sig, len, (const unsigned char *)data.ptr, data.len) == 1
              ? MRC_OK
              : MRC_EINVAL;
leave:
    EVP_MD_CTX_free(ctx);
    OPENSSL_free(der);
    return err;
}

enum mrc_err mrc_key_verify(const struct mrc_key *key, enum mrc_alg alg, struct mrc_bytes data,
                            struct mrc_bytes signature)
{
    enum mrc_err err;

    if (!mrc_alg_set_has(key->algs, alg) || !signature.len)
        return MRC_EINVAL;
    ERR_set_mark();
    err = key->secret ? verify_hmac(key, alg, data, signature)
                      : verify_public(key, alg, data, signature);
    ERR_pop_to_mark();
    return err;
}
