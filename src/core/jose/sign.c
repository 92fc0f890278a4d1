#include "core/jose/sign.h"

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "core/base/base64url.h"
#include "core/jose/key.h"

/* Far more than a header, claims and a signature take together. */
#define TOKEN_MAX_BYTES ((size_t)1024 * 1024)

/* Keeps OpenSSL from asking for a passphrase on the terminal. */
static int no_passphrase(char *buf, int size, int rwflag, void *data)
{
    return -1;
}

static enum mrc_err sign_hmac(enum mrc_alg alg, struct mrc_bytes key, struct mrc_bytes data,
                              struct mrc_buf *signature, struct mrc_error *error)
{
    unsigned char mac[EVP_MAX_MD_SIZE];
    unsigned int len = 0;

    if (key.len && key.ptr[key.len - 1] == '\n') {
        key.len--;
        if (key.len && key.ptr[key.len - 1] == '\r')
            key.len--;
    }
    if (!key.len || key.len > TOKEN_MAX_BYTES)
        return mrc_error_set(error, MRC_EINVAL, "the secret is empty, or longer than 1 MB");
    if (!HMAC(mrc_key_digest(alg), key.ptr, (int)key.len, (const unsigned char *)data.ptr, data.len,
              mac, &len))
        return MRC_ENOMEM;
    mrc_buf_add(signature, mac, len);
    return mrc_buf_error(signature);
}

/* Converts an ECDSA signature from DER to r and s, each as long as a coordinate (RFC 7518, 3.4). */
static enum mrc_err add_ecdsa(enum mrc_alg alg, const unsigned char *der, size_t len,
                              struct mrc_buf *signature)
{
    int half = alg == MRC_ALG_ES256 ? 32 : alg == MRC_ALG_ES384 ? 48 : 66;
    ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &der, (long)len);
    char *room = sig ? mrc_buf_extend(signature, 2 * (size_t)half) : NULL;
    enum mrc_err err = MRC_ENOMEM;

    if (room && BN_bn2binpad(ECDSA_SIG_get0_r(sig), (unsigned char *)room, half) == half &&
        BN_bn2binpad(ECDSA_SIG_get0_s(sig), (unsigned char *)room + half, half) == half)
        err = MRC_OK;
    ECDSA_SIG_free(sig);
    return err;
}

static enum mrc_err sign_with(EVP_PKEY *pkey, enum mrc_alg alg, struct mrc_bytes data,
                              struct mrc_buf *signature)
{
    const unsigned char *in = (const unsigned char *)data.ptr;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    EVP_PKEY_CTX *pctx = NULL; /* belongs to ctx */
    enum mrc_err err = MRC_ENOMEM;
    unsigned char *out = NULL;
    size_t len = 0;

    if (!ctx || EVP_DigestSignInit(ctx, &pctx, mrc_key_digest(alg), NULL, pkey) != 1)
        goto leave;
    if (alg >= MRC_ALG_PS256 && alg <= MRC_ALG_PS512 &&
        (EVP_PKEY_CTX_set_rsa_padding(pctx, RSA_PKCS1_PSS_PADDING) != 1 ||
         EVP_PKEY_CTX_set_rsa_pss_saltlen(pctx, RSA_PSS_SALTLEN_DIGEST) != 1))
        goto leave;
    if (EVP_DigestSign(ctx, NULL, &len, in, data.len) != 1 || !(out = OPENSSL_malloc(len)) ||
        EVP_DigestSign(ctx, out, &len, in, data.len) != 1)
        goto leave;
    if (mrc_alg_set_of(alg) & MRC_ALG_SET_ECDSA) {
        err = add_ecdsa(alg, out, len, signature);
    } else {
        mrc_buf_add(signature, out, len);
        err = mrc_buf_error(signature);
    }
leave:
    OPENSSL_free(out);
    EVP_MD_CTX_free(ctx);
    return err;
}

static enum mrc_err sign_pem(enum mrc_alg alg, struct mrc_bytes pem, struct mrc_bytes data,
                             struct mrc_buf *signature, struct mrc_error *error)
{
    BIO *bio = BIO_new_mem_buf(pem.ptr, (int)pem.len);
    EVP_PKEY *pkey = bio ? PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL) : NULL;
    struct mrc_key *key = NULL;
    enum mrc_err err;

    BIO_free(bio);
    if (!pkey)
        return mrc_error_set(error, MRC_EINVAL,
                             "%s needs a private key in PEM without a passphrase; this is not one",
                             mrc_alg_name(alg));
    err = mrc_key_from_pkey(pkey, error, &key);
    if (!err && !mrc_alg_set_has(mrc_key_get_algs(key), alg))
        err = mrc_error_set(error, MRC_EINVAL,
                            "%s does not fit this private key, which belongs to %s",
                            mrc_alg_name(alg), mrc_key_get_kind(key));
    if (!err)
        err = sign_with(pkey, alg, data, signature);
    mrc_key_free(key);
    EVP_PKEY_free(pkey);
    return err;
}

enum mrc_err mrc_sign_jws(enum mrc_alg alg, struct mrc_bytes key, struct mrc_bytes header,
                          struct mrc_bytes payload, struct mrc_error *error, char **ret_token)
{
    struct mrc_buf token, signature;
    enum mrc_err err;
    char *text;

    if (key.len > TOKEN_MAX_BYTES)
        return mrc_error_set(error, MRC_ELIMIT, "the key is longer than 1 MB");
    mrc_buf_init(&token, TOKEN_MAX_BYTES);
    mrc_buf_init(&signature, TOKEN_MAX_BYTES);
    mrc_base64url_encode(header, &token);
    mrc_buf_add_char(&token, '.');
    mrc_base64url_encode(payload, &token);
    err = mrc_buf_error(&token);
    if (err)
        goto leave;
    ERR_set_mark();
    err = mrc_alg_set_of(alg) & MRC_ALG_SET_HMAC
              ? sign_hmac(alg, key, mrc_buf_bytes(&token), &signature, error)
              : sign_pem(alg, key, mrc_buf_bytes(&token), &signature, error);
    ERR_pop_to_mark();
    if (err)
        goto leave;
    mrc_buf_add_char(&token, '.');
    mrc_base64url_encode(mrc_buf_bytes(&signature), &token);
    text = mrc_buf_take(&token, NULL);
    if (text)
        *ret_token = text;
    else
        err = mrc_buf_error(&token) ? mrc_buf_error(&token) : MRC_ENOMEM;
leave:
    mrc_buf_free(&token);
    mrc_buf_free(&signature);
    return err;
}
