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

const struct mrc_json_pick mrc_jwk_picks[] = {
    {.name = "kty"}, {.name = "use"}, {.name = "key_ops"}, {.name = "alg"}, {.name = "kid"},
    {.name = "crv"}, {.name = "n"},   {.name = "e"},       {.name = "x"},   {.name = "y"},
    {.name = "k"},   {.name = "d"},   {.name = NULL}};

/* The curves of kty EC, and of kty OKP. */
static const struct curve {
    const char *crv;
    const char *type; /* for OpenSSL */
    enum mrc_alg alg;
    size_t bytes; /* of a coordinate, with EC */
} ec_curves[] = {{"P-256", SN_X9_62_prime256v1, MRC_ALG_ES256, 32},
                 {"P-384", SN_secp384r1, MRC_ALG_ES384, 48},
                 {"P-521", SN_secp521r1, MRC_ALG_ES512, 66},
                 {NULL}},
  okp_curves[] = {
      {"Ed25519", "ED25519", MRC_ALG_ED25519, 0}, {"Ed448", "ED448", MRC_ALG_ED448, 0}, {NULL}};

/* The member NAME of JWK; NULL: it is missing, or null. */
static const json_t *get(const json_t *jwk, const char *name)
{
    const json_t *value = json_object_get(jwk, name);

    return json_is_null(value) ? NULL : value;
}

/* The curve in CURVES that JWK names; NULL: none. */
static const struct curve *find_curve(const json_t *jwk, const struct curve *curves)
{
    const char *crv = json_string_value(get(jwk, "crv"));

    while (crv && curves->crv && strcmp(crv, curves->crv) != 0)
        curves++;
    return crv && curves->crv ? curves : NULL;
}

/* Decodes the required member NAME of JWK to BUF, which is empty. */
static enum mrc_err get_member(const json_t *jwk, const char *name, struct mrc_buf *buf,
                               struct mrc_error *error)
{
    const json_t *value = get(jwk, name);
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

static enum mrc_err refuse_curve(const json_t *jwk, const char *rule, struct mrc_error *error)
{
    const char *crv = json_string_value(get(jwk, "crv"));
    struct mrc_quote quote;

    if (!crv)
        return mrc_error_set(error, MRC_EINVAL, "the JWK's member crv is missing, or not a string");
    return mrc_error_set(error, MRC_EUNSUPPORTED, "the JWK's curve %s is not %s",
                         mrc_quote(&quote, mrc_bytes_of(crv)), rule);
}

static enum mrc_err parse_ec(const json_t *jwk, struct mrc_error *error, struct mrc_key **ret_key)
{
    const struct curve *curve = find_curve(jwk, ec_curves);
    OSSL_PARAM_BLD *builder = NULL;
    struct mrc_buf x, y, point;
    enum mrc_err err;

    if (!curve)
        return refuse_curve(jwk, "supported", error);
    mrc_buf_init(&x, MEMBER_MAX_BYTES);
    mrc_buf_init(&y, MEMBER_MAX_BYTES);
    mrc_buf_init(&point, 1 + 2 * curve->bytes);
    err = get_member(jwk, "x", &x, error);
    if (!err)
        err = get_member(jwk, "y", &y, error);
    if (!err && (x.len != curve->bytes || y.len != curve->bytes))
        err = mrc_error_set(error, MRC_EINVAL, "the JWK's members x and y must have %zu bytes",
                            curve->bytes);
    if (err)
        goto leave;
    mrc_buf_add_char(&point, POINT_CONVERSION_UNCOMPRESSED);
    mrc_buf_add_bytes(&point, mrc_buf_bytes(&x));
    mrc_buf_add_bytes(&point, mrc_buf_bytes(&y));
    err = MRC_ENOMEM;
    builder = OSSL_PARAM_BLD_new();
    if (!mrc_buf_error(&point) && builder &&
        OSSL_PARAM_BLD_push_utf8_string(builder, OSSL_PKEY_PARAM_GROUP_NAME, curve->type, 0) &&
        OSSL_PARAM_BLD_push_octet_string(builder, OSSL_PKEY_PARAM_PUB_KEY, point.ptr, point.len))
        err = import_params("EC", OSSL_PARAM_BLD_to_param(builder), error, ret_key);
leave:
    OSSL_PARAM_BLD_free(builder);
    mrc_buf_free(&x);
    mrc_buf_free(&y);
    mrc_buf_free(&point);
    return err;
}

static enum mrc_err parse_okp(const json_t *jwk, struct mrc_error *error, struct mrc_key **ret_key)
{
    const struct curve *curve = find_curve(jwk, okp_curves);
    EVP_PKEY *pkey = NULL;
    struct mrc_buf x;
    enum mrc_err err;

    if (!curve)
        return refuse_curve(jwk, "for signatures", error);
    mrc_buf_init(&x, MEMBER_MAX_BYTES);
    err = get_member(jwk, "x", &x, error);
    if (err)
        goto leave;
    pkey = EVP_PKEY_new_raw_public_key_ex(NULL, curve->type, NULL, (const unsigned char *)x.ptr,
                                          x.len);
    if (pkey)
        err = mrc_key_from_pkey(pkey, error, ret_key);
    else
        err = mrc_error_set(error, MRC_EINVAL, "the JWK is not a valid %s public key", curve->type);
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
    const json_t *use = get(jwk, "use"), *ops = get(jwk, "key_ops"), *op;
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

/* `alg` restricts the key, and has to fit it. */
static enum mrc_err apply_alg(struct mrc_key *key, const json_t *jwk, struct mrc_error *error)
{
    const json_t *value = get(jwk, "alg");
    struct mrc_quote quote;
    struct mrc_bytes name;
    mrc_alg_set algs;

    if (!value)
        return MRC_OK;
    if (!json_is_string(value))
        return mrc_error_set(error, MRC_EINVAL, "the JWK's member alg is not a string");
    name = mrc_bytes_of(json_string_value(value));
    if (mrc_alg_parse(name, &algs))
        return mrc_error_set(error, MRC_EUNSUPPORTED, "the JWK's algorithm %s is not supported",
                             mrc_quote(&quote, name));
    if (!(mrc_key_get_algs(key) & algs))
        return mrc_error_set(error, MRC_EINVAL, "the JWK's algorithm %s does not fit %s",
                             json_string_value(value), mrc_key_get_kind(key));
    mrc_key_restrict(key, algs);
    return MRC_OK;
}

static enum mrc_err parse_by_type(const json_t *jwk, struct mrc_error *error,
                                  struct mrc_key **ret_key)
{
    const char *kty = json_string_value(get(jwk, "kty"));
    struct mrc_quote quote;

    if (strcmp(kty, "oct") == 0)
        return parse_oct(jwk, error, ret_key);
    if (strcmp(kty, "RSA") == 0)
        return parse_rsa(jwk, error, ret_key);
    if (strcmp(kty, "EC") == 0)
        return parse_ec(jwk, error, ret_key);
    if (strcmp(kty, "OKP") == 0)
        return parse_okp(jwk, error, ret_key);
    return mrc_error_set(error, MRC_EUNSUPPORTED, "the JWK's type %s is not supported",
                         mrc_quote(&quote, mrc_bytes_of(kty)));
}

/* The algorithms that fit the `kty` and the `crv` of JWK. */
static mrc_alg_set algs_of_kind(const json_t *jwk)
{
    const char *kty = json_string_value(get(jwk, "kty"));
    const struct curve *curve = NULL;

    if (!kty)
        return 0;
    if (strcmp(kty, "oct") == 0)
        return MRC_ALG_SET_HMAC;
    if (strcmp(kty, "RSA") == 0)
        return MRC_ALG_SET_RSA;
    if (strcmp(kty, "EC") == 0)
        curve = find_curve(jwk, ec_curves);
    else if (strcmp(kty, "OKP") == 0)
        curve = find_curve(jwk, okp_curves);
    return curve ? mrc_alg_set_of(curve->alg) : 0;
}

mrc_alg_set mrc_jwk_get_algs(const json_t *jwk)
{
    const json_t *alg = get(jwk, "alg");
    mrc_alg_set algs = MRC_ALG_SET_ALL;

    if (alg && (!json_is_string(alg) || mrc_alg_parse(mrc_bytes_of(json_string_value(alg)), &algs)))
        return 0;
    return algs & algs_of_kind(jwk);
}

enum mrc_err mrc_jwk_check(const json_t *jwk, struct mrc_error *error, bool *ret_private)
{
    const json_t *kid = get(jwk, "kid");

    *ret_private = get(jwk, "d") != NULL;
    if (*ret_private)
        return mrc_error_set(
            error, MRC_EINVAL,
            "the JWK is a private key: give the hub only the public key (leave out "
            "d and the members after it)");
    if (!json_is_string(get(jwk, "kty")))
        return mrc_error_set(error, MRC_EINVAL, "the JWK has no member kty");
    if (kid && !json_is_string(kid))
        return mrc_error_set(error, MRC_EINVAL, "the JWK's member kid is not a string");
    return check_use(jwk, error);
}

enum mrc_err mrc_jwk_parse(const json_t *jwk, struct mrc_error *error, struct mrc_key **ret_key)
{
    const char *kid = json_string_value(get(jwk, "kid"));
    struct mrc_key *key = NULL;
    enum mrc_err err;

    ERR_set_mark();
    err = parse_by_type(jwk, error, &key);
    ERR_pop_to_mark();
    if (!err)
        err = apply_alg(key, jwk, error);
    if (!err && kid)
        err = mrc_key_set_kid(key, kid);
    if (err) {
        mrc_key_free(key);
        return err;
    }
    *ret_key = key;
    return MRC_OK;
}
