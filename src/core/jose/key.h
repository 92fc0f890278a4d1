/*
 * A key that verifies signatures: a secret (HMAC) or a public key, and the algorithms that it may
 * be used for. Only this file decides which kind of key fits which algorithm.
 *
 * A key is immutable once made: any number of threads may verify with it at the same time.
 */
#ifndef MRC_CORE_JOSE_KEY_H
#define MRC_CORE_JOSE_KEY_H

#include <openssl/types.h>

#include "core/jose/alg.h"

/* RSA moduli outside these bounds are refused: they are too weak, or too expensive. */
#define MRC_KEY_RSA_MIN_BITS 2048
#define MRC_KEY_RSA_MAX_BITS 16384

struct mrc_key;

/* Makes a key from a copy of SECRET, which is not empty. MRC_ENOMEM. */
enum mrc_err mrc_key_from_secret(struct mrc_bytes secret, struct mrc_key **ret_key);

/*
 * Makes a key from PKEY, an RSA, EC (P-256, P-384, P-521), Ed25519 or Ed448 public key. The new key
 * takes its own reference to PKEY. MRC_EUNSUPPORTED for another type or curve; MRC_EINVAL for a
 * key whose size, exponent or point is not acceptable; MRC_ENOMEM. ERROR has the reason.
 */
enum mrc_err mrc_key_from_pkey(EVP_PKEY *pkey, struct mrc_error *error, struct mrc_key **ret_key);

/* Accepts NULL. Overwrites secrets. */
void mrc_key_free(struct mrc_key *key);

/* Restricts the algorithms of a key that no other thread sees yet. */
void mrc_key_restrict(struct mrc_key *key, mrc_alg_set algs);

/* Copies KID as the name of a key that no other thread sees yet. MRC_ENOMEM. */
enum mrc_err mrc_key_set_kid(struct mrc_key *key, const char *kid);

/* The name of the key; NULL: it has none. */
const char *mrc_key_get_kid(const struct mrc_key *key);

/*
 * The algorithms that the key verifies: all that fit its kind (a secret of any length fits all of
 * HMAC), except those that mrc_key_restrict() has removed.
 */
mrc_alg_set mrc_key_get_algs(const struct mrc_key *key);

/* The kind of key in words, such as "an RSA public key" or "a secret"; a constant. */
const char *mrc_key_get_kind(const struct mrc_key *key);

/* The length of a secret in bytes; 0 for a public key. */
size_t mrc_key_get_secret_bytes(const struct mrc_key *key);

/* The hash function of ALG; NULL for EdDSA, which hashes by itself. */
const EVP_MD *mrc_key_digest(enum mrc_alg alg);

/*
 * Verifies SIGNATURE, in the form of RFC 7518, 3 (ECDSA: r and s side by side), as a signature of
 * DATA with ALG. MRC_OK if it is valid; MRC_EINVAL if it is not, or if the key is not for ALG;
 * MRC_ENOMEM. Leaves OpenSSL's error queue as it was.
 */
enum mrc_err mrc_key_verify(const struct mrc_key *key, enum mrc_alg alg, struct mrc_bytes data,
                            struct mrc_bytes signature);

#endif
