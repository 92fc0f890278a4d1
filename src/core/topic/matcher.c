#include "core/topic/matcher.h"

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/pattern/template.h"
#include "core/urlpattern/urlpattern.h"

/* Small, because there may be one for each subscriber. */
struct mrc_matcher {
    struct mrc_urlpattern *pattern; /* NULL: not a URL Pattern */
    struct mrc_automaton *template; /* NULL: not a URI template, or one without expressions */
    uint32_t value_len;
    uint32_t base_bytes;
    enum mrc_matcher_type type : 8;
    bool wildcard;
    bool costly;
    bool has_base;
    char value[]; /* value_len bytes, then the base with its terminator, if there is one */
};

static const char *const type_names[] = {
    [MRC_MATCHER_EXACT] = "exact",
    [MRC_MATCHER_URLPATTERN] = "urlpattern",
    [MRC_MATCHER_TEMPLATE] = "template",
};

enum mrc_err mrc_matcher_type_parse(struct mrc_bytes name, enum mrc_matcher_type *ret_type)
{
    for (size_t i = 0; i < MRC_MATCHER_TEMPLATE; i++) { /* templates have no name in the protocol */
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

/*
 * Compiles VALUE without the base first, and with it only if that fails because VALUE is relative.
 * For the standard, the path of an absolute pattern such as `urn\:isbn\:*` is relative, too: it
 * would put the directory of the base before it, although the schemes differ.
 */
static enum mrc_err compile_pattern(struct mrc_bytes value, const char *base,
                                    struct mrc_error *error, struct mrc_urlpattern **ret_pattern)
{
    static const struct mrc_bytes no_base = {NULL, 0};
    enum mrc_err err;

    err = mrc_urlpattern_compile(value, no_base, error, ret_pattern);
    if (err == MRC_EINVAL && base)
        err = mrc_urlpattern_compile(value, mrc_bytes_of(base), error, ret_pattern);
    return err;
}

/* A string without an expression, or that is not a URI template, only matches itself. */
static enum mrc_err compile_template(struct mrc_bytes value, struct mrc_automaton **ret_template)
{
    enum mrc_err err;

    if (!value.len || !memchr(value.ptr, '{', value.len))
        return MRC_OK;
    err = mrc_template_compile(value, NULL, ret_template);
    return err == MRC_EINVAL ? MRC_OK : err;
}

/* The size of a matcher with BYTES bytes of value and base. */
static size_t size_with(size_t bytes)
{
    size_t size = offsetof(struct mrc_matcher, value) + bytes;

    return size > sizeof(struct mrc_matcher) ? size : sizeof(struct mrc_matcher);
}

static const char *base_of(const struct mrc_matcher *matcher)
{
    return matcher->has_base ? matcher->value + matcher->value_len : NULL;
}

enum mrc_err mrc_matcher_create(enum mrc_matcher_type type, struct mrc_bytes value,
                                const char *base, struct mrc_error *error,
                                struct mrc_matcher **ret_matcher)
{
    bool wildcard = mrc_bytes_eq_str(value, "*");
    struct mrc_automaton *template = NULL;
    struct mrc_urlpattern *pattern = NULL;
    struct mrc_matcher *matcher;
    enum mrc_err err = MRC_OK;
    size_t base_bytes;

    if (wildcard || type != MRC_MATCHER_URLPATTERN)
        base = NULL;
    if (!wildcard && type == MRC_MATCHER_URLPATTERN)
        err = compile_pattern(value, base, error, &pattern);
    else if (!wildcard && type == MRC_MATCHER_TEMPLATE)
        err = compile_template(value, &template);
    if (err)
        return err;
    base_bytes = base ? strlen(base) + 1 : 0;
    matcher = value.len <= UINT32_MAX && base_bytes <= UINT32_MAX
                  ? malloc(size_with(value.len + base_bytes))
                  : NULL;
    if (!matcher) {
        mrc_urlpattern_free(pattern);
        mrc_automaton_free(template);
        return MRC_ENOMEM;
    }
    *matcher = (struct mrc_matcher){
        .pattern = pattern,
        .template = template,
        .value_len = (uint32_t)value.len,
        .base_bytes = (uint32_t)base_bytes,
        .type = type,
        .wildcard = wildcard,
        .costly = (pattern && mrc_urlpattern_is_costly(pattern)) ||
                  (template && mrc_automaton_is_costly(template)),
        .has_base = base != NULL,
    };
    if (value.len)
        memcpy(matcher->value, value.ptr, value.len);
    if (base)
        memcpy(matcher->value + value.len, base, base_bytes);
    *ret_matcher = matcher;
    return MRC_OK;
}

void mrc_matcher_free(struct mrc_matcher *matcher)
{
    if (!matcher)
        return;
    mrc_urlpattern_free(matcher->pattern);
    mrc_automaton_free(matcher->template);
    free(matcher);
}

static bool is_same_base(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

/* MATCHER is a URL Pattern, and its base is that of TOPIC. */
static enum mrc_err match_pattern(const struct mrc_matcher *matcher, struct mrc_topic *topic,
                                  bool *ret_matches)
{
    const struct mrc_url *url;
    enum mrc_err err = mrc_topic_get_url(topic, &url);

    if (!err)
        return mrc_urlpattern_match(matcher->pattern, url, ret_matches);
    if (err == MRC_ENOMEM)
        return err;
    *ret_matches = false;
    return MRC_OK;
}

enum mrc_err mrc_matcher_match_topic(const struct mrc_matcher *matcher, struct mrc_topic *topic,
                                     bool *ret_matches)
{
    struct mrc_topic own;
    enum mrc_err err;

    if (!matcher->pattern) {
        *ret_matches =
            matcher->wildcard || mrc_bytes_eq(mrc_matcher_get_value(matcher), topic->text);
        if (*ret_matches || !matcher->template)
            return MRC_OK;
        return mrc_automaton_match(matcher->template, topic->text, ret_matches);
    }
    if (!topic->base && !topic->is_parsed)
        topic->base = base_of(matcher);
    if (is_same_base(base_of(matcher), topic->base))
        return match_pattern(matcher, topic, ret_matches);
    mrc_topic_init(&own, topic->text, base_of(matcher));
    err = match_pattern(matcher, &own, ret_matches);
    mrc_topic_clear(&own);
    return err;
}

bool mrc_matcher_matches(const struct mrc_matcher *matcher, struct mrc_bytes text)
{
    struct mrc_topic topic;
    bool matches;
    enum mrc_err err;

    mrc_topic_init(&topic, text, base_of(matcher));
    err = mrc_matcher_match_topic(matcher, &topic, &matches);
    mrc_topic_clear(&topic);
    return !err && matches;
}

enum mrc_matcher_type mrc_matcher_get_type(const struct mrc_matcher *matcher)
{
    return matcher->type;
}

struct mrc_bytes mrc_matcher_get_value(const struct mrc_matcher *matcher)
{
    return (struct mrc_bytes){matcher->value, matcher->value_len};
}

const char *mrc_matcher_get_base(const struct mrc_matcher *matcher)
{
    return base_of(matcher);
}

bool mrc_matcher_is_wildcard(const struct mrc_matcher *matcher)
{
    return matcher->wildcard;
}

bool mrc_matcher_is_literal(const struct mrc_matcher *matcher)
{
    return !matcher->wildcard && !matcher->pattern && !matcher->template;
}

bool mrc_matcher_is_costly(const struct mrc_matcher *matcher)
{
    return matcher->costly;
}

bool mrc_matcher_get_anchor(const struct mrc_matcher *matcher, enum mrc_anchor anchor,
                            struct mrc_anchor_text *ret_text)
{
    struct mrc_literal literals[MRC_URLPATTERN_COMPONENTS];
    struct mrc_literal literal = {.is_whole = true};

    if (!matcher->pattern == mrc_anchor_is_of_url(anchor))
        return false;
    if (matcher->pattern) {
        mrc_urlpattern_get_literals(matcher->pattern, literals);
        mrc_anchor_of_pattern(anchor, literals, ret_text);
        return true;
    }
    ret_text->len = 0;
    if (matcher->wildcard)
        return true;
    literal.prefix = literal.suffix = mrc_matcher_get_value(matcher);
    if (matcher->template)
        literal = mrc_automaton_get_literal(matcher->template);
    mrc_anchor_of_literal(anchor, &literal, ret_text);
    return true;
}

bool mrc_matcher_is_same(const struct mrc_matcher *a, const struct mrc_matcher *b)
{
    bool is_same_kind =
        a->type == b->type || (mrc_matcher_is_literal(a) && mrc_matcher_is_literal(b));

    return a == b || (is_same_kind && is_same_base(base_of(a), base_of(b)) &&
                      mrc_bytes_eq(mrc_matcher_get_value(a), mrc_matcher_get_value(b)));
}

size_t mrc_matcher_size(const struct mrc_matcher *matcher)
{
    return size_with(matcher->value_len + matcher->base_bytes) +
           (matcher->pattern ? mrc_urlpattern_size(matcher->pattern) : 0) +
           (matcher->template ? mrc_automaton_size(matcher->template) : 0);
}
