/*
 * The keys of one configured source: a secret, a PEM public key or certificate, a JWK, or a JWK Set
 * (RFC 7517, RFC 7518, RFC 8037). The content shows which one it is.
 *
 * A key set is immutable once parsed: any number of threads may verify with it at the same time.
 * Its owner frees it when no thread uses it any more.
 */
#ifndef MRC_CORE_JOSE_KEYSET_H
#define MRC_CORE_JOSE_KEYSET_H

#include "core/jose/alg.h"
#include "core/jose/key.h"

/*
 * The longest content that is parsed, the most usable keys of a JWK Set, and the most keys of a JWK
 * Set that are read because they may be usable.
 */
#define MRC_KEYSET_MAX_BYTES ((size_t)256 * 1024)
#define MRC_KEYSET_MAX_KEYS  64
#define MRC_KEYSET_MAX_TRIES 256

struct mrc_keyset;

enum mrc_keyset_flags {
    /* A secret that is shorter than its hash is a warning, not an error: for protocol 0.x. */
    MRC_KEYSET_SHORT_SECRET_WARNS = 1,
    /* Only a JWK Set is accepted, because the content comes from the network. */
    MRC_KEYSET_SET_ONLY = 2
};

/*
 * Parses CONTENT for use with ALGS, which are not empty. FLAGS are of enum mrc_keyset_flags.
 * RET_KEYS does not refer to CONTENT.
 *
 * - An object with the member `keys` is a JWK Set. Keys that are unknown to this build, malformed,
 *   for encryption, or for none of ALGS are left out. At least one usable key has to remain, and no
 *   more than MRC_KEYSET_MAX_KEYS. Members that verifying does not use may hold any value.
 * - An object with the member `kty` is one JWK. Text with a BEGIN line of PEM is a public key or a
 *   certificate. Of several certificates the first one counts; its dates and its issuer do not
 *   matter. The key has to fit at least one of ALGS, and ALGS of a public key must not have an
 *   algorithm for secrets.
 * - Anything else is a secret, without one LF or CRLF at its end. ALGS have to be HMAC only.
 *
 * MRC_EINVAL, MRC_EUNSUPPORTED or MRC_ELIMIT, and ERROR says how to fix the configuration, for a
 * private key, a key that does not fit ALGS, a secret that is empty, too short or holds `${`, an
 * RSA key out of bounds, a duplicate member; MRC_ENOMEM. ERROR never holds a part of a key.
 */
enum mrc_err mrc_keyset_parse(struct mrc_bytes content, mrc_alg_set algs, unsigned flags,
                              struct mrc_error *error, struct mrc_keyset **ret_keys);

/* Makes a set without keys, which verifies nothing. MRC_ENOMEM. */
enum mrc_err mrc_keyset_create_empty(struct mrc_keyset **ret_keys);

/* Accepts NULL. */
void mrc_keyset_free(struct mrc_keyset *keys);

/* A warning for the administrator about keys that are usable, or NULL. */
const char *mrc_keyset_get_warning(const struct mrc_keyset *keys);

/* The keys in the order of the content; they live as long as the set. KEYS may be NULL: none. */
size_t mrc_keyset_get_count(const struct mrc_keyset *keys);
const struct mrc_key *mrc_keyset_get_key(const struct mrc_keyset *keys, size_t index);

#endif
