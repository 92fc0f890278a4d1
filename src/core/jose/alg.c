#include "core/jose/alg.h"

#include "core/base/quote.h"

static const struct {
    const char *name;
    size_t hash_bytes;
} algs[MRC_ALG_COUNT] = {
    [MRC_ALG_HS256] = {"HS256", 32}, [MRC_ALG_HS384] = {"HS384", 48},
    [MRC_ALG_HS512] = {"HS512", 64}, [MRC_ALG_RS256] = {"RS256", 32},
    [MRC_ALG_RS384] = {"RS384", 48}, [MRC_ALG_RS512] = {"RS512", 64},
    [MRC_ALG_PS256] = {"PS256", 32}, [MRC_ALG_PS384] = {"PS384", 48},
    [MRC_ALG_PS512] = {"PS512", 64}, [MRC_ALG_ES256] = {"ES256", 32},
    [MRC_ALG_ES384] = {"ES384", 48}, [MRC_ALG_ES512] = {"ES512", 64},
    [MRC_ALG_EDDSA] = {"EdDSA", 0},
};

const char *mrc_alg_name(enum mrc_alg alg)
{
    return algs[alg].name;
}

size_t mrc_alg_hash_bytes(enum mrc_alg alg)
{
    return algs[alg].hash_bytes;
}

enum mrc_err mrc_alg_parse(struct mrc_bytes name, enum mrc_alg *ret_alg)
{
    for (size_t i = 0; i < MRC_ALG_COUNT; i++) {
        if (mrc_bytes_eq_str(name, algs[i].name)) {
            *ret_alg = (enum mrc_alg)i;
            return MRC_OK;
        }
    }
    return MRC_ENOTFOUND;
}

enum mrc_err mrc_alg_parse_list(struct mrc_bytes list, struct mrc_error *error,
                                mrc_alg_set *ret_set)
{
    mrc_alg_set set = 0;
    size_t start = 0;

    for (size_t i = 0; i <= list.len; i++) {
        struct mrc_bytes name;
        struct mrc_quote quote;
        enum mrc_alg alg;

        if (i < list.len && list.ptr[i] != ',')
            continue;
        name = (struct mrc_bytes){list.ptr + start, i - start};
        start = i + 1;
        if (mrc_alg_parse(name, &alg))
            return mrc_error_set(error, MRC_EINVAL,
                                 "%s is not an algorithm: use HS256, HS384, HS512 (for secrets), "
                                 "RS*, PS*, ES* with 256, 384, 512, or EdDSA (for public keys), "
                                 "separated by commas",
                                 mrc_quote(&quote, name));
        if (mrc_alg_set_has(set, alg))
            return mrc_error_set(error, MRC_EINVAL, "%s is given twice", mrc_alg_name(alg));
        set |= mrc_alg_set_of(alg);
    }
    *ret_set = set;
    return MRC_OK;
}
