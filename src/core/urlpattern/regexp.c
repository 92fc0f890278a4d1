#include "core/urlpattern/regexp.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdlib.h>

#include "core/urlpattern/class.h"

/* The longest pattern for PCRE2, which itself limits the compiled code to 64 KiB. */
#define MAX_PATTERN_BYTES ((size_t)1 << 20)

/* The limit of PCRE2. */
#define MAX_REPEAT 65535u

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

/* ---- translation -------------------------------------------------------------------------------
 */

struct translator {
    struct mrc_bytes in;
    size_t at;
    int depth;
    int alternatives;
    bool is_repeatable; /* a quantifier may follow */
    struct mrc_error *error;
    struct mrc_buf *out;
};

static enum mrc_err refuse(const struct translator *translator, const char *reason)
{
    return mrc_error_set(translator->error, MRC_EINVAL, "not a supported regular expression: %s",
                         reason);
}

/* The byte AHEAD places on, or -1 at the end. */
static int peek(const struct translator *translator, size_t ahead)
{
    if (translator->in.len - translator->at <= ahead)
        return -1;
    return (unsigned char)translator->in.ptr[translator->at + ahead];
}

/* Appends the character CP. One beyond ASCII never matches, because a subject is ASCII. */
static void add_cp(struct translator *translator, uint32_t cp)
{
    if (cp < 128)
        mrc_buf_printf(translator->out, "\\x%02x", (unsigned)cp);
    else
        mrc_buf_add_str(translator->out, "[^\\x00-\\xff]");
    translator->is_repeatable = true;
}

static enum mrc_err translate_escape(struct translator *translator)
{
    struct mrc_bytes rest = {translator->in.ptr + translator->at + 1,
                             translator->in.len - translator->at - 1};
    struct mrc_urlpattern_class set;
    uint32_t cp;
    size_t len;

    if (!rest.len)
        return refuse(translator, "a backslash at the end");
    if (rest.ptr[0] == 'b' || rest.ptr[0] == 'B') {
        mrc_buf_add(translator->out, rest.ptr - 1, 2);
        translator->is_repeatable = false;
        translator->at += 2;
        return MRC_OK;
    }
    if (rest.ptr[0] == 'k' || (rest.ptr[0] >= '1' && rest.ptr[0] <= '9'))
        return refuse(translator, "a backreference");
    if (memchr("pP", rest.ptr[0], 2))
        return refuse(translator, "a Unicode property (\\p)");
    if (mrc_urlpattern_class_of_letter(rest.ptr[0], &set)) {
        mrc_urlpattern_class_write(&set, translator->out);
        translator->is_repeatable = true;
        translator->at += 2;
        return MRC_OK;
    }
    len = mrc_urlpattern_class_read_escape(rest, false, &cp);
    if (!len)
        return mrc_error_set(
            translator->error, MRC_EINVAL,
            "not a supported regular expression: an escape that ECMAScript does not "
            "have (\\%c)",
            rest.ptr[0] >= ' ' && rest.ptr[0] < 0x7F ? rest.ptr[0] : '?');
    add_cp(translator, cp);
    translator->at += 1 + len;
    return MRC_OK;
}

static enum mrc_err translate_class(struct translator *translator)
{
    struct mrc_bytes rest = {translator->in.ptr + translator->at,
                             translator->in.len - translator->at};
    struct mrc_urlpattern_class set;
    size_t len;
    enum mrc_err err;

    err = mrc_urlpattern_class_parse(rest, MRC_URLPATTERN_REGEXP_MAX_DEPTH, translator->error, &set,
                                     &len);
    if (err)
        return err;
    mrc_urlpattern_class_write(&set, translator->out);
    translator->is_repeatable = true;
    translator->at += len;
    return MRC_OK;
}

static enum mrc_err translate_open(struct translator *translator)
{
    int next = peek(translator, 2);

    if (peek(translator, 1) != '?')
        return refuse(translator, "a capturing group inside a group");
    if (next == '=' || next == '!')
        return refuse(translator, "a lookahead");
    if (next == '<')
        return refuse(translator, peek(translator, 3) == '=' || peek(translator, 3) == '!'
                                      ? "a lookbehind"
                                      : "a named group inside a group");
    if (next == 'R' || next == '&' || next == '+' || (next >= '0' && next <= '9'))
        return refuse(translator, "a recursion");
    if (next == '(')
        return refuse(translator, "a conditional");
    if (next == 'P')
        return refuse(translator, "(?P");
    if (next == 'C')
        return refuse(translator, "a callout (?C)");
    if (next != ':')
        return refuse(translator, "a group that is neither plain nor (?:");
    if (translator->depth++ == MRC_URLPATTERN_REGEXP_MAX_DEPTH)
        return mrc_error_set(translator->error, MRC_ELIMIT, "groups are nested too deeply");
    mrc_buf_add_str(translator->out, "(?:");
    translator->is_repeatable = false;
    translator->at += 3;
    return MRC_OK;
}

/* Reads a decimal number and returns its number of digits. Any large one is MAX_REPEAT + 1. */
static size_t read_number(struct translator *translator, unsigned *ret_number)
{
    size_t digits = 0;
    unsigned number = 0;

    for (; peek(translator, 0) >= '0' && peek(translator, 0) <= '9'; digits++) {
        number = number * 10 + (unsigned)(peek(translator, 0) - '0');
        if (number > MAX_REPEAT)
            number = MAX_REPEAT + 1;
        translator->at++;
    }
    *ret_number = number;
    return digits;
}

/* Translates `{n}`, `{n,}` or `{n,m}`. */
static enum mrc_err translate_braces(struct translator *translator)
{
    size_t start = translator->at++;
    unsigned least, most;
    size_t digits = read_number(translator, &least);

    most = least;
    if (digits && peek(translator, 0) == ',') {
        translator->at++;
        if (!read_number(translator, &most))
            most = least;
    }
    if (!digits || peek(translator, 0) != '}')
        return refuse(translator, "a brace that is not a quantifier");
    translator->at++;
    if (most < least)
        return refuse(translator, "the bounds of a quantifier are out of order");
    if (least > MAX_REPEAT || most > MAX_REPEAT)
        return mrc_error_set(translator->error, MRC_ELIMIT,
                             "a quantifier asks for more than %u repetitions", MAX_REPEAT);
    mrc_buf_add(translator->out, translator->in.ptr + start, translator->at - start);
    return MRC_OK;
}

static enum mrc_err translate_quantifier(struct translator *translator, char c)
{
    if (!translator->is_repeatable)
        return refuse(translator, "a quantifier with nothing to repeat");
    if (c == '{') {
        enum mrc_err err = translate_braces(translator);

        if (err)
            return err;
    } else {
        mrc_buf_add_char(translator->out, c);
        translator->at++;
    }
    if (peek(translator, 0) == '?') {
        mrc_buf_add_char(translator->out, '?');
        translator->at++;
    }
    translator->is_repeatable = false;
    return MRC_OK;
}

/* Translates the next piece. */
static enum mrc_err translate_next(struct translator *translator)
{
    char c = translator->in.ptr[translator->at];

    switch (c) {
    case '\\':
        return translate_escape(translator);
    case '[':
        return translate_class(translator);
    case '(':
        return translate_open(translator);
    case '*':
    case '+':
    case '?':
    case '{':
        return translate_quantifier(translator, c);
    case ')':
        if (translator->depth-- == 0)
            return refuse(translator, "an unmatched closing parenthesis");
        mrc_buf_add_char(translator->out, ')');
        translator->is_repeatable = true;
        break;
    case '|':
        if (++translator->alternatives >= MRC_URLPATTERN_REGEXP_MAX_ALTERNATIVES)
            return mrc_error_set(translator->error, MRC_ELIMIT,
                                 "a group has more than %d alternatives",
                                 MRC_URLPATTERN_REGEXP_MAX_ALTERNATIVES);
        mrc_buf_add_char(translator->out, '|');
        translator->is_repeatable = false;
        break;
    case '^':
    case '$':
        mrc_buf_add_str(translator->out, c == '^' ? "\\A" : "\\z");
        translator->is_repeatable = false;
        break;
    case '.':
        mrc_buf_add_str(translator->out, "[^\\n\\r]");
        translator->is_repeatable = true;
        break;
    case ']':
    case '}':
        return refuse(translator, "a bracket or brace needs a backslash");
    default:
        add_cp(translator, (unsigned char)c);
        break;
    }
    translator->at++;
    return MRC_OK;
}

enum mrc_err mrc_urlpattern_regexp_translate(struct mrc_bytes source, struct mrc_error *error,
                                             struct mrc_buf *out)
{
    struct translator translator = {.in = source, .error = error, .out = out};
    enum mrc_err err = MRC_OK;

    while (translator.at < source.len && !err)
        err = translate_next(&translator);
    if (!err && translator.depth)
        err = refuse(&translator, "a group is not closed");
    return err ? err : mrc_buf_error(out);
}

/* ---- the whole component -----------------------------------------------------------------------
 */

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
                              const struct mrc_urlpattern_part *part, struct mrc_error *error,
                              struct mrc_buf *out)
{
    enum mrc_err err = MRC_OK;

    if (part->type == MRC_URLPATTERN_PART_REGEXP) {
        mrc_buf_add_str(out, "(?:");
        err = mrc_urlpattern_regexp_translate(mrc_urlpattern_part_text(list, part->value), error,
                                              out);
        mrc_buf_add_char(out, ')');
    } else if (part->type == MRC_URLPATTERN_PART_FULL) {
        mrc_buf_add_str(out, "[^\\n\\r]*");
    } else if (list->delimiter) {
        mrc_buf_printf(out, "[^\\x%02x]+?", (unsigned char)list->delimiter);
    } else {
        mrc_buf_add_str(out, "[\\x00-\\xff]+?");
    }
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

/* The part PART: its prefix, its value and its suffix, repeated as its modifier says. */
static enum mrc_err add_part(const struct mrc_urlpattern_part_list *list,
                             const struct mrc_urlpattern_part *part, struct mrc_error *error,
                             struct mrc_buf *out)
{
    enum mrc_urlpattern_part_modifier modifier = part->modifier;

    mrc_buf_add_str(out, "(?:");
    if (part->type == MRC_URLPATTERN_PART_FIXED) {
        add_literal(out, mrc_urlpattern_part_text(list, part->value));
    } else {
        enum mrc_err err;

        add_literal(out, mrc_urlpattern_part_text(list, part->prefix));
        err = add_value(list, part, error, out);
        if (err)
            return err;
        add_literal(out, mrc_urlpattern_part_text(list, part->suffix));
        if (is_idempotent(part))
            modifier = modifier_of_one(modifier);
    }
    mrc_buf_add_char(out, ')');
    add_modifier(out, modifier);
    return MRC_OK;
}

/* Compiles PATTERN, also to machine code where that works. */
static enum mrc_err compile(struct mrc_bytes pattern, struct mrc_urlpattern_regexp *regexp,
                            struct mrc_error *error)
{
    size_t code_bytes = 0, jit_bytes = 0, offset;
    char message[128] = "";
    int number;

    regexp->code = pcre2_compile((PCRE2_SPTR)pattern.ptr, pattern.len,
                                 PCRE2_ANCHORED | PCRE2_ENDANCHORED | PCRE2_DOLLAR_ENDONLY |
                                     PCRE2_NEVER_BACKSLASH_C | PCRE2_NEVER_UTF,
                                 &number, &offset, NULL);
    if (!regexp->code && number == PCRE2_ERROR_HEAP_FAILED)
        return MRC_ENOMEM;
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
    /* Without JIT, or where the system forbids it, the interpreter runs. */
    if (code_bytes <= MAX_JIT_BYTES && pcre2_jit_compile(regexp->code, PCRE2_JIT_COMPLETE) == 0)
        pcre2_pattern_info(regexp->code, PCRE2_INFO_JITSIZE, &jit_bytes);
    regexp->size = sizeof(*regexp) + code_bytes + jit_bytes;
    return MRC_OK;
}

enum mrc_err mrc_urlpattern_regexp_compile(const struct mrc_urlpattern_part_list *list,
                                           struct mrc_error *error,
                                           struct mrc_urlpattern_regexp **ret_regexp)
{
    struct mrc_urlpattern_regexp *regexp;
    struct mrc_buf pattern;
    enum mrc_err err = MRC_OK;

    regexp = calloc(1, sizeof(*regexp));
    if (!regexp)
        return MRC_ENOMEM;
    mrc_buf_init(&pattern, MAX_PATTERN_BYTES);
    mrc_buf_add_str(&pattern, "(?:");
    for (size_t i = 0; i < list->count && !err; i++)
        err = add_part(list, &list->parts[i], error, &pattern);
    mrc_buf_add_str(&pattern, ")");
    if (!err)
        err = mrc_buf_error(&pattern);
    if (!err)
        err = compile(mrc_buf_bytes(&pattern), regexp, error);
    mrc_buf_free(&pattern);
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

/* ---- matching ----------------------------------------------------------------------------------
 */

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
