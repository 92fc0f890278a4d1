/*
 * The signature algorithms of JOSE that a hub supports (RFC 7518, 3.1; RFC 8037; RFC 9864), and
 * sets of them. `none` does not exist here, so nothing can ask for it.
 *
 * A name stands for a set: `EdDSA` for Ed25519 and Ed448, any other name for one algorithm.
 */
#ifndef MRC_CORE_JOSE_ALG_H
#define MRC_CORE_JOSE_ALG_H

#include <stdint.h>

#include "core/base/bytes.h"
#include "core/base/err.h"

enum mrc_alg {
    MRC_ALG_HS256,
    MRC_ALG_HS384,
    MRC_ALG_HS512,
    MRC_ALG_RS256,
    MRC_ALG_RS384,
    MRC_ALG_RS512,
    MRC_ALG_PS256,
    MRC_ALG_PS384,
    MRC_ALG_PS512,
    MRC_ALG_ES256,
    MRC_ALG_ES384,
    MRC_ALG_ES512,
    MRC_ALG_ED25519,
    MRC_ALG_ED448,
    MRC_ALG_COUNT
};

/* A set of algorithms, with one bit for each. 0 is the empty set. */
typedef uint32_t mrc_alg_set;

#define MRC_ALG_SET_HMAC  ((mrc_alg_set)0x0007)
#define MRC_ALG_SET_RSA   ((mrc_alg_set)0x01f8)
#define MRC_ALG_SET_ECDSA ((mrc_alg_set)0x0e00)
#define MRC_ALG_SET_EDDSA ((mrc_alg_set)0x3000)
#define MRC_ALG_SET_ALL   ((mrc_alg_set)0x3fff)

static inline mrc_alg_set mrc_alg_set_of(enum mrc_alg alg)
{
    return (mrc_alg_set)1 << alg;
}

static inline bool mrc_alg_set_has(mrc_alg_set set, enum mrc_alg alg)
{
    return (set & mrc_alg_set_of(alg)) != 0;
}

/* The first algorithm of SET, which is not empty. */
static inline enum mrc_alg mrc_alg_set_first(mrc_alg_set set)
{
    enum mrc_alg alg = MRC_ALG_HS256;

    while (alg < MRC_ALG_COUNT - 1 && !mrc_alg_set_has(set, alg))
        alg++;
    return alg;
}

/* The registered name of ALG, such as "HS256"; a constant. */
const char *mrc_alg_name(enum mrc_alg alg);

/* A name for the first algorithm of SET, or "EdDSA" for Ed25519 and Ed448 together; a constant. */
const char *mrc_alg_set_name(mrc_alg_set set);

/* The length of the hash of ALG in bytes: 32, 48 or 64. 0 for EdDSA, which hashes by itself. */
size_t mrc_alg_hash_bytes(enum mrc_alg alg);

/* Looks up the algorithms that NAME stands for; case matters. MRC_OK or MRC_ENOTFOUND. */
enum mrc_err mrc_alg_parse(struct mrc_bytes name, mrc_alg_set *ret_algs);

/*
 * Parses LIST: one or more names, separated by commas without spaces (`HS256,ES256`). MRC_EINVAL,
 * and ERROR names what is unknown, empty or repeated.
 */
enum mrc_err mrc_alg_parse_list(struct mrc_bytes list, struct mrc_error *error,
                                mrc_alg_set *ret_set);

#endif
