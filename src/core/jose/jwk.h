/*
 * Makes a verification key from a JSON Web Key (RFC 7517, 4; RFC 7518, 6; RFC 8037, 2).
 */
#ifndef MRC_CORE_JOSE_JWK_H
#define MRC_CORE_JOSE_JWK_H

#include <jansson.h>

#include "core/base/json_pick.h"
#include "core/jose/key.h"

/* The members of a JWK that are used (core/base/json_pick.h). */
extern const struct mrc_json_pick mrc_jwk_picks[];

/*
 * Checks what JWK, which has the members of mrc_jwk_picks, says about its purpose. A member that is
 * null counts as missing. MRC_EUNSUPPORTED for a key with another purpose than verifying signatures
 * (`use`, `key_ops`); MRC_EINVAL for a malformed or private key. ERROR has the reason. RET_PRIVATE,
 * which is always set, says whether the key is private.
 */
enum mrc_err mrc_jwk_check(const json_t *jwk, struct mrc_error *error, bool *ret_private);

/* The algorithms that `kty`, `crv` and `alg` of JWK allow. Does not read the key itself. */
mrc_alg_set mrc_jwk_get_algs(const json_t *jwk);

/*
 * Makes a key from JWK, which mrc_jwk_check() has accepted. Its `kid` becomes the name of the key,
 * and its `alg` restricts the key to the algorithms of that name. MRC_EUNSUPPORTED for a key of an
 * unknown kind or algorithm; MRC_EINVAL for a malformed key; MRC_ENOMEM. ERROR has the reason.
 * Costs up to a millisecond.
 */
enum mrc_err mrc_jwk_parse(const json_t *jwk, struct mrc_error *error, struct mrc_key **ret_key);

#endif
