#include "core/jose/jwk.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/param_build.h>

#include "core/base/base64url.h"
#include "core/base/quote.h"

/* The longest member is an RSA modulus: 16384 bits are 2048 bytes. */
#define MEMBER_MAX_BYTES 4096

/* Decodes the required member NAME of JWK to BUF, which is empty. */
static enum mrc_err get_member(const json_t *jwk, const char *name, struct mrc_buf *buf,
                               struct mrc_error *error)
{
    const json_t *value = json_object_get(jwk, name);
    enum mrc_err err;

    if (!json_is_string(value))
        return mrc_error_set(error, MRC_EINVAL, "the JWK's member %s is missing, or not a string",
                             name);
    err = mrc_base64url_decode(
        (struct mrc_bytes){json_string_value(value), json_string_length(value)}, buf);
    if (err == MRC_ENOMEM)
        return err;
    if (err)
        return mrc_error_set(error, err,
                             "the JWK's member %s is too long, or not base64url (which has no "
                             "padding and no other characters)",
                             name);
    if (!buf->len)
        return mrc_error_set(error, MRC_EINVAL, "the JWK's member %s is empty", name);
    return MRC_OK;
}

/* Makes a public key from PARAMS, which are freed. */
static enum mrc_err import_params(const char *type, OSSL_PARAM *params, struct mrc_error *error,
                                  struct mrc_key **ret_key)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
    EVP_PKEY *pkey = NULL;
    enum mrc_err err = MRC_ENOMEM;

    if (params && ctx && EVP_PKEY_fromdata_init(ctx) == 1) {
        if (EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_PUBLIC_KEY, params) == 1)
            err = mrc_key_from_pkey(pkey, error, ret_key);
        else
            err = mrc_error_set(error, MRC_EINVAL, "the JWK is not a valid %s public key", type);
    }
    EVP_PKEY_free(pkey);
    EVP_PKEY_CTX_free(ctx);
    OSSL_PARAM_free(params);
    return err;
}

static enum mrc_err parse_rsa(const json_t *jwk, struct mrc_error *error, struct mrc_key **ret_key)
{
    OSSL_PARAM_BLD *builder = NULL;
    struct mrc_buf n_buf, e_buf;
    BIGNUM *n = NULL, *e = NULL;
    enum mrc_err err;

    mrc_buf_init(&n_buf, MEMBER_MAX_BYTES);
    mrc_buf_init(&e_buf, MEMBER_MAX_BYTES);
    err = get_member(jwk, "n", &n_buf, error);
    if (!err)
        err = get_member(jwk, "e", &e_buf, error);
    if (err)
        goto leave;
    err = MRC_ENOMEM;
    builder = OSSL_PARAM_BLD_new();
    n = BN_bin2bn((const unsigned char *)n_buf.ptr, (int)n_buf.len, NULL);
    e = BN_bin2bn((const unsigned char *)e_buf.ptr, (int)e_buf.len, NULL);
    if (builder && n && e && OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_N, n) &&
        OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_E, e))
        err = import_params("RSA", OSSL_PARAM_BLD_to_param(builder), error, ret_key);
leave:
    OSSL_PARAM_BLD_free(builder);
    BN_free(n);
    BN_free(e);
    mrc_buf_free(&n_buf);
    mrc_buf_free(&e_buf);
    return err;
}

static enum mrc_err parse_ec(const json_t *jwk, const char *crv, struct mrc_error *error,
                             struct mrc_key **ret_key)
{
    static const struct {
        const char *crv;
        const char *group;
        size_t bytes;
    } curves[] = {
        {"P-256", SN_X9_62_prime256v1, 32},
        {"P-384", SN_secp384r1, 48},
        {"P-521", SN_secp521r1, 66},
    };
    OSSL_PARAM_BLD *builder = NULL;
    struct mrc_buf x, y, point;
    struct mrc_quote quote;
    enum mrc_err err;
    size_t i = 0;

    while (i < 3 && strcmp(crv, curves[i].crv) != 0)
        i++;
    if (i == 3)
        return mrc_error_set(error, MRC_EUNSUPPORTED, "the JWK's curve %s is not supported",
                             mrc_quote(&quote, mrc_bytes_of(crv)));
    mrc_buf_init(&x, MEMBER_MAX_BYTES);
    mrc_buf_init(&y, MEMBER_MAX_BYTES);
    mrc_buf_init(&point, 1 + 2 * curves[i].bytes);
    err = get_member(jwk, "x", &x, error);
    if (!err)
        err = get_member(jwk, "y", &y, error);
    if (!err && (x.len != curves[i].bytes || y.len != curves[i].bytes))
        err = mrc_error_set(error, MRC_EINVAL, "the JWK's members x and y must have %zu bytes",
                            curves[i].bytes);
    if (err)
        goto leave;
    mrc_buf_add_char(&point, POINT_CONVERSION_UNCOMPRESSED);
    mrc_buf_add_bytes(&point, mrc_buf_bytes(&x));
    mrc_buf_add_bytes(&point, mrc_buf_bytes(&y));
    err = MRC_ENOMEM;
    builder = OSSL_PARAM_BLD_new();
    if (!mrc_buf_error(&point) && builder &&
        OSSL_PARAM_BLD_push_utf8_string(builder, OSSL_PKEY_PARAM_GROUP_NAME, curves[i].group, 0) &&
        OSSL_PARAM_BLD_push_octet_string(builder, OSSL_PKEY_PARAM_PUB_KEY, point.ptr, point.len))
        err = import_params("EC", OSSL_PARAM_BLD_to_param(builder), error, ret_key);
leave:
    OSSL_PARAM_BLD_free(builder);
    mrc_buf_free(&x);
    mrc_buf_free(&y);
    mrc_buf_free(&point);
    return err;
}

static enum mrc_err parse_okp(const json_t *jwk, const char *crv, struct mrc_error *error,
                              struct mrc_key **ret_key)
{
    bool is_448 = strcmp(crv, "Ed448") == 0;
    const char *type = is_448 ? "ED448" : "ED25519";
    EVP_PKEY *pkey = NULL;
    struct mrc_quote quote;
    struct mrc_buf x;
    enum mrc_err err;

    if (!is_448 && strcmp(crv, "Ed25519") != 0)
        return mrc_error_set(error, MRC_EUNSUPPORTED, "the JWK's curve %s is not for signatures",
                             mrc_quote(&quote, mrc_bytes_of(crv)));
    mrc_buf_init(&x, MEMBER_MAX_BYTES);
    err = get_member(jwk, "x", &x, error);
    if (err)
        goto leave;
    pkey = EVP_PKEY_new_raw_public_key_ex(NULL, type, NULL, (const unsigned char *)x.ptr, x.len);
    if (pkey)
        err = mrc_key_from_pkey(pkey, error, ret_key);
    else
        err = mrc_error_set(error, MRC_EINVAL, "the JWK is not a valid %s public key", type);
leave:
    EVP_PKEY_free(pkey);
    mrc_buf_free(&x);
    return err;
}

static enum mrc_err parse_oct(const json_t *jwk, struct mrc_error *error, struct mrc_key **ret_key)
{
    struct mrc_buf k;
    enum mrc_err err;

    mrc_buf_init(&k, MEMBER_MAX_BYTES);
    err = get_member(jwk, "k", &k, error);
    if (!err)
        err = mrc_key_from_secret(mrc_buf_bytes(&k), ret_key);
    if (k.ptr)
        OPENSSL_cleanse(k.ptr, k.cap);
    mrc_buf_free(&k);
    return err;
}

/* `use` and `key_ops`, where they are given, must allow verifying. */
static enum mrc_err check_use(const json_t *jwk, struct mrc_error *error)
{
    const json_t *use = json_object_get(jwk, "use"), *ops = json_object_get(jwk, "key_ops"), *op;
    bool verifies = false;
    size_t i;

    if (use && (!json_is_string(use) || strcmp(json_string_value(use), "sig") != 0))
        return mrc_error_set(error, MRC_EUNSUPPORTED, "the JWK is not for signatures (use)");
    if (!ops)
        return MRC_OK;
    json_array_foreach((json_t *)ops, i, op)
    {
        if (!json_is_string(op))
            return mrc_error_set(error, MRC_EINVAL, "the JWK's key_ops are not all strings");
        verifies = verifies || strcmp(json_string_value(op), "verify") == 0;
    }
    if (!verifies)
        return mrc_error_set(error, MRC_EUNSUPPORTED,
                             "the JWK's key_ops do not allow verifying signatures");
    return MRC_OK;
}

/* `alg` restricts the key to one algorithm, which has to fit the key. */
static enum mrc_err apply_alg(struct mrc_key *key, const json_t *jwk, struct mrc_error *error)
{
    const json_t *value = json_object_get(jwk, "alg");
    struct mrc_quote quote;
    struct mrc_bytes name;
    enum mrc_alg alg;

    if (!value)
        return MRC_OK;
    if (!json_is_string(value))
        return mrc_error_set(error, MRC_EINVAL, "the JWK's member alg is not a string");
    name = mrc_bytes_of(json_string_value(value));
    if (mrc_alg_parse(name, &alg))
        return mrc_error_set(error, MRC_EUNSUPPORTED, "the JWK's algorithm %s is not supported",
                             mrc_quote(&quote, name));
    if (!mrc_alg_set_has(mrc_key_get_algs(key), alg))
        return mrc_error_set(error, MRC_EINVAL, "the JWK's algorithm %s does not fit %s",
                             mrc_alg_name(alg), mrc_key_get_kind(key));
    mrc_key_restrict(key, mrc_alg_set_of(alg));
    return MRC_OK;
}

static enum mrc_err parse_by_type(const json_t *jwk, const char *kty, struct mrc_error *error,
                                  struct mrc_key **ret_key)
{
    const json_t *crv = json_object_get(jwk, "crv");
    struct mrc_quote quote;

    if (strcmp(kty, "oct") == 0)
        return parse_oct(jwk, error, ret_key);
    if (strcmp(kty, "RSA") == 0)
        return parse_rsa(jwk, error, ret_key);
    if (strcmp(kty, "EC") != 0 && strcmp(kty, "OKP") != 0)
        return mrc_error_set(error, MRC_EUNSUPPORTED, "the JWK's type %s is not supported",
                             mrc_quote(&quote, mrc_bytes_of(kty)));
    if (!json_is_string(crv))
        return mrc_error_set(error, MRC_EINVAL, "the JWK's member crv is missing, or not a string");
    return kty[0] == 'E' ? parse_ec(jwk, json_string_value(crv), error, ret_key)
                         : parse_okp(jwk, json_string_value(crv), error, ret_key);
}

enum mrc_err mrc_jwk_parse(const json_t *jwk, struct mrc_error *error, bool *ret_private,
                           struct mrc_key **ret_key)
{
    const json_t *kty = json_object_get(jwk, "kty"), *kid = json_object_get(jwk, "kid");
    struct mrc_key *key = NULL;
    enum mrc_err err;

    *ret_private = json_object_get(jwk, "d") != NULL;
    if (*ret_private)
        return mrc_error_set(
            error, MRC_EINVAL,
            "the JWK is a private key: give the hub only the public key (leave out "
            "d and the members after it)");
    if (!json_is_string(kty))
        return mrc_error_set(error, MRC_EINVAL, "the JWK has no member kty");
    if (kid && !json_is_string(kid))
        return mrc_error_set(error, MRC_EINVAL, "the JWK's member kid is not a string");
    err = check_use(jwk, error);
    if (err)
        return err;
    ERR_set_mark();
    err = parse_by_type(jwk, json_string_value(kty), error, &key);
    ERR_pop_to_mark();
    if (!err)
        err = apply_alg(key, jwk, error);
    if (!err && kid)
        err = mrc_key_set_kid(key, json_string_value(kid));
    if (err) {
        mrc_key_free(key);
        return err;
    }
    *ret_key = key;
    return MRC_OK;
}
