#include "core/jose/alg.h"

#include "core/base/quote.h"

static const size_t hash_bytes[MRC_ALG_COUNT] = {
    [MRC_ALG_HS256] = 32, [MRC_ALG_HS384] = 48, [MRC_ALG_HS512] = 64, [MRC_ALG_RS256] = 32,
    [MRC_ALG_RS384] = 48, [MRC_ALG_RS512] = 64, [MRC_ALG_PS256] = 32, [MRC_ALG_PS384] = 48,
    [MRC_ALG_PS512] = 64, [MRC_ALG_ES256] = 32, [MRC_ALG_ES384] = 48, [MRC_ALG_ES512] = 64,
};

/* The names of single algorithms come first, in the order of enum mrc_alg. */
static const struct {
    const char *name;
    mrc_alg_set algs;
} names[] = {
    {"HS256", 1u << MRC_ALG_HS256},     {"HS384", 1u << MRC_ALG_HS384},
    {"HS512", 1u << MRC_ALG_HS512},     {"RS256", 1u << MRC_ALG_RS256},
    {"RS384", 1u << MRC_ALG_RS384},     {"RS512", 1u << MRC_ALG_RS512},
    {"PS256", 1u << MRC_ALG_PS256},     {"PS384", 1u << MRC_ALG_PS384},
    {"PS512", 1u << MRC_ALG_PS512},     {"ES256", 1u << MRC_ALG_ES256},
    {"ES384", 1u << MRC_ALG_ES384},     {"ES512", 1u << MRC_ALG_ES512},
    {"Ed25519", 1u << MRC_ALG_ED25519}, {"Ed448", 1u << MRC_ALG_ED448},
    {"EdDSA", MRC_ALG_SET_EDDSA},
};

#define NAMES (sizeof(names) / sizeof(names[0]))

/* Messages show unknown names up to this length: a longer one may be a secret in the wrong place.
 */
#define SHOWN_MAX 8

const char *mrc_alg_name(enum mrc_alg alg)
{
    return names[alg].name;
}

const char *mrc_alg_set_name(mrc_alg_set set)
{
    enum mrc_alg first = mrc_alg_set_first(set);

    return first == MRC_ALG_ED25519 && mrc_alg_set_has(set, MRC_ALG_ED448) ? "EdDSA"
                                                                           : names[first].name;
}

size_t mrc_alg_hash_bytes(enum mrc_alg alg)
{
    return hash_bytes[alg];
}

/* The position of NAME in names; NAMES: it is unknown. */
static size_t find(struct mrc_bytes name)
{
    size_t i = 0;

    while (i < NAMES && !mrc_bytes_eq_str(name, names[i].name))
        i++;
    return i;
}

enum mrc_err mrc_alg_parse(struct mrc_bytes name, mrc_alg_set *ret_algs)
{
    size_t at = find(name);

    if (at == NAMES)
        return MRC_ENOTFOUND;
    *ret_algs = names[at].algs;
    return MRC_OK;
}

enum mrc_err mrc_alg_parse_list(struct mrc_bytes list, struct mrc_error *error,
                                mrc_alg_set *ret_set)
{
    bool given[NAMES] = {false};
    mrc_alg_set set = 0;
    size_t start = 0;

    for (size_t i = 0; i <= list.len; i++) {
        struct mrc_bytes name;
        struct mrc_quote quote;
        size_t at;

        if (i < list.len && list.ptr[i] != ',')
            continue;
        name = (struct mrc_bytes){list.ptr + start, i - start};
        start = i + 1;
        at = find(name);
        if (at == NAMES)
            return mrc_error_set(error, MRC_EINVAL,
                                 "%s is not an algorithm: use HS256, HS384, HS512 (for secrets), "
                                 "RS*, PS*, ES* with 256, 384, 512, or EdDSA, Ed25519, Ed448 (for "
                                 "public keys), separated by commas",
                                 name.len <= SHOWN_MAX ? mrc_quote(&quote, name)
                                                       : "a name in the list");
        if (given[at])
            return mrc_error_set(error, MRC_EINVAL, "%s is given twice", names[at].name);
        given[at] = true;
        set |= names[at].algs;
    }
    *ret_set = set;
    return MRC_OK;
}
