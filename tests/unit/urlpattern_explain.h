/*
 * The parts of the URL Pattern standard's interface that the vectors test, but the hub does not
 * need: the pattern strings of the components, the names of groups and what they catch, patterns
 * and subjects that are given as dictionaries.
 *
 * The parsers are the hub's. The regular expressions are generated literally as in the standard,
 * and run without machine code, so this is a second engine to compare the hub's with.
 */
#ifndef MRC_TESTS_URLPATTERN_EXPLAIN_H
#define MRC_TESTS_URLPATTERN_EXPLAIN_H

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/base/utf8.h"
#include "core/pattern/automaton.h"
#include "core/urlpattern/component.h"
#include "core/urlpattern/constructor.h"
#include "core/urlpattern/init.h"
#include "core/urlpattern/regexp.h"
#include "core/urlpattern/tokenize.h"
#include "core/urlpattern/translate.h"
#include "core/urlpattern/urlpattern.h"

#define EXPLAIN_MAX_BYTES ((size_t)32 << 20)

/* The steps that one match may take. */
#define EXPLAIN_MATCH_LIMIT 100000

struct explained {
    struct mrc_urlpattern_part_list lists[MRC_URLPATTERN_COMPONENTS];
    struct mrc_buf strings[MRC_URLPATTERN_COMPONENTS];
    pcre2_code *codes[MRC_URLPATTERN_COMPONENTS];
};

/* ---- pattern strings
 * (https://urlpattern.spec.whatwg.org/#generate-a-pattern-string) -------------------------------*/

static inline struct mrc_bytes explain_text(const struct mrc_urlpattern_part_list *list,
                                            struct mrc_urlpattern_part_text text)
{
    return mrc_urlpattern_part_text(list, text);
}

static inline void explain_add_modifier(struct mrc_buf *out,
                                        enum mrc_urlpattern_part_modifier modifier)
{
    static const char *const modifiers[] = {
        [MRC_URLPATTERN_PART_ONCE] = "",
        [MRC_URLPATTERN_PART_OPTIONAL] = "?",
        [MRC_URLPATTERN_PART_ZERO_OR_MORE] = "*",
        [MRC_URLPATTERN_PART_ONE_OR_MORE] = "+",
    };

    mrc_buf_add_str(out, modifiers[modifier]);
}

static inline bool explain_starts_like_name(struct mrc_bytes text)
{
    uint32_t cp;

    if (!text.len)
        return false;
    mrc_utf8_decode(text, &cp, NULL);
    return mrc_urlpattern_is_name_cp(cp, false);
}

/* Whether the group PART has no name in the pattern, but a number. */
static inline bool explain_has_number(const struct mrc_urlpattern_part_list *list,
                                      const struct mrc_urlpattern_part *part)
{
    struct mrc_bytes name = explain_text(list, part->name);

    return name.len && name.ptr[0] >= '0' && name.ptr[0] <= '9';
}

/* Whether the group I would read as something else without braces around it. */
static inline bool explain_needs_braces(const struct mrc_urlpattern_part_list *list, size_t i)
{
    const struct mrc_urlpattern_part *part = &list->parts[i];
    const struct mrc_urlpattern_part *before = i ? part - 1 : NULL;
    const struct mrc_urlpattern_part *next = i + 1 < list->count ? part + 1 : NULL;
    struct mrc_bytes prefix = explain_text(list, part->prefix);

    if (part->suffix.len)
        return true;
    if (prefix.len && (prefix.len != 1 || prefix.ptr[0] != list->prefix))
        return true;
    if (!explain_has_number(list, part) && part->type == MRC_URLPATTERN_PART_SEGMENT &&
        part->modifier == MRC_URLPATTERN_PART_ONCE && next && !next->prefix.len &&
        !next->suffix.len) {
        if (next->type == MRC_URLPATTERN_PART_FIXED
                ? explain_starts_like_name(explain_text(list, next->value))
                : explain_has_number(list, next))
            return true;
    }
    if (!prefix.len && before && before->type == MRC_URLPATTERN_PART_FIXED && before->value.len) {
        struct mrc_bytes value = explain_text(list, before->value);

        return value.ptr[value.len - 1] == list->prefix;
    }
    return false;
}

/* Writes what the group I may match, as a pattern string does. */
static inline void explain_write_value(const struct mrc_urlpattern_part_list *list, size_t i,
                                       bool in_braces, struct mrc_buf *out)
{
    const struct mrc_urlpattern_part *part = &list->parts[i];
    const struct mrc_urlpattern_part *before = i ? part - 1 : NULL;
    bool is_named = !explain_has_number(list, part);

    if (part->type == MRC_URLPATTERN_PART_REGEXP) {
        mrc_buf_add_char(out, '(');
        mrc_buf_add_bytes(out, explain_text(list, part->value));
        mrc_buf_add_char(out, ')');
    } else if (part->type == MRC_URLPATTERN_PART_SEGMENT && !is_named) {
        mrc_buf_add_str(out, "([^");
        if (list->delimiter) {
            mrc_buf_add_char(out, '\\');
            mrc_buf_add_char(out, list->delimiter);
        }
        mrc_buf_add_str(out, "]+?)");
    } else if (part->type == MRC_URLPATTERN_PART_FULL) {
        if (!is_named &&
            (!before || before->type == MRC_URLPATTERN_PART_FIXED ||
             before->modifier != MRC_URLPATTERN_PART_ONCE || in_braces || part->prefix.len))
            mrc_buf_add_char(out, '*');
        else
            mrc_buf_add_str(out, "(.*)");
    }
}

static inline void explain_write_group(const struct mrc_urlpattern_part_list *list, size_t i,
                                       struct mrc_buf *out)
{
    const struct mrc_urlpattern_part *part = &list->parts[i];
    bool in_braces = explain_needs_braces(list, i);
    bool is_named = !explain_has_number(list, part);

    if (in_braces)
        mrc_buf_add_char(out, '{');
    mrc_urlpattern_part_escape(out, explain_text(list, part->prefix));
    if (is_named) {
        mrc_buf_add_char(out, ':');
        mrc_buf_add_bytes(out, explain_text(list, part->name));
    }
    explain_write_value(list, i, in_braces, out);
    if (part->type == MRC_URLPATTERN_PART_SEGMENT && is_named &&
        explain_starts_like_name(explain_text(list, part->suffix)))
        mrc_buf_add_char(out, '\\');
    mrc_urlpattern_part_escape(out, explain_text(list, part->suffix));
    if (in_braces)
        mrc_buf_add_char(out, '}');
    explain_add_modifier(out, part->modifier);
}

static inline void explain_write_string(const struct mrc_urlpattern_part_list *list,
                                        struct mrc_buf *out)
{
    for (size_t i = 0; i < list->count; i++) {
        const struct mrc_urlpattern_part *part = &list->parts[i];

        if (part->type != MRC_URLPATTERN_PART_FIXED) {
            explain_write_group(list, i, out);
        } else if (part->modifier == MRC_URLPATTERN_PART_ONCE) {
            mrc_urlpattern_part_escape(out, explain_text(list, part->value));
        } else {
            mrc_buf_add_char(out, '{');
            mrc_urlpattern_part_escape(out, explain_text(list, part->value));
            mrc_buf_add_char(out, '}');
            explain_add_modifier(out, part->modifier);
        }
    }
}

/* ---- regular expressions
 * (https://urlpattern.spec.whatwg.org/#generate-a-regular-expression-and-name-list) -------------*/

static inline void explain_add_literal(struct mrc_buf *out, struct mrc_bytes text)
{
    for (size_t i = 0; i < text.len; i++)
        mrc_buf_printf(out, "\\x%02x", (unsigned char)text.ptr[i]);
}

static inline enum mrc_err explain_add_regexp(const struct mrc_urlpattern_part_list *list,
                                              const struct mrc_urlpattern_part *part,
                                              struct mrc_urlpattern_groups *groups,
                                              struct mrc_error *error, struct mrc_buf *out)
{
    if (part->type == MRC_URLPATTERN_PART_REGEXP)
        return mrc_urlpattern_translate(explain_text(list, part->value), groups, error, out);
    if (part->type == MRC_URLPATTERN_PART_FULL)
        mrc_buf_add_str(out, "[^\\n\\r]*");
    else if (list->delimiter)
        mrc_buf_printf(out, "[^\\x%02x]+?", (unsigned char)list->delimiter);
    else
        mrc_buf_add_str(out, "[\\x00-\\xff]+?");
    return MRC_OK;
}

/* A group that may be repeated: (?:PREFIX((?:VALUE)(?:SUFFIX PREFIX(?:VALUE))*)SUFFIX)?. */
static inline enum mrc_err explain_add_repeated(const struct mrc_urlpattern_part_list *list,
                                                const struct mrc_urlpattern_part *part,
                                                struct mrc_urlpattern_groups *groups,
                                                struct mrc_error *error, struct mrc_buf *out)
{
    struct mrc_bytes prefix = explain_text(list, part->prefix);
    struct mrc_bytes suffix = explain_text(list, part->suffix);
    enum mrc_err err;

    mrc_buf_add_str(out, "(?:");
    explain_add_literal(out, prefix);
    mrc_buf_add_str(out, "((?:");
    mrc_urlpattern_groups_capture(groups);
    err = explain_add_regexp(list, part, groups, error, out);
    mrc_buf_add_str(out, ")(?:");
    explain_add_literal(out, suffix);
    explain_add_literal(out, prefix);
    mrc_buf_add_str(out, "(?:");
    if (!err)
        err = explain_add_regexp(list, part, groups, error, out);
    mrc_buf_add_str(out, "))*)");
    explain_add_literal(out, suffix);
    mrc_buf_add_char(out, ')');
    if (part->modifier == MRC_URLPATTERN_PART_ZERO_OR_MORE)
        mrc_buf_add_char(out, '?');
    return err;
}

/* A group that is not repeated, or is repeated without a prefix and a suffix. */
static inline enum mrc_err explain_add_once(const struct mrc_urlpattern_part_list *list,
                                            const struct mrc_urlpattern_part *part, bool repeats,
                                            struct mrc_urlpattern_groups *groups,
                                            struct mrc_error *error, struct mrc_buf *out)
{
    enum mrc_err err;

    mrc_urlpattern_groups_capture(groups);
    mrc_buf_add_str(out, repeats ? "((?:" : "(?:");
    explain_add_literal(out, explain_text(list, part->prefix));
    if (!repeats)
        mrc_buf_add_char(out, '(');
    err = explain_add_regexp(list, part, groups, error, out);
    mrc_buf_add_char(out, ')');
    explain_add_literal(out, explain_text(list, part->suffix));
    if (!repeats)
        mrc_buf_add_char(out, ')');
    explain_add_modifier(out, part->modifier);
    if (repeats)
        mrc_buf_add_char(out, ')');
    return err;
}

static inline enum mrc_err explain_add_part(const struct mrc_urlpattern_part_list *list,
                                            const struct mrc_urlpattern_part *part,
                                            struct mrc_urlpattern_groups *groups,
                                            struct mrc_error *error, struct mrc_buf *out)
{
    bool repeats = part->modifier == MRC_URLPATTERN_PART_ZERO_OR_MORE ||
                   part->modifier == MRC_URLPATTERN_PART_ONE_OR_MORE;
    bool is_bare = !part->prefix.len && !part->suffix.len;
    size_t captures;
    enum mrc_err err;

    if (part->type == MRC_URLPATTERN_PART_FIXED) {
        mrc_buf_add_str(out, "(?:");
        explain_add_literal(out, explain_text(list, part->value));
        mrc_buf_add_char(out, ')');
        explain_add_modifier(out, part->modifier);
        return MRC_OK;
    }
    captures = groups->captures;
    if (repeats && !is_bare)
        err = explain_add_repeated(list, part, groups, error, out);
    else
        err = explain_add_once(list, part, repeats, groups, error, out);
    if (repeats)
        mrc_urlpattern_groups_repeat(groups, captures);
    return err;
}
static inline enum mrc_err explain_compile_regexp(const struct mrc_urlpattern_part_list *list,
                                                  struct mrc_error *error, pcre2_code **ret_code)
{
    struct mrc_urlpattern_groups groups;
    struct mrc_buf regexp;
    enum mrc_err err = MRC_OK;
    PCRE2_SIZE offset;
    int number;

    mrc_urlpattern_groups_init(&groups);
    mrc_buf_init(&regexp, EXPLAIN_MAX_BYTES);
    for (size_t i = 0; i < list->count && !err; i++)
        err = explain_add_part(list, &list->parts[i], &groups, error, &regexp);
    if (!err && groups.has_backreferences) {
        mrc_urlpattern_groups_begin_again(&groups);
        mrc_buf_reset(&regexp);
        for (size_t i = 0; i < list->count && !err; i++)
            err = explain_add_part(list, &list->parts[i], &groups, error, &regexp);
    }
    if (!err) {
        *ret_code = pcre2_compile((PCRE2_SPTR)mrc_buf_bytes(&regexp).ptr, regexp.len,
                                  PCRE2_ANCHORED | PCRE2_ENDANCHORED | PCRE2_NEVER_UTF |
                                      PCRE2_MATCH_UNSET_BACKREF,
                                  &number, &offset, NULL);
        if (!*ret_code)
            err = mrc_error_set(error, MRC_ELIMIT, "PCRE2 refuses what the pattern stands for");
    }
    mrc_buf_free(&regexp);
    mrc_urlpattern_groups_clear(&groups);
    return err;
}

/* ---- patterns ---------------------------------------------------------------------------------*/

/* Accepts NULL. */
static inline void explain_free(struct explained *explained)
{
    for (int i = 0; explained && i < MRC_URLPATTERN_COMPONENTS; i++) {
        mrc_urlpattern_part_list_free(&explained->lists[i]);
        mrc_buf_free(&explained->strings[i]);
        pcre2_code_free(explained->codes[i]);
    }
    free(explained);
}

static inline enum mrc_err explain_component(struct explained *explained, int i,
                                             struct mrc_bytes string, bool is_special,
                                             struct mrc_error *error)
{
    enum mrc_err err =
        mrc_urlpattern_component_parse(i, string, is_special, error, &explained->lists[i]);

    if (err)
        return err;
    mrc_buf_init(&explained->strings[i], EXPLAIN_MAX_BYTES);
    explain_write_string(&explained->lists[i], &explained->strings[i]);
    return explain_compile_regexp(&explained->lists[i], error, &explained->codes[i]);
}

/* As mrc_urlpattern_compile_init(); explain_free() the result. */
static inline enum mrc_err explain_compile_init(const struct mrc_urlpattern_init *init,
                                                struct mrc_error *error,
                                                struct explained **ret_explained)
{
    struct explained *explained = calloc(1, sizeof(*explained));
    struct mrc_urlpattern_component protocol = {NULL};
    struct mrc_bytes strings[MRC_URLPATTERN_COMPONENTS];
    struct mrc_buf storage;
    enum mrc_err err;

    mrc_buf_init(&storage, EXPLAIN_MAX_BYTES);
    err = mrc_urlpattern_init_complete(init, error, &storage, strings);
    if (!err)
        err = mrc_urlpattern_component_compile(MRC_URLPATTERN_PROTOCOL, strings[0], false, error,
                                               &protocol);
    for (int i = 0; i < MRC_URLPATTERN_COMPONENTS && !err; i++)
        err = explain_component(explained, i, strings[i],
                                mrc_urlpattern_component_matches_special_scheme(&protocol), error);
    mrc_urlpattern_component_clear(&protocol);
    mrc_buf_free(&storage);
    if (err)
        explain_free(explained);
    else
        *ret_explained = explained;
    return err;
}

/* As mrc_urlpattern_compile(); explain_free() the result. */
static inline enum mrc_err explain_compile(struct mrc_bytes text, struct mrc_bytes base_url,
                                           struct mrc_error *error,
                                           struct explained **ret_explained)
{
    struct mrc_urlpattern_init init;
    enum mrc_err err;

    if (!mrc_utf8_valid(text))
        return mrc_error_set(error, MRC_EINVAL, "the pattern is not valid UTF-8");
    err = mrc_urlpattern_constructor_parse(text, error, &init);
    if (err)
        return err;
    if (!base_url.ptr && !init.components[MRC_URLPATTERN_PROTOCOL].ptr)
        return mrc_error_set(error, MRC_EINVAL, "the pattern has no scheme, and there is no base");
    init.base_url = base_url;
    return explain_compile_init(&init, error, ret_explained);
}

/* The views live as long as EXPLAINED. */
static inline struct mrc_bytes explain_string(const struct explained *explained, int component)
{
    return mrc_buf_bytes(&explained->strings[component]);
}

/* The group I of COMPONENT, or NULL past the last one. */
static inline const struct mrc_urlpattern_part *explain_find_group(
    const struct explained *explained, int component, size_t i)
{
    const struct mrc_urlpattern_part_list *list = &explained->lists[component];

    for (size_t j = 0; j < list->count; j++)
        if (list->parts[j].type != MRC_URLPATTERN_PART_FIXED && i-- == 0)
            return &list->parts[j];
    return NULL;
}

static inline size_t explain_count_groups(const struct explained *explained, int component)
{
    size_t count = 0;

    while (explain_find_group(explained, component, count))
        count++;
    return count;
}

static inline struct mrc_bytes explain_group_name(const struct explained *explained, int component,
                                                  size_t i)
{
    return explain_text(&explained->lists[component],
                        explain_find_group(explained, component, i)->name);
}

static inline bool explain_has_regexp_groups(const struct explained *explained)
{
    for (int i = 0; i < MRC_URLPATTERN_COMPONENTS; i++)
        for (size_t j = 0; j < explained->lists[i].count; j++)
            if (explained->lists[i].parts[j].type == MRC_URLPATTERN_PART_REGEXP)
                return true;
    return false;
}

/* ---- matching ---------------------------------------------------------------------------------*/

/*
 * Whether COMPONENT matches SUBJECT. RET_GROUPS, which may be NULL, gets what each group has
 * caught: a view of SUBJECT, or { NULL, 0 } for a group that took no part.
 */
static inline bool explain_exec(const struct explained *explained, int component,
                                struct mrc_bytes subject, struct mrc_bytes *ret_groups)
{
    size_t count = ret_groups ? explain_count_groups(explained, component) : 0;
    pcre2_match_data *data = pcre2_match_data_create((uint32_t)count + 1, NULL);
    pcre2_match_context *limits = pcre2_match_context_create(NULL);
    const size_t *offsets = pcre2_get_ovector_pointer(data);
    int result;

    pcre2_set_match_limit(limits, EXPLAIN_MATCH_LIMIT);
    result = pcre2_match(explained->codes[component], (PCRE2_SPTR)subject.ptr, subject.len, 0, 0,
                         data, limits);
    for (size_t i = 0; i < count && result > 0; i++) {
        bool took_part = (int)i + 1 < result && offsets[2 * i + 2] != PCRE2_UNSET;

        ret_groups[i] = (struct mrc_bytes){NULL, 0};
        if (took_part)
            ret_groups[i] = (struct mrc_bytes){subject.ptr + offsets[2 * i + 2],
                                               offsets[2 * i + 3] - offsets[2 * i + 2]};
    }
    pcre2_match_data_free(data);
    pcre2_match_context_free(limits);
    return result >= 0;
}

static inline bool explain_matches(const struct explained *explained, const struct mrc_url *url)
{
    struct mrc_bytes subjects[MRC_URLPATTERN_COMPONENTS];

    mrc_urlpattern_get_components(url, subjects);
    for (int i = 0; i < MRC_URLPATTERN_COMPONENTS; i++)
        if (!explain_exec(explained, i, subjects[i], NULL))
            return false;
    return true;
}

/* Whether PATTERN matches URL, according to the hub's own engines. */
static inline bool explain_routes(const struct mrc_urlpattern *pattern, const struct mrc_url *url)
{
    bool matches;

    return mrc_urlpattern_match(pattern, url, &matches) == MRC_OK && matches;
}

/* ---- subjects that are dictionaries
 * (https://urlpattern.spec.whatwg.org/#canon-processing-for-init, with the type "url") ----------*/

/* A URL of any components, even ones that no real URL has. */
struct explain_subject {
    struct mrc_buf values[MRC_URLPATTERN_COMPONENTS];
    struct mrc_url url; /* views of the values */
};

static inline void explain_subject_clear(struct explain_subject *subject)
{
    for (int i = 0; i < MRC_URLPATTERN_COMPONENTS; i++)
        mrc_buf_free(&subject->values[i]);
}

/* Whether INIT gives COMPONENT, or a component that would have to come from the base before it. */
static inline bool explain_is_given(const struct mrc_urlpattern_init *init, int component)
{
    enum { PRO = 1 << MRC_URLPATTERN_PROTOCOL, HOST = 1 << MRC_URLPATTERN_HOSTNAME };
    enum { PORT = 1 << MRC_URLPATTERN_PORT, PATH = 1 << MRC_URLPATTERN_PATHNAME };
    static const unsigned earlier[MRC_URLPATTERN_COMPONENTS] = {
        [MRC_URLPATTERN_USERNAME] = PRO | HOST | PORT,
        [MRC_URLPATTERN_PASSWORD] = PRO | HOST | PORT | 1 << MRC_URLPATTERN_USERNAME,
        [MRC_URLPATTERN_HOSTNAME] = PRO,
        [MRC_URLPATTERN_PORT] = PRO | HOST,
        [MRC_URLPATTERN_PATHNAME] = PRO | HOST | PORT,
        [MRC_URLPATTERN_SEARCH] = PRO | HOST | PORT | PATH,
        [MRC_URLPATTERN_HASH] = PRO | HOST | PORT | PATH | 1 << MRC_URLPATTERN_SEARCH,
    };

    for (int i = 0; i < MRC_URLPATTERN_COMPONENTS; i++)
        if (((earlier[component] | 1u << component) >> i & 1) && init->components[i].ptr)
            return true;
    return false;
}

static inline struct mrc_bytes explain_strip(int component, struct mrc_bytes value)
{
    char last = value.len ? value.ptr[value.len - 1] : 0, first = value.len ? value.ptr[0] : 0;

    if (component == MRC_URLPATTERN_PROTOCOL && last == ':')
        value.len--;
    if ((component == MRC_URLPATTERN_SEARCH && first == '?') ||
        (component == MRC_URLPATTERN_HASH && first == '#'))
        value = (struct mrc_bytes){value.ptr + 1, value.len - 1};
    return value;
}

static inline enum mrc_urlpattern_canon explain_canon(const struct explain_subject *subject,
                                                      int component)
{
    static const enum mrc_urlpattern_canon canons[MRC_URLPATTERN_COMPONENTS] = {
        [MRC_URLPATTERN_PROTOCOL] = MRC_CANON_PROTOCOL,
        [MRC_URLPATTERN_USERNAME] = MRC_CANON_USERINFO,
        [MRC_URLPATTERN_PASSWORD] = MRC_CANON_USERINFO,
        [MRC_URLPATTERN_HOSTNAME] = MRC_CANON_HOSTNAME,
        [MRC_URLPATTERN_PORT] = MRC_CANON_PORT,
        [MRC_URLPATTERN_PATHNAME] = MRC_CANON_PATHNAME,
        [MRC_URLPATTERN_SEARCH] = MRC_CANON_SEARCH,
        [MRC_URLPATTERN_HASH] = MRC_CANON_HASH,
    };
    struct mrc_bytes protocol = mrc_buf_bytes(&subject->values[MRC_URLPATTERN_PROTOCOL]);

    if (component == MRC_URLPATTERN_PATHNAME && protocol.len &&
        !mrc_url_is_special_scheme(protocol))
        return MRC_CANON_OPAQUE_PATHNAME;
    return canons[component];
}

/* BASE may be NULL. */
static inline enum mrc_err explain_read_value(struct explain_subject *subject, int component,
                                              struct mrc_bytes value, const struct mrc_url *base)
{
    struct mrc_buf *out = &subject->values[component], text;
    struct mrc_bytes port;
    enum mrc_err err;

    if (!mrc_utf8_valid(value))
        return MRC_EINVAL;
    mrc_buf_init(&text, EXPLAIN_MAX_BYTES);
    if (component == MRC_URLPATTERN_PATHNAME && base && !base->has_opaque_path &&
        !mrc_bytes_starts_with(value, mrc_bytes_of("/"))) {
        size_t slash = mrc_bytes_find_last(base->path, '/');

        mrc_buf_add(&text, base->path.ptr, slash < base->path.len ? slash + 1 : 0);
    }
    mrc_buf_add_bytes(&text, explain_strip(component, value));
    err = mrc_urlpattern_canonicalize(explain_canon(subject, component), mrc_buf_bytes(&text), NULL,
                                      out);
    port = mrc_url_default_port(mrc_buf_bytes(&subject->values[MRC_URLPATTERN_PROTOCOL]));
    if (component == MRC_URLPATTERN_PORT && port.ptr && mrc_bytes_eq(port, mrc_buf_bytes(out)))
        mrc_buf_reset(out);
    mrc_buf_free(&text);
    return err;
}

/* Canonicalizes INIT. MRC_EINVAL: it matches no pattern. Clear SUBJECT in any case. */
static inline enum mrc_err explain_read_subject(const struct mrc_urlpattern_init *init,
                                                struct explain_subject *subject)
{
    struct mrc_bytes inherited[MRC_URLPATTERN_COMPONENTS], view[MRC_URLPATTERN_COMPONENTS];
    struct mrc_url *base = NULL;
    enum mrc_err err = MRC_OK;

    for (int i = 0; i < MRC_URLPATTERN_COMPONENTS; i++)
        mrc_buf_init(&subject->values[i], EXPLAIN_MAX_BYTES);
    if (init->base_url.ptr)
        err = mrc_url_parse(init->base_url, NULL, NULL, &base);
    if (base)
        mrc_urlpattern_get_components(base, inherited);
    for (int i = 0; i < MRC_URLPATTERN_COMPONENTS && !err; i++) {
        if (init->components[i].ptr)
            err = explain_read_value(subject, i, init->components[i], base);
        else if (base && !explain_is_given(init, i))
            mrc_buf_add_bytes(&subject->values[i], inherited[i]);
        view[i] = mrc_buf_bytes(&subject->values[i]);
    }
    mrc_url_free(base);
    if (!err)
        subject->url = (struct mrc_url){
            .scheme = view[MRC_URLPATTERN_PROTOCOL],
            .username = view[MRC_URLPATTERN_USERNAME],
            .password = view[MRC_URLPATTERN_PASSWORD],
            .host = view[MRC_URLPATTERN_HOSTNAME],
            .port = view[MRC_URLPATTERN_PORT],
            .path = view[MRC_URLPATTERN_PATHNAME],
            .query = view[MRC_URLPATTERN_SEARCH],
            .fragment = view[MRC_URLPATTERN_HASH],
        };
    return err;
}

#endif
