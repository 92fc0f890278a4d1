#include "core/matcher.h"

#include <stdlib.h>
#include <string.h>

struct mrc_matcher {
    enum mrc_matcher_type type;
    bool wildcard;
    size_t value_len;
    char value[]; /* value_len bytes */
};

static const char *const type_names[] = {
    [MRC_MATCHER_EXACT] = "exact",
    [MRC_MATCHER_URLPATTERN] = "urlpattern",
};

enum mrc_err mrc_matcher_type_parse(struct mrc_bytes name, enum mrc_matcher_type *ret_type)
{
    for (size_t i = 0; i < sizeof(type_names) / sizeof(type_names[0]); i++) {
        if (mrc_bytes_eq_str(name, type_names[i])) {
            *ret_type = (enum mrc_matcher_type)i;
            return MRC_OK;
        }
    }
    return MRC_ENOTFOUND;
}

const char *mrc_matcher_type_name(enum mrc_matcher_type type)
{
    return type_names[type];
}

enum mrc_err mrc_matcher_create(enum mrc_matcher_type type, struct mrc_bytes value,
                                const char *base, struct mrc_error *error,
                                struct mrc_matcher **ret_matcher)
{
    bool wildcard = mrc_bytes_eq_str(value, "*");
    struct mrc_matcher *matcher;

    (void)base;
    if (!wildcard && type != MRC_MATCHER_EXACT)
        return mrc_error_set(error, MRC_EUNSUPPORTED, "this hub has no matcher type %s",
                             mrc_matcher_type_name(type));
    matcher = malloc(sizeof(*matcher) + value.len);
    if (!matcher)
        return MRC_ENOMEM;
    matcher->type = type;
    matcher->wildcard = wildcard;
    matcher->value_len = value.len;
    if (value.len)
        memcpy(matcher->value, value.ptr, value.len);
    *ret_matcher = matcher;
    return MRC_OK;
}

void mrc_matcher_free(struct mrc_matcher *matcher)
{
    free(matcher);
}

bool mrc_matcher_matches(const struct mrc_matcher *matcher, struct mrc_bytes topic)
{
    return matcher->wildcard || mrc_bytes_eq(mrc_matcher_get_value(matcher), topic);
}

enum mrc_matcher_type mrc_matcher_get_type(const struct mrc_matcher *matcher)
{
    return matcher->type;
}

struct mrc_bytes mrc_matcher_get_value(const struct mrc_matcher *matcher)
{
    return (struct mrc_bytes){matcher->value, matcher->value_len};
}
