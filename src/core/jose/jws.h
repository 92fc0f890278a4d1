/*
 * JSON Web Signatures in compact serialization (RFC 7515, 7.1). A token is parsed first, so that
 * the caller can choose the keys of its issuer, and then verified with them.
 *
 * A token cannot bring its own key: `jwk`, `jku`, `x5u` and `x5c` are ignored. `crit` is always
 * refused, because the hub supports no extension; `b64` is refused, too.
 */
#ifndef MRC_CORE_JOSE_JWS_H
#define MRC_CORE_JOSE_JWS_H

#include "core/jose/alg.h"
#include "core/jose/keyset.h"

/*
 * The longest token. It has room for the topics of MRC_GRANTS_TOPICS_DEFAULT. httpd's own limit for
 * a header field, 8190 bytes by default, is lower.
 */
#define MRC_JWS_MAX_BYTES ((size_t)64 * 1024)

/* The most keys that are tried on one token: a token without `kid` must not cost much time. */
#define MRC_JWS_MAX_TRIES 16

/* A parsed token, which does not refer to its text. One thread at a time. */
struct mrc_jws;

/* Keys that may verify a token, and the algorithms that the configuration allows for them. */
struct mrc_jws_keys {
    mrc_alg_set algs;
    const struct mrc_keyset *keys; /* NULL: none */
};

/*
 * Parses TOKEN: three segments of strict base64url, of which the first is a JSON header with a
 * known `alg`. Verifies nothing. MRC_EINVAL or MRC_ELIMIT with the reason in ERROR; MRC_ENOMEM.
 */
enum mrc_err mrc_jws_parse(struct mrc_bytes token, struct mrc_error *error,
                           struct mrc_jws **ret_jws);

/* Accepts NULL. */
void mrc_jws_free(struct mrc_jws *jws);

/*
 * Members of the header, not verified. NULL: the member is missing. They live as long as JWS. `alg`
 * is a known name, which stands for these algorithms.
 */
mrc_alg_set mrc_jws_get_algs(const struct mrc_jws *jws);
const char *mrc_jws_get_alg_name(const struct mrc_jws *jws);
const char *mrc_jws_get_typ(const struct mrc_jws *jws);
const char *mrc_jws_get_kid(const struct mrc_jws *jws);

/* The payload, not verified; lives as long as JWS. */
struct mrc_bytes mrc_jws_get_payload(const struct mrc_jws *jws);

/*
 * Verifies the signature with the keys of the COUNT rows at CANDIDATES. A row and the key itself
 * have to allow the token's algorithm. `kid` chooses among these keys: a token with `kid` is tried
 * with the keys of that name, or, if there is none, with the keys without a name; a token without
 * `kid` is tried with all of them. MRC_OK; MRC_EINVAL if no key verifies it; MRC_ENOTFOUND if there
 * is no key to try, because the keys may be out of date; MRC_ELIMIT if there are more than
 * MRC_JWS_MAX_TRIES; MRC_ENOMEM. ERROR has the reason.
 */
enum mrc_err mrc_jws_verify(const struct mrc_jws *jws, const struct mrc_jws_keys *candidates,
                            size_t count, struct mrc_error *error);

#endif
