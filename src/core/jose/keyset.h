/*
 * The keys that one configured source holds: a secret, a PEM public key or certificate, a JWK, or
 * a JWK Set (RFC 7517, RFC 7518, RFC 8037), told apart by their content.
 *
 * A key set is immutable once parsed: any number of threads may verify with it at the same time.
 * Its owner frees it when nobody uses it any more.
 */
#ifndef MRC_CORE_JOSE_KEYSET_H
#define MRC_CORE_JOSE_KEYSET_H

#include "core/jose/alg.h"
#include "core/jose/key.h"

/* The longest content that is looked at, and the most keys that a JWK Set may hold. */
#define MRC_KEYSET_MAX_BYTES ((size_t)256 * 1024)
#define MRC_KEYSET_MAX_KEYS  64

struct mrc_keyset;

enum mrc_keyset_flags {
    /* A secret shorter than its hash is a warning, not an error (0.x hubs have such secrets). */
    MRC_KEYSET_SHORT_SECRET_WARNS = 1,
    /* Nothing but a JWK Set will do: what comes over the network. */
    MRC_KEYSET_SET_ONLY = 2
};

/*
 * Reads CONTENT for the use with ALGS (not empty); FLAGS are of enum mrc_keyset_flags. Nothing
 * refers to CONTENT afterwards.
 *
 * - An object with the member `keys` is a JWK Set. Keys that this build does not know, that are
 *   malformed, for encryption, or for none of ALGS, are left out; one usable key must remain.
 * - An object with the member `kty` is one JWK; what begins with PEM's BEGIN line is a public key
 *   or a certificate, of which the first in the file counts (its dates and issuer are not looked
 *   at). The key must fit every one of ALGS.
 * - All else is a secret, less one LF or CRLF at its end. ALGS must all be HMAC then.
 *
 * MRC_EINVAL, MRC_EUNSUPPORTED or MRC_ELIMIT with words that help to mend the configuration:
 * private keys, keys that do not fit ALGS, secrets that are too short, empty or hold `${`, RSA
 * keys out of bounds, members given twice. MRC_ENOMEM. The words never hold a part of a key.
 */
enum mrc_err mrc_keyset_parse(struct mrc_bytes content, mrc_alg_set algs, unsigned flags,
                              struct mrc_error *error, struct mrc_keyset **ret_keys);

/* A set without keys, which verifies nothing. MRC_ENOMEM. */
enum mrc_err mrc_keyset_create_empty(struct mrc_keyset **ret_keys);

/* Accepts NULL. */
void mrc_keyset_free(struct mrc_keyset *keys);

/* What the administrator should be told though the keys are usable, or NULL. */
const char *mrc_keyset_get_warning(const struct mrc_keyset *keys);

/* The keys, in the order of the content; they live as long as the set. NULL has none. */
size_t mrc_keyset_get_count(const struct mrc_keyset *keys);
const struct mrc_key *mrc_keyset_get_key(const struct mrc_keyset *keys, size_t index);

#endif
