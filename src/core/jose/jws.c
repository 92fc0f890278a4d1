#include "core/jose/jws.h"

#include "core/base/base64url.h"
#include "core/base/json_pick.h"
#include "core/base/quote.h"

struct mrc_jws {
    mrc_alg_set algs; /* those that `alg` stands for */
    json_t *header;
    struct mrc_buf payload;
    struct mrc_buf signature;
    struct mrc_buf signing_input; /* header and payload, still encoded */
};

/* The members of a header that are used. Of `crit` and `b64`, only the presence matters. */
static const struct mrc_json_pick header_picks[] = {
    {.name = "alg"}, {.name = "typ"}, {.name = "kid"}, {.name = NULL}};

/* The keys that the `kid` of a token selects. */
enum choice { KEYS_OF_THAT_NAME, KEYS_WITHOUT_NAME, ALL_KEYS };

static enum mrc_err split(struct mrc_bytes token, struct mrc_bytes segments[3],
                          struct mrc_error *error)
{
    size_t count = 0, start = 0;

    if (token.len > MRC_JWS_MAX_BYTES)
        return mrc_error_set(error, MRC_ELIMIT, "the token has %zu bytes; the maximum is %zu",
                             token.len, MRC_JWS_MAX_BYTES);
    for (size_t i = 0; i <= token.len; i++) {
        if (i < token.len && token.ptr[i] != '.')
            continue;
        if (count < 3)
            segments[count] = (struct mrc_bytes){token.ptr + start, i - start};
        count++;
        start = i + 1;
    }
    if (count != 3)
        return mrc_error_set(error, MRC_EINVAL,
                             "a token has three parts separated by dots; this one has %zu%s", count,
                             count == 5 ? ", like an encrypted token" : "");
    return MRC_OK;
}

static enum mrc_err decode(const char *what, struct mrc_bytes segment, struct mrc_buf *buf,
                           struct mrc_error *error)
{
    enum mrc_err err;

    mrc_buf_init(buf, MRC_JWS_MAX_BYTES);
    err = mrc_base64url_decode(segment, buf);
    if (err == MRC_EINVAL)
        return mrc_error_set(error, err, "the token's %s is not base64url without padding", what);
    return err;
}

static const char *get_string(const json_t *object, const char *name)
{
    return json_string_value(json_object_get(object, name));
}

/* The rules for the header that do not depend on the use of the token. */
static enum mrc_err check_header(struct mrc_jws *jws, struct mrc_error *error)
{
    static const char *const strings[] = {"alg", "typ", "kid"};
    struct mrc_quote quote;
    const char *alg;

    for (size_t i = 0; i < sizeof(strings) / sizeof(strings[0]); i++) {
        const json_t *value = json_object_get(jws->header, strings[i]);

        if (value && !json_is_string(value))
            return mrc_error_set(error, MRC_EINVAL, "the header's member %s is not a string",
                                 strings[i]);
    }
    if (json_object_get(jws->header, "crit"))
        return mrc_error_set(error, MRC_EINVAL,
                             "the header requires extensions (crit); this hub supports none");
    if (json_object_get(jws->header, "b64"))
        return mrc_error_set(error, MRC_EINVAL,
                             "the header requires another encoding of the payload (b64)");
    alg = get_string(jws->header, "alg");
    if (!alg)
        return mrc_error_set(error, MRC_EINVAL, "the header has no alg");
    if (mrc_alg_parse(mrc_bytes_of(alg), &jws->algs))
        return mrc_error_set(error, MRC_EINVAL, "the algorithm %s is not accepted",
                             mrc_quote(&quote, mrc_bytes_of(alg)));
    return MRC_OK;
}

enum mrc_err mrc_jws_parse(struct mrc_bytes token, struct mrc_error *error,
                           struct mrc_jws **ret_jws)
{
    struct mrc_bytes segments[3] = {{NULL, 0}};
    struct mrc_error inner = {""};
    struct mrc_jws *jws = NULL;
    struct mrc_buf header = {0};
    enum mrc_err err;

    err = split(token, segments, error);
    if (err)
        return err;
    jws = calloc(1, sizeof(*jws));
    if (!jws)
        return MRC_ENOMEM;
    err = decode("header", segments[0], &header, error);
    if (!err)
        err = decode("payload", segments[1], &jws->payload, error);
    if (!err)
        err = decode("signature", segments[2], &jws->signature, error);
    if (err)
        goto leave;
    err = mrc_json_pick(mrc_buf_bytes(&header), header_picks, &inner, &jws->header);
    if (err) {
        err = mrc_error_set(error, err, "the token's header is %s", inner.text);
        goto leave;
    }
    err = check_header(jws, error);
    if (err)
        goto leave;
    mrc_buf_init(&jws->signing_input, MRC_JWS_MAX_BYTES);
    mrc_buf_add(&jws->signing_input, token.ptr, segments[0].len + 1 + segments[1].len);
    err = mrc_buf_error(&jws->signing_input);
    if (err)
        goto leave;
    *ret_jws = jws;
    jws = NULL;
leave:
    mrc_buf_free(&header);
    mrc_jws_free(jws);
    return err;
}

void mrc_jws_free(struct mrc_jws *jws)
{
    if (!jws)
        return;
    json_decref(jws->header);
    mrc_buf_free(&jws->payload);
    mrc_buf_free(&jws->signature);
    mrc_buf_free(&jws->signing_input);
    free(jws);
}

mrc_alg_set mrc_jws_get_algs(const struct mrc_jws *jws)
{
    return jws->algs;
}

const char *mrc_jws_get_alg_name(const struct mrc_jws *jws)
{
    return get_string(jws->header, "alg");
}

const char *mrc_jws_get_typ(const struct mrc_jws *jws)
{
    return get_string(jws->header, "typ");
}

const char *mrc_jws_get_kid(const struct mrc_jws *jws)
{
    return get_string(jws->header, "kid");
}

struct mrc_bytes mrc_jws_get_payload(const struct mrc_jws *jws)
{
    return mrc_buf_bytes(&jws->payload);
}

static bool is_candidate(const struct mrc_jws *jws, const struct mrc_jws_keys *row,
                         const struct mrc_key *key, enum choice choice)
{
    const char *name = mrc_key_get_kid(key);

    if (!(row->algs & mrc_key_get_algs(key) & jws->algs))
        return false;
    switch (choice) {
    case KEYS_OF_THAT_NAME:
        return name && strcmp(name, mrc_jws_get_kid(jws)) == 0;
    case KEYS_WITHOUT_NAME:
        return !name;
    case ALL_KEYS:
        return true;
    }
    return false;
}

/* Writes the first keys that CHOICE selects to FOUND, and returns the number of all of them. */
static size_t choose(const struct mrc_jws *jws, const struct mrc_jws_keys *rows, size_t count,
                     enum choice choice, const struct mrc_key *found[MRC_JWS_MAX_TRIES])
{
    size_t total = 0;

    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < mrc_keyset_get_count(rows[i].keys); k++) {
            const struct mrc_key *key = mrc_keyset_get_key(rows[i].keys, k);

            if (!is_candidate(jws, &rows[i], key, choice))
                continue;
            if (total < MRC_JWS_MAX_TRIES)
                found[total] = key;
            total++;
        }
    }
    return total;
}

/* Names a key that could be used instead. */
static enum mrc_err explain_kid(const struct mrc_jws *jws, const struct mrc_jws_keys *rows,
                                size_t count, struct mrc_error *error)
{
    const struct mrc_key *found[MRC_JWS_MAX_TRIES];
    size_t total = choose(jws, rows, count, ALL_KEYS, found);
    struct mrc_quote quote;

    return mrc_error_set(error, MRC_ENOTFOUND, "no key of this issuer has that kid; there is %s%s",
                         mrc_quote(&quote, mrc_bytes_of(mrc_key_get_kid(found[0]))),
                         total > 1 ? " and others" : "");
}

/* Why there is no key to try: the algorithm is not configured, or the keys have other names. */
static enum mrc_err explain_no_key(const struct mrc_jws *jws, const struct mrc_jws_keys *rows,
                                   size_t count, struct mrc_error *error)
{
    const struct mrc_key *found[MRC_JWS_MAX_TRIES];
    const char *alg = mrc_jws_get_alg_name(jws);
    mrc_alg_set algs = 0;

    for (size_t i = 0; i < count; i++)
        algs |= rows[i].algs;
    if (!(algs & jws->algs))
        return mrc_error_set(error, MRC_EINVAL,
                             "the algorithm %s is not configured for this issuer (%s is)", alg,
                             algs ? mrc_alg_set_name(algs) : "none");
    if (choose(jws, rows, count, ALL_KEYS, found))
        return explain_kid(jws, rows, count, error);
    return mrc_error_set(error, MRC_ENOTFOUND, "no key of this issuer is for %s", alg);
}

enum mrc_err mrc_jws_verify(const struct mrc_jws *jws, const struct mrc_jws_keys *candidates,
                            size_t count, struct mrc_error *error)
{
    const struct mrc_key *found[MRC_JWS_MAX_TRIES];
    size_t tries = 0;

    if (mrc_jws_get_kid(jws)) {
        tries = choose(jws, candidates, count, KEYS_OF_THAT_NAME, found);
        if (!tries)
            tries = choose(jws, candidates, count, KEYS_WITHOUT_NAME, found);
    } else {
        tries = choose(jws, candidates, count, ALL_KEYS, found);
    }
    if (!tries)
        return explain_no_key(jws, candidates, count, error);
    if (tries > MRC_JWS_MAX_TRIES)
        return mrc_error_set(error, MRC_ELIMIT,
                             "%zu keys might have signed this token, and at most %d are tried: the "
                             "token must name its key (kid)",
                             tries, MRC_JWS_MAX_TRIES);
    for (size_t i = 0; i < tries; i++) {
        enum mrc_alg alg = mrc_alg_set_first(mrc_key_get_algs(found[i]) & jws->algs);
        enum mrc_err err = mrc_key_verify(found[i], alg, mrc_buf_bytes(&jws->signing_input),
                                          mrc_buf_bytes(&jws->signature));

        if (err != MRC_EINVAL)
            return err;
    }
    return mrc_error_set(
        error, MRC_EINVAL,
        "the %s signature does not match: the token was signed with another key, or "
        "altered",
        mrc_jws_get_alg_name(jws));
}
