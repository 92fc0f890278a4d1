/*
 * JSON Web Signature in compact serialization (RFC 7515, 7.1): taken apart first, so that the
 * caller can choose whose keys count, then verified with these.
 *
 * Nothing in a token introduces a key: `jwk`, `jku`, `x5u`, `x5c` are not looked at. `crit` is
 * refused whatever it names, since no extension is known here, `b64` with it.
 */
#ifndef MRC_CORE_JOSE_JWS_H
#define MRC_CORE_JOSE_JWS_H

#include "core/jose/alg.h"
#include "core/jose/keyset.h"

/*
 * The longest token: there is room for the topics of MRC_GRANTS_TOPICS_DEFAULT. What httpd takes as
 * one header field (8190 bytes by default) is shorter.
 */
#define MRC_JWS_MAX_BYTES ((size_t)64 * 1024)

/* How many keys are tried on one token, so that a token without `kid` cannot buy much time. */
#define MRC_JWS_MAX_TRIES 16

/* One token taken apart; independent of the text that it came from. One thread at a time. */
struct mrc_jws;

/* Keys that may verify a token, and the algorithms for which the configuration allows them. */
struct mrc_jws_keys {
    mrc_alg_set algs;
    const struct mrc_keyset *keys; /* NULL: none */
};

/*
 * Takes TOKEN apart: three segments of strict base64url, a header of JSON with a known `alg`.
 * Verifies nothing. MRC_EINVAL or MRC_ELIMIT with words; MRC_ENOMEM.
 */
enum mrc_err mrc_jws_parse(struct mrc_bytes token, struct mrc_error *error,
                           struct mrc_jws **ret_jws);

/* Accepts NULL. */
void mrc_jws_free(struct mrc_jws *jws);

/* What the header says, unverified; NULL if the member is missing. They live as long as JWS. */
enum mrc_alg mrc_jws_get_alg(const struct mrc_jws *jws);
const char *mrc_jws_get_typ(const struct mrc_jws *jws);
const char *mrc_jws_get_kid(const struct mrc_jws *jws);

/* The payload, unverified; lives as long as JWS. */
struct mrc_bytes mrc_jws_get_payload(const struct mrc_jws *jws);

/*
 * Verifies the signature with the COUNT key sets at CANDIDATES. The token's algorithm must be one
 * that the candidate's row and the key itself allow. `kid` is a hint among these keys: if the
 * token has one, the keys of that name are tried, or, if there are none, those without a name;
 * a token without `kid` is tried with all. MRC_OK; MRC_ENOTFOUND if no key is left to try (the
 * keys may be out of date); MRC_EINVAL if none verifies; MRC_ELIMIT if more than MRC_JWS_MAX_TRIES
 * are left; words in ERROR. MRC_ENOMEM.
 */
enum mrc_err mrc_jws_verify(const struct mrc_jws *jws, const struct mrc_jws_keys *candidates,
                            size_t count, struct mrc_error *error);

#endif
