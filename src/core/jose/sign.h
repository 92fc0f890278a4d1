/*
 * Making tokens: what mercure-token, the playground and the tests need, and no hub does.
 */
#ifndef MRC_CORE_JOSE_SIGN_H
#define MRC_CORE_JOSE_SIGN_H

#include "core/jose/alg.h"

/*
 * Signs HEADER and PAYLOAD, taken as they are, with ALG and KEY: a secret for HMAC, otherwise a
 * PEM private key that fits ALG, without a passphrase. One trailing line end is not part of a
 * secret. The token is a terminated string that the caller free()s. MRC_EINVAL with words if the
 * key does not fit; MRC_ENOMEM.
 */
enum mrc_err mrc_sign_jws(enum mrc_alg alg, struct mrc_bytes key, struct mrc_bytes header,
                          struct mrc_bytes payload, struct mrc_error *error, char **ret_token);

#endif
