/*
 * Makes a verification key from a JSON Web Key (RFC 7517, 4; RFC 7518, 6; RFC 8037, 2).
 */
#ifndef MRC_CORE_JOSE_JWK_H
#define MRC_CORE_JOSE_JWK_H

#include <jansson.h>

#include "core/jose/key.h"

/*
 * Makes a key from JWK. Its `kid` becomes the name of the key, and its `alg` restricts the key to
 * one algorithm. MRC_EUNSUPPORTED for a key of an unknown kind, and for one with another purpose
 * than verifying signatures (`use`, `key_ops`, `alg`); MRC_EINVAL for a malformed or private key;
 * MRC_ENOMEM. ERROR has the reason. RET_PRIVATE, which is always set, says whether the key is
 * private.
 */
enum mrc_err mrc_jwk_parse(const json_t *jwk, struct mrc_error *error, bool *ret_private,
                           struct mrc_key **ret_key);

#endif
