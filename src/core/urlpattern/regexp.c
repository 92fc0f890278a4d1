#include "core/urlpattern/regexp.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdlib.h>

#include "core/urlpattern/translate.h"

/* The longest pattern for PCRE2, which itself limits the compiled code to 64 KiB. */
#define MAX_PATTERN_BYTES ((size_t)1 << 20)

/* The error of PCRE2 10.43 and later for a lookbehind of variable length. */
#define LOOKBEHIND_BRANCH_TOO_LONG 200

/* For longer compiled code, making machine code costs more time than it saves. */
#define MAX_JIT_BYTES 8192

/* The limits of one match depend on the length of its subject. */
#define LEVELS 3
static const struct {
    size_t subject_bytes; /* up to this length */
    uint32_t match_limit;
} levels[LEVELS] = {
    {MRC_URLPATTERN_REGEXP_SHORT_BYTES, MRC_URLPATTERN_REGEXP_MATCH_LIMIT},
    {MRC_URLPATTERN_REGEXP_LONG_BYTES, MRC_URLPATTERN_REGEXP_MATCH_LIMIT / 10},
    {MRC_URLPATTERN_REGEXP_MAX_BYTES, MRC_URLPATTERN_REGEXP_MATCH_LIMIT / 100},
};

struct mrc_urlpattern_regexp {
    pcre2_code *code;
    pcre2_match_context *limits[LEVELS];
    size_t size;
};

/* ---- the whole component ----------------------------------------------------------------------*/

static void add_literal(struct mrc_buf *out, struct mrc_bytes text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];

        if ((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'))
            mrc_buf_add_char(out, (char)c);
        else
            mrc_buf_printf(out, "\\x%02x", c);
    }
}

static void add_modifier(struct mrc_buf *out, enum mrc_urlpattern_part_modifier modifier)
{
    static const char *const suffixes[] = {
        [MRC_URLPATTERN_PART_ONCE] = "",
        [MRC_URLPATTERN_PART_OPTIONAL] = "?",
        [MRC_URLPATTERN_PART_ZERO_OR_MORE] = "*",
        [MRC_URLPATTERN_PART_ONE_OR_MORE] = "+",
    };

    mrc_buf_add_str(out, suffixes[modifier]);
}

/* The group PART without its prefix, its suffix and its modifier. */
static enum mrc_err add_value(const struct mrc_urlpattern_part_list *list,
                              const struct mrc_urlpattern_part *part,
                              struct mrc_urlpattern_groups *groups, struct mrc_error *error,
                              struct mrc_buf *out)
{
    bool is_capturing = mrc_urlpattern_groups_capture(groups);
    bool is_regexp = part->type == MRC_URLPATTERN_PART_REGEXP;
    enum mrc_err err = MRC_OK;

    mrc_buf_add_str(out, is_capturing ? "(" : is_regexp ? "(?:" : "");
    if (is_regexp)
        err = mrc_urlpattern_translate(mrc_urlpattern_part_text(list, part->value), groups, error,
                                       out);
    else if (part->type == MRC_URLPATTERN_PART_FULL)
        mrc_buf_add_str(out, "[^\\n\\r]*");
    else if (list->delimiter)
        mrc_buf_printf(out, "[^\\x%02x]+?", (unsigned char)list->delimiter);
    else
        mrc_buf_add_str(out, "[\\x00-\\xff]+?");
    mrc_buf_add_str(out, is_capturing || is_regexp ? ")" : "");
    return err;
}

/*
 * Whether the wildcard PART matches nothing more when it is repeated. A repetition such as
 * `(?:.*)+` would only add ways to backtrack.
 */
static bool is_idempotent(const struct mrc_urlpattern_part *part)
{
    return part->type == MRC_URLPATTERN_PART_FULL ||
           (part->type == MRC_URLPATTERN_PART_SEGMENT && !part->prefix.len && !part->suffix.len);
}

/* MODIFIER without repetitions. */
static enum mrc_urlpattern_part_modifier modifier_of_one(enum mrc_urlpattern_part_modifier modifier)
{
    bool may_miss =
        modifier == MRC_URLPATTERN_PART_OPTIONAL || modifier == MRC_URLPATTERN_PART_ZERO_OR_MORE;

    return may_miss ? MRC_URLPATTERN_PART_OPTIONAL : MRC_URLPATTERN_PART_ONCE;
}

static bool is_repeated(enum mrc_urlpattern_part_modifier modifier)
{
    return modifier == MRC_URLPATTERN_PART_ZERO_OR_MORE ||
           modifier == MRC_URLPATTERN_PART_ONE_OR_MORE;
}

/*
 * Whether the standard's regular expression has the group of PART twice, so that its inner groups
 * must not have names.
 */
static bool is_written_twice(const struct mrc_urlpattern_part *part)
{
    return is_repeated(part->modifier) && (part->prefix.len || part->suffix.len);
}

/* The part PART: its prefix, its value and its suffix, repeated as its modifier says. */
static enum mrc_err add_part(const struct mrc_urlpattern_part_list *list,
                             const struct mrc_urlpattern_part *part,
                             struct mrc_urlpattern_groups *groups, struct mrc_error *error,
                             struct mrc_buf *out)
{
    enum mrc_urlpattern_part_modifier modifier = part->modifier;

    mrc_buf_add_str(out, "(?:");
    if (part->type == MRC_URLPATTERN_PART_FIXED) {
        add_literal(out, mrc_urlpattern_part_text(list, part->value));
    } else {
        size_t named = groups->count, loops = groups->loops, captures = groups->captures;
        enum mrc_err err;

        add_literal(out, mrc_urlpattern_part_text(list, part->prefix));
        err = add_value(list, part, groups, error, out);
        if (err)
            return err;
        if (groups->count > named && is_written_twice(part))
            return mrc_error_set(error, MRC_EINVAL,
                                 "not a supported regular expression: a named group inside a group "
                                 "that is repeated with its prefix or suffix");
        add_literal(out, mrc_urlpattern_part_text(list, part->suffix));
        if (is_idempotent(part))
            modifier = modifier_of_one(modifier);
        groups->loops += part->type != MRC_URLPATTERN_PART_REGEXP; /* a wildcard is a loop */
        if (is_repeated(modifier) && groups->loops > loops)
            groups->has_nested_loops = true;
        if (is_repeated(part->modifier))
            mrc_urlpattern_groups_repeat(groups, captures);
    }
    mrc_buf_add_char(out, ')');
    add_modifier(out, modifier);
    return MRC_OK;
}

/* Whether NUMBER is an error of PCRE2 about a lookbehind that it cannot run. */
static bool is_lookbehind_error(int number)
{
    return number == PCRE2_ERROR_LOOKBEHIND_NOT_FIXED_LENGTH ||
           number == PCRE2_ERROR_LOOKBEHIND_TOO_COMPLICATED ||
           number == PCRE2_ERROR_LOOKBEHIND_TOO_LONG || number == LOOKBEHIND_BRANCH_TOO_LONG;
}

/*
 * A context for what every version of PCRE2 compiles alike: 10.43 and later accept more
 * lookbehinds.
 */
static pcre2_compile_context *create_compile_context(void)
{
    pcre2_compile_context *context = pcre2_compile_context_create(NULL);

#if PCRE2_MAJOR > 10 || PCRE2_MINOR >= 43
    if (context)
        pcre2_set_max_varlookbehind(context, 0);
#endif
    return context;
}

/* Compiles PATTERN, if IS_JIT_ALLOWED also to machine code where that works. */
static enum mrc_err compile(struct mrc_bytes pattern, bool is_jit_allowed,
                            struct mrc_urlpattern_regexp *regexp, struct mrc_error *error)
{
    pcre2_compile_context *context = create_compile_context();
    size_t code_bytes = 0, jit_bytes = 0, offset;
    char message[128] = "";
    int number;

    if (!context)
        return MRC_ENOMEM;
    regexp->code =
        pcre2_compile((PCRE2_SPTR)pattern.ptr, pattern.len,
                      PCRE2_ANCHORED | PCRE2_ENDANCHORED | PCRE2_DOLLAR_ENDONLY |
                          PCRE2_NEVER_BACKSLASH_C | PCRE2_NEVER_UTF | PCRE2_MATCH_UNSET_BACKREF,
                      &number, &offset, context);
    pcre2_compile_context_free(context);
    if (!regexp->code && number == PCRE2_ERROR_HEAP_FAILED)
        return MRC_ENOMEM;
    if (!regexp->code && is_lookbehind_error(number))
        return mrc_error_set(error, MRC_EINVAL,
                             "not a supported regular expression: a lookbehind of which an "
                             "alternative has no fixed length");
    if (!regexp->code) {
        pcre2_get_error_message(number, (PCRE2_UCHAR *)message, sizeof(message));
        return mrc_error_set(error, MRC_ELIMIT, "a regular expression is too large for PCRE2: %s",
                             message);
    }
    for (int i = 0; i < LEVELS; i++) {
        regexp->limits[i] = pcre2_match_context_create(NULL);
        if (!regexp->limits[i])
            return MRC_ENOMEM;
        pcre2_set_match_limit(regexp->limits[i], levels[i].match_limit);
        pcre2_set_heap_limit(regexp->limits[i], MRC_URLPATTERN_REGEXP_HEAP_KIB);
    }
    pcre2_pattern_info(regexp->code, PCRE2_INFO_SIZE, &code_bytes);
    /*
     * Without JIT, or where the system forbids it, the interpreter runs. Some patterns
     * always run there (may_jit()).
     */
    if (is_jit_allowed && code_bytes <= MAX_JIT_BYTES &&
        pcre2_jit_compile(regexp->code, PCRE2_JIT_COMPLETE) == 0)
        pcre2_pattern_info(regexp->code, PCRE2_INFO_JITSIZE, &jit_bytes);
    regexp->size = sizeof(*regexp) + code_bytes + jit_bytes;
    return MRC_OK;
}

/* Writes the pattern of LIST. */
static enum mrc_err write(const struct mrc_urlpattern_part_list *list,
                          struct mrc_urlpattern_groups *groups, struct mrc_error *error,
                          struct mrc_buf *out)
{
    enum mrc_err err = MRC_OK;

    mrc_buf_add_str(out, "(?:");
    for (size_t i = 0; i < list->count && !err; i++)
        err = add_part(list, &list->parts[i], groups, error, out);
    mrc_buf_add_str(out, ")");
    return err ? err : mrc_buf_error(out);
}

/* Whether machine code counts all steps of a match. */
static bool may_jit(const struct mrc_urlpattern_groups *groups)
{
    return !groups->lookarounds && !groups->has_nested_loops && !groups->has_backreferences;
}

enum mrc_err mrc_urlpattern_regexp_compile(const struct mrc_urlpattern_part_list *list,
                                           struct mrc_error *error,
                                           struct mrc_urlpattern_regexp **ret_regexp)
{
    struct mrc_urlpattern_regexp *regexp;
    struct mrc_urlpattern_groups groups;
    struct mrc_buf pattern;
    enum mrc_err err;

    regexp = calloc(1, sizeof(*regexp));
    if (!regexp)
        return MRC_ENOMEM;
    mrc_urlpattern_groups_init(&groups);
    mrc_buf_init(&pattern, MAX_PATTERN_BYTES);
    err = write(list, &groups, error, &pattern);
    if (!err && groups.has_backreferences) {
        mrc_urlpattern_groups_begin_again(&groups);
        mrc_buf_reset(&pattern);
        err = write(list, &groups, error, &pattern);
    }
    if (!err)
        err = compile(mrc_buf_bytes(&pattern), may_jit(&groups), regexp, error);
    mrc_buf_free(&pattern);
    mrc_urlpattern_groups_clear(&groups);
    if (err) {
        mrc_urlpattern_regexp_free(regexp);
        return err;
    }
    *ret_regexp = regexp;
    return MRC_OK;
}

void mrc_urlpattern_regexp_free(struct mrc_urlpattern_regexp *regexp)
{
    if (!regexp)
        return;
    for (int i = 0; i < LEVELS; i++)
        pcre2_match_context_free(regexp->limits[i]);
    pcre2_code_free(regexp->code);
    free(regexp);
}

size_t mrc_urlpattern_regexp_size(const struct mrc_urlpattern_regexp *regexp)
{
    return regexp->size;
}

/* ---- matching ---------------------------------------------------------------------------------*/

enum mrc_err mrc_urlpattern_regexp_match(const struct mrc_urlpattern_regexp *regexp,
                                         struct mrc_bytes subject, bool *ret_matches)
{
    pcre2_match_data *data;
    int result, level = 0;

    while (level < LEVELS && subject.len > levels[level].subject_bytes)
        level++;
    if (level == LEVELS) {
        *ret_matches = false;
        return MRC_OK;
    }
    data = pcre2_match_data_create(1, NULL);
    if (!data)
        return MRC_ENOMEM;
    result = pcre2_match(regexp->code, (PCRE2_SPTR)subject.ptr, subject.len, 0, 0, data,
                         regexp->limits[level]);
    if (result == PCRE2_ERROR_JIT_STACKLIMIT) /* the interpreter has more room of its own */
        result = pcre2_match(regexp->code, (PCRE2_SPTR)subject.ptr, subject.len, 0, PCRE2_NO_JIT,
                             data, regexp->limits[level]);
    pcre2_match_data_free(data);
    if (result == PCRE2_ERROR_NOMEMORY)
        return MRC_ENOMEM;
    *ret_matches = result >= 0;
    return MRC_OK;
}
