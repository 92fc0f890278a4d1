#include "core/jose/keyset.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "core/base/json_pick.h"
#include "core/base/quote.h"
#include "core/jose/jwk.h"

struct mrc_keyset {
    struct mrc_error warning; /* empty: none */
    size_t count;
    struct mrc_key *keys[MRC_KEYSET_MAX_KEYS];
};

static const struct mrc_json_pick set_picks[] = {{.name = "keys", .members = mrc_jwk_picks},
                                                 {.name = NULL}};

static bool contains(struct mrc_bytes haystack, const char *needle)
{
    size_t len = strlen(needle);

    for (size_t i = 0; i + len <= haystack.len; i++)
        if (memcmp(haystack.ptr + i, needle, len) == 0)
            return true;
    return false;
}

static struct mrc_bytes skip_space(struct mrc_bytes text)
{
    while (text.len && memchr(" \t\r\n", text.ptr[0], 4))
        text = (struct mrc_bytes){text.ptr + 1, text.len - 1};
    return text;
}

/* TEXT without a byte order mark at its front. */
static struct mrc_bytes skip_mark(struct mrc_bytes text)
{
    if (!mrc_bytes_starts_with(text, mrc_bytes_of("\xef\xbb\xbf")))
        return text;
    return (struct mrc_bytes){text.ptr + 3, text.len - 3};
}

/* The algorithms of KEY in words. */
static const char *describe_algs(const struct mrc_key *key)
{
    return mrc_key_get_algs(key) == MRC_ALG_SET_RSA ? "RS256, RS384, RS512, PS256, PS384 and PS512"
                                                    : mrc_alg_set_name(mrc_key_get_algs(key));
}

/*
 * Checks that the only key of a source fits one of the algorithms, and that secrets and public keys
 * do not mix. ERROR names what would fit.
 */
static enum mrc_err check_fit(const struct mrc_key *key, mrc_alg_set algs, struct mrc_error *error)
{
    mrc_alg_set misfits = algs & ~mrc_key_get_algs(key);
    const char *kind = mrc_key_get_kind(key);

    if (!misfits)
        return MRC_OK;
    if (mrc_key_get_secret_bytes(key) && (misfits & ~MRC_ALG_SET_HMAC))
        return mrc_error_set(
            error, MRC_EINVAL,
            "%s needs a public key (PEM, certificate, JWK or JWK Set), but this is "
            "%s; secrets are for HS256, HS384 and HS512",
            mrc_alg_set_name(misfits & ~MRC_ALG_SET_HMAC), kind);
    if (!mrc_key_get_secret_bytes(key) && (misfits & MRC_ALG_SET_HMAC))
        return mrc_error_set(error, MRC_EINVAL,
                             "%s needs a secret, but this is %s: used as a secret, it would let "
                             "anybody sign; configure the algorithm of the key, such as %s",
                             mrc_alg_set_name(misfits & MRC_ALG_SET_HMAC), kind,
                             mrc_alg_set_name(mrc_key_get_algs(key)));
    if (misfits != algs)
        return MRC_OK;
    if (misfits & (misfits - 1) && misfits != MRC_ALG_SET_EDDSA)
        return mrc_error_set(error, MRC_EINVAL,
                             "none of the configured algorithms fits %s; this one is for %s", kind,
                             describe_algs(key));
    return mrc_error_set(error, MRC_EINVAL, "%s does not fit %s; this one is for %s",
                         mrc_alg_set_name(misfits), kind, describe_algs(key));
}

/* Checks that a secret is as long as the hash of each configured algorithm. */
static enum mrc_err check_length(const struct mrc_key *key, mrc_alg_set algs, unsigned flags,
                                 struct mrc_error *error, struct mrc_error *warning)
{
    size_t have = mrc_key_get_secret_bytes(key), need = 0;
    enum mrc_alg longest = MRC_ALG_HS256;

    for (enum mrc_alg alg = MRC_ALG_HS256; have && alg <= MRC_ALG_HS512; alg++) {
        if (mrc_alg_set_has(algs, alg)) {
            longest = alg;
            need = mrc_alg_hash_bytes(alg);
        }
    }
    if (have >= need)
        return MRC_OK;
    if (flags & MRC_KEYSET_SHORT_SECRET_WARNS) {
        mrc_error_set(
            warning, MRC_EINVAL,
            "the secret has %zu bytes; %s needs %zu or more, because a short secret can be "
            "guessed",
            have, mrc_alg_name(longest), need);
        return MRC_OK;
    }
    return mrc_error_set(error, MRC_EINVAL, "the secret has %zu bytes; %s needs %zu or more", have,
                         mrc_alg_name(longest), need);
}

/* Adds the only key of a source to KEYS, which owns it from now on, and checks it. */
static enum mrc_err add_only(struct mrc_keyset *keys, struct mrc_key *key, mrc_alg_set algs,
                             unsigned flags, struct mrc_error *error)
{
    enum mrc_err err;

    keys->keys[keys->count++] = key;
    err = check_fit(key, algs, error);
    if (!err)
        err = check_length(key, algs, flags, error, &keys->warning);
    mrc_key_restrict(key, algs);
    return err;
}

/* Whether CONTENT is a public key as OpenSSL's tools or SSH write it, and so not a secret. */
static bool is_public_key(struct mrc_bytes content)
{
    const unsigned char *der = (const unsigned char *)content.ptr;
    const unsigned char *end = der + content.len;
    EVP_PKEY *pkey = NULL;
    X509 *cert = NULL;
    bool found;

    if (mrc_bytes_starts_with(content, mrc_bytes_of("ssh-")) ||
        mrc_bytes_starts_with(content, mrc_bytes_of("ecdsa-sha2-")))
        return true;
    ERR_set_mark();
    pkey = d2i_PUBKEY(NULL, &der, (long)content.len);
    found = pkey && der == end;
    der = (const unsigned char *)content.ptr;
    cert = d2i_X509(NULL, &der, (long)content.len);
    found = found || (cert && der == end);
    EVP_PKEY_free(pkey);
    X509_free(cert);
    ERR_pop_to_mark();
    return found;
}

static enum mrc_err parse_secret(struct mrc_keyset *keys, struct mrc_bytes content,
                                 mrc_alg_set algs, unsigned flags, struct mrc_error *error)
{
    struct mrc_key *key;
    enum mrc_err err;

    if (content.len && is_public_key(content))
        return mrc_error_set(error, MRC_EINVAL,
                             "this is a public key, but neither PEM nor JWK: convert it "
                             "(openssl pkey -pubin -inform DER, ssh-keygen -e -m PKCS8)");
    if (content.len && content.ptr[content.len - 1] == '\n') {
        content.len--;
        if (content.len && content.ptr[content.len - 1] == '\r')
            content.len--;
    }
    if (!content.len)
        return mrc_error_set(error, MRC_EINVAL, "the key is empty: give a secret or a public key");
    if (contains(content, "${"))
        return mrc_error_set(error, MRC_EINVAL,
                             "the secret still holds ${...}: define the variable");
    err = mrc_key_from_secret(content, &key);
    if (err)
        return err;
    return add_only(keys, key, algs, flags, error);
}

/* Reads one PEM block. RET_PKEY is untouched for a block without a key (parameters). */
static enum mrc_err parse_pem_block(const char *name, const unsigned char *der, long len,
                                    struct mrc_error *error, EVP_PKEY **ret_pkey)
{
    const unsigned char *pos = der;
    EVP_PKEY *pkey = NULL;
    struct mrc_quote quote;

    if (strstr(name, "PRIVATE KEY"))
        return mrc_error_set(error, MRC_EINVAL,
                             "this is a private key: give the hub only the public key "
                             "(openssl pkey -in FILE -pubout)");
    if (strstr(name, "PARAMETERS"))
        return MRC_OK;
    if (strcmp(name, PEM_STRING_PUBLIC) == 0) {
        pkey = d2i_PUBKEY(NULL, &pos, len);
    } else if (strcmp(name, PEM_STRING_RSA_PUBLIC) == 0) {
        pkey = d2i_PublicKey(EVP_PKEY_RSA, NULL, &pos, len);
    } else if (strcmp(name, PEM_STRING_X509) == 0 || strcmp(name, PEM_STRING_X509_OLD) == 0 ||
               strcmp(name, PEM_STRING_X509_TRUSTED) == 0) {
        X509 *cert = d2i_X509_AUX(NULL, &pos, len);

        pkey = cert ? X509_get_pubkey(cert) : NULL;
        X509_free(cert);
    } else {
        return mrc_error_set(error, MRC_EUNSUPPORTED,
                             "PEM block %s is neither a public key nor a certificate",
                             mrc_quote(&quote, mrc_bytes_of(name)));
    }
    if (!pkey || pos != der + len) {
        EVP_PKEY_free(pkey);
        return mrc_error_set(error, MRC_EINVAL, "PEM block %s cannot be read",
                             mrc_quote(&quote, mrc_bytes_of(name)));
    }
    *ret_pkey = pkey;
    return MRC_OK;
}

/* Takes the first public key of a PEM file, and reads on to find private keys in it. */
static enum mrc_err parse_pem(struct mrc_keyset *keys, struct mrc_bytes content, mrc_alg_set algs,
                              struct mrc_error *error)
{
    BIO *bio = BIO_new_mem_buf(content.ptr, (int)content.len);
    EVP_PKEY *first = NULL;
    struct mrc_key *key = NULL;
    bool first_is_cert = false;
    enum mrc_err err = MRC_OK;

    if (!bio)
        return MRC_ENOMEM;
    while (!err) {
        char *name = NULL, *header = NULL;
        unsigned char *der = NULL;
        EVP_PKEY *pkey = NULL;
        bool is_cert;
        long len;

        if (!PEM_read_bio(bio, &name, &header, &der, &len))
            break;
        err = parse_pem_block(name, der, len, error, &pkey);
        is_cert = strstr(name, "CERTIFICATE") != NULL;
        if (!err && pkey && !first) {
            first = pkey;
            first_is_cert = is_cert;
            pkey = NULL;
        } else if (!err && pkey && !(first_is_cert && is_cert)) {
            err = mrc_error_set(error, MRC_EINVAL,
                                "there are several public keys: give one key per source, or a JWK "
                                "Set");
        }
        EVP_PKEY_free(pkey);
        OPENSSL_free(name);
        OPENSSL_free(header);
        OPENSSL_clear_free(der, (size_t)len);
    }
    if (!err && contains(content, "PRIVATE KEY-----"))
        err = mrc_error_set(error, MRC_EINVAL,
                            "this holds a private key: give the hub only the public key");
    if (!err && !first)
        err = mrc_error_set(error, MRC_EINVAL, "this looks like PEM, but holds no complete block%s",
                            contains(content, "\\n") ? ": its line ends are written as \\n" : "");
    if (!err)
        err = mrc_key_from_pkey(first, error, &key);
    if (!err)
        err = add_only(keys, key, algs, 0, error);
    EVP_PKEY_free(first);
    BIO_free(bio);
    return err;
}

/* The state of reading a JWK Set. */
struct set_reader {
    struct mrc_keyset *keys;
    mrc_alg_set algs;
    unsigned flags;
    size_t tries;            /* keys that have been read */
    size_t skipped;          /* keys that cannot be used */
    struct mrc_error reason; /* of the first skipped key */
};

/* Makes a key from JWK, number I of the set. MRC_ELIMIT: too many have been tried. */
static enum mrc_err try_key(struct set_reader *reader, size_t i, const json_t *jwk,
                            struct mrc_key **ret_key)
{
    struct mrc_error *why = reader->skipped ? NULL : &reader->reason;
    struct mrc_key *key = NULL;
    enum mrc_err err;

    /* The first key that is skipped is read in any case, for the reason. */
    if (reader->skipped && !(mrc_jwk_get_algs(jwk) & reader->algs))
        return MRC_EUNSUPPORTED;
    if (++reader->tries > MRC_KEYSET_MAX_TRIES)
        return MRC_ELIMIT;
    err = mrc_jwk_parse(jwk, why, &key);
    if (!err && !(mrc_key_get_algs(key) & reader->algs))
        err = mrc_error_set(why, MRC_EUNSUPPORTED,
                            "key %zu is %s, which fits none of the configured algorithms", i + 1,
                            mrc_key_get_kind(key));
    if (!err)
        err = check_length(key, mrc_key_get_algs(key) & reader->algs, reader->flags, why,
                           &reader->keys->warning);
    if (err) {
        mrc_key_free(key);
        return err;
    }
    mrc_key_restrict(key, reader->algs);
    *ret_key = key;
    return MRC_OK;
}

/* Adds JWK, number I of the set, to the keys, or skips it. */
static enum mrc_err take_key(struct set_reader *reader, size_t i, const json_t *jwk,
                             struct mrc_error *error)
{
    struct mrc_keyset *keys = reader->keys;
    struct mrc_key *key = NULL;
    bool is_private = false;
    enum mrc_err err;

    err = mrc_jwk_check(jwk, reader->skipped ? NULL : &reader->reason, &is_private);
    if (is_private)
        return mrc_error_set(error, MRC_EINVAL,
                             "key %zu of the JWK Set is a private key: publish and configure only "
                             "public members",
                             i + 1);
    if (!err)
        err = try_key(reader, i, jwk, &key);
    if (err == MRC_ENOMEM)
        return err;
    if (reader->tries > MRC_KEYSET_MAX_TRIES)
        return mrc_error_set(error, MRC_ELIMIT,
                             "the JWK Set has more than %d keys of the configured algorithms",
                             MRC_KEYSET_MAX_TRIES);
    if (err) {
        reader->skipped++;
        return MRC_OK;
    }
    if (keys->count == MRC_KEYSET_MAX_KEYS) {
        mrc_key_free(key);
        return mrc_error_set(error, MRC_ELIMIT, "the JWK Set has more than %d usable keys",
                             MRC_KEYSET_MAX_KEYS);
    }
    keys->keys[keys->count++] = key;
    return MRC_OK;
}

static enum mrc_err parse_set(struct mrc_keyset *keys, const json_t *set, mrc_alg_set algs,
                              unsigned flags, struct mrc_error *error)
{
    const json_t *array = json_object_get(set, "keys");
    struct set_reader reader = {
        .keys = keys, .algs = algs, .flags = flags, .reason = {"it is empty"}};

    if (!json_is_array(array))
        return mrc_error_set(error, MRC_EINVAL, "the JWK Set's member keys is not an array");
    for (size_t i = 0; i < json_array_size(array); i++) {
        enum mrc_err err = take_key(&reader, i, json_array_get(array, i), error);

        if (err)
            return err;
    }
    if (!keys->count)
        return mrc_error_set(error, MRC_EINVAL, "the JWK Set has no usable key: %s",
                             reader.reason.text);
    return MRC_OK;
}

static enum mrc_err parse_one(struct mrc_keyset *keys, struct mrc_bytes content, mrc_alg_set algs,
                              unsigned flags, struct mrc_error *error)
{
    struct mrc_error inner = {""};
    struct mrc_key *key = NULL;
    bool is_private = false;
    json_t *jwk = NULL;
    enum mrc_err err = mrc_json_pick(content, mrc_jwk_picks, &inner, &jwk);

    if (err)
        return mrc_error_set(error, err, "this JWK is %s", inner.text);
    err = mrc_jwk_check(jwk, error, &is_private);
    if (!err)
        err = mrc_jwk_parse(jwk, error, &key);
    if (!err)
        err = add_only(keys, key, algs, flags, error);
    json_decref(jwk);
    return err;
}

/* Reads an object with `keys` or `kty`. RET_TAKEN: CONTENT is meant to be one, valid or not. */
static enum mrc_err parse_json(struct mrc_keyset *keys, struct mrc_bytes content, mrc_alg_set algs,
                               unsigned flags, struct mrc_error *error, bool *ret_taken)
{
    struct mrc_error inner = {""};
    json_t *object = NULL;
    enum mrc_err err;

    *ret_taken = contains(content, "\"keys\"") || contains(content, "\"kty\"");
    err = mrc_json_pick(content, set_picks, &inner, &object);
    if (err)
        return mrc_error_set(error, err, "this looks like a JWK or a JWK Set, but it is %s",
                             inner.text);
    *ret_taken = true;
    if (json_object_get(object, "keys")) {
        err = parse_set(keys, object, algs, flags, error);
    } else if (json_object_get(object, "kty")) {
        err = parse_one(keys, content, algs, flags, error);
    } else {
        err = mrc_error_set(
            error, MRC_EINVAL,
            "this is JSON, but neither a JWK (with a member kty) nor a JWK Set (keys)");
    }
    json_decref(object);
    return err;
}

static enum mrc_err parse_only_set(struct mrc_keyset *keys, struct mrc_bytes content,
                                   mrc_alg_set algs, unsigned flags, struct mrc_error *error)
{
    struct mrc_error inner = {""};
    json_t *object = NULL;
    enum mrc_err err = mrc_json_pick(skip_mark(content), set_picks, &inner, &object);

    if (err)
        return mrc_error_set(error, err, "this is not a JWK Set: it is %s", inner.text);
    if (json_object_get(object, "keys"))
        err = parse_set(keys, object, algs, flags, error);
    else
        err = mrc_error_set(error, MRC_EINVAL, "this is not a JWK Set: it has no member keys");
    json_decref(object);
    return err;
}

static enum mrc_err parse(struct mrc_keyset *keys, struct mrc_bytes content, mrc_alg_set algs,
                          unsigned flags, struct mrc_error *error)
{
    struct mrc_bytes text;
    bool taken;
    enum mrc_err err;

    if (content.len > MRC_KEYSET_MAX_BYTES)
        return mrc_error_set(error, MRC_ELIMIT, "the key is longer than %zu bytes",
                             MRC_KEYSET_MAX_BYTES);
    if (flags & MRC_KEYSET_SET_ONLY)
        return parse_only_set(keys, content, algs, flags, error);
    if (contains(content, "-----BEGIN "))
        return parse_pem(keys, content, algs, error);
    text = skip_space(skip_mark(content));
    if (text.len && text.ptr[0] == '{') {
        err = parse_json(keys, text, algs, flags, error, &taken);
        if (taken)
            return err;
    }
    return parse_secret(keys, content, algs, flags, error);
}

enum mrc_err mrc_keyset_parse(struct mrc_bytes content, mrc_alg_set algs, unsigned flags,
                              struct mrc_error *error, struct mrc_keyset **ret_keys)
{
    struct mrc_keyset *keys = calloc(1, sizeof(*keys));
    enum mrc_err err;

    if (!keys)
        return MRC_ENOMEM;
    ERR_set_mark();
    err = parse(keys, content, algs, flags, error);
    ERR_pop_to_mark();
    if (err) {
        mrc_keyset_free(keys);
        return err;
    }
    *ret_keys = keys;
    return MRC_OK;
}

enum mrc_err mrc_keyset_create_empty(struct mrc_keyset **ret_keys)
{
    struct mrc_keyset *keys = calloc(1, sizeof(*keys));

    if (!keys)
        return MRC_ENOMEM;
    *ret_keys = keys;
    return MRC_OK;
}

void mrc_keyset_free(struct mrc_keyset *keys)
{
    if (!keys)
        return;
    for (size_t i = 0; i < keys->count; i++)
        mrc_key_free(keys->keys[i]);
    free(keys);
}

const char *mrc_keyset_get_warning(const struct mrc_keyset *keys)
{
    return keys->warning.text[0] ? keys->warning.text : NULL;
}

size_t mrc_keyset_get_count(const struct mrc_keyset *keys)
{
    return keys ? keys->count : 0;
}

const struct mrc_key *mrc_keyset_get_key(const struct mrc_keyset *keys, size_t index)
{
    return keys->keys[index];
}
