/*
 * One JSON Web Key to one verification key (RFC 7517, 4; RFC 7518, 6; RFC 8037, 2).
 */
#ifndef MRC_CORE_JOSE_JWK_H
#define MRC_CORE_JOSE_JWK_H

#include <jansson.h>

#include "core/jose/key.h"

/*
 * Makes a key of JWK: its `kid` becomes the key's name, its `alg` narrows the key's algorithms.
 * MRC_EUNSUPPORTED if the key is of a kind that this build does not know, or for another use than
 * verifying (`use`, `key_ops`, `alg`); MRC_EINVAL if it is malformed, or private, which goes to
 * RET_PRIVATE as well (that is set on each path); words in ERROR. MRC_ENOMEM.
 */
enum mrc_err mrc_jwk_parse(const json_t *jwk, struct mrc_error *error, bool *ret_private,
                           struct mrc_key **ret_key);

#endif
