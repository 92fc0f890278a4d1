/*
 * Signs tokens, for mercure-token, the playground and the tests. A hub only verifies.
 */
#ifndef MRC_CORE_JOSE_SIGN_H
#define MRC_CORE_JOSE_SIGN_H

#include "core/jose/alg.h"

/*
 * Signs HEADER and PAYLOAD, which are not checked, with ALG and KEY: a secret for HMAC, otherwise a
 * PEM private key that fits ALG, without a passphrase. One line end after a secret is not part of
 * it. The token is a terminated string that the caller free()s. MRC_EINVAL or MRC_ELIMIT with the
 * reason in ERROR; MRC_ENOMEM.
 */
enum mrc_err mrc_sign_jws(enum mrc_alg alg, struct mrc_bytes key, struct mrc_bytes header,
                          struct mrc_bytes payload, struct mrc_error *error, char **ret_token);

#endif
