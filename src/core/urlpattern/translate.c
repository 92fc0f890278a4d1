#include "core/urlpattern/translate.h"

#include "core/base/utf8.h"
#include "core/urlpattern/class.h"
#include "core/urlpattern/tokenize.h"

/* The limit of PCRE2 for a repetition. */
#define MAX_REPEAT 65535u

/* More repetitions than these are a loop. */
#define MAX_UNROLLED 8

/* Names may be longer than their source by a few bytes only. */
#define MAX_NAMES_BYTES ((size_t)1 << 20)

/* The modifiers of ECMAScript: a letter in this string has the bit of its position. */
static const char modifier_letters[] = "ims";
enum modifier { IGNORES_CASE = 1, MULTILINE = 2, DOT_MATCHES_ALL = 4 };

/* A group that is open. The first one is the source itself. */
struct frame {
    bool is_assertion;  /* a lookahead or lookbehind, which no quantifier may follow */
    unsigned modifiers; /* of the group around it */
    size_t loops;       /* the number of loops before it */
    size_t captures;    /* the number of capturing groups before it */
    uint32_t group;     /* its number in the component */
    uint32_t alternative;
};

/* A group around a named one, and the alternative of it that has the name. */
struct step {
    uint32_t group;
    uint32_t alternative;
};

struct translator {
    struct mrc_bytes in;
    size_t at;
    struct frame frames[MRC_URLPATTERN_TRANSLATE_MAX_DEPTH + 1];
    size_t depth; /* the number of groups that are open in the source */
    unsigned modifiers;
    size_t alternatives;
    bool is_repeatable;   /* a quantifier may follow */
    size_t atom_loops;    /* the number of loops before what the quantifier would repeat */
    size_t atom_captures; /* the same for capturing groups */
    struct mrc_urlpattern_groups *groups;
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

static bool is_at(const struct translator *translator, const char *text)
{
    const struct mrc_bytes rest = {translator->in.ptr + translator->at,
                                   translator->in.len - translator->at};

    return mrc_bytes_starts_with(rest, mrc_bytes_of(text));
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

static enum mrc_err count_alternatives(struct translator *translator, size_t more)
{
    translator->alternatives += more;
    if (translator->alternatives >= MRC_URLPATTERN_TRANSLATE_MAX_ALTERNATIVES)
        return mrc_error_set(translator->error, MRC_ELIMIT, "a group has more than %d alternatives",
                             MRC_URLPATTERN_TRANSLATE_MAX_ALTERNATIVES);
    return MRC_OK;
}

/* Translates a character, a class, or an escape that stands for a set. */
static enum mrc_err translate_atom(struct translator *translator)
{
    struct mrc_bytes rest = {translator->in.ptr + translator->at,
                             translator->in.len - translator->at};
    size_t len = 0, strings = 0;
    enum mrc_err err;

    err = mrc_urlpattern_class_translate(rest, translator->modifiers & IGNORES_CASE,
                                         MRC_URLPATTERN_TRANSLATE_MAX_DEPTH, translator->error,
                                         translator->out, &len, &strings);
    if (err)
        return err;
    translator->is_repeatable = true;
    translator->atom_loops = translator->groups->loops;
    translator->atom_captures = translator->groups->captures;
    translator->at += len;
    return count_alternatives(translator, strings);
}

/* ---- names ------------------------------------------------------------------------------------*/

void mrc_urlpattern_groups_init(struct mrc_urlpattern_groups *ret_groups)
{
    *ret_groups = (struct mrc_urlpattern_groups){.count = 0};
    mrc_buf_init(&ret_groups->text, MAX_NAMES_BYTES);
    mrc_buf_init(&ret_groups->paths, MAX_NAMES_BYTES);
    mrc_buf_init(&ret_groups->repeated, MAX_NAMES_BYTES);
}

void mrc_urlpattern_groups_clear(struct mrc_urlpattern_groups *groups)
{
    mrc_buf_free(&groups->text);
    mrc_buf_free(&groups->paths);
    mrc_buf_free(&groups->repeated);
}

void mrc_urlpattern_groups_begin_again(struct mrc_urlpattern_groups *groups)
{
    groups->is_second = true;
    groups->captures = 0;
    groups->lookarounds = 0;
    groups->loops = 0;
}

bool mrc_urlpattern_groups_capture(struct mrc_urlpattern_groups *groups)
{
    groups->captures++;
    if (!groups->is_second)
        mrc_buf_add_char(&groups->repeated, 0);
    return groups->is_second;
}

void mrc_urlpattern_groups_repeat(struct mrc_urlpattern_groups *groups, size_t count)
{
    if (!groups->is_second && !mrc_buf_error(&groups->repeated))
        for (size_t i = count; i < groups->captures; i++)
            groups->repeated.ptr[i] = 1;
}

static struct step step_of(const struct mrc_urlpattern_groups *groups, size_t name, size_t i)
{
    struct step step;

    memcpy(&step, groups->paths.ptr + groups->all[name].path_at + i * sizeof(step), sizeof(step));
    return step;
}

/* Whether two names may match in the same attempt: they are not in alternatives of one group. */
static bool may_meet(const struct mrc_urlpattern_groups *groups, size_t a, size_t b)
{
    for (size_t i = 0; i < groups->all[a].path_len && i < groups->all[b].path_len; i++) {
        struct step left = step_of(groups, a, i), right = step_of(groups, b, i);

        if (left.group != right.group)
            return true;
        if (left.alternative != right.alternative)
            return false;
    }
    return true;
}

static struct mrc_bytes text_of(const struct mrc_urlpattern_groups *groups, size_t name)
{
    return (struct mrc_bytes){groups->text.ptr + groups->all[name].text_at,
                              groups->all[name].text_len};
}

/* Adds the name at the end of the text, from AT on, of the group that TRANSLATOR opens. */
static enum mrc_err add_name(struct translator *translator, size_t at)
{
    struct mrc_urlpattern_groups *groups = translator->groups;
    size_t name = groups->count;

    if (name == MRC_URLPATTERN_TRANSLATE_MAX_NAMES)
        return mrc_error_set(translator->error, MRC_ELIMIT,
                             "the groups of a component hold more than %d named groups",
                             MRC_URLPATTERN_TRANSLATE_MAX_NAMES);
    groups->all[name].text_at = at;
    groups->all[name].text_len = groups->text.len - at;
    groups->all[name].capture = groups->captures;
    groups->all[name].path_at = groups->paths.len;
    groups->all[name].path_len = translator->depth + 1;
    for (size_t i = 0; i <= translator->depth; i++) {
        const struct frame *frame = &translator->frames[i];

        mrc_buf_add(&groups->paths, &(struct step){frame->group, frame->alternative},
                    sizeof(struct step));
    }
    if (mrc_buf_error(&groups->paths))
        return MRC_ENOMEM;
    for (size_t i = 0; i < name; i++)
        if (mrc_bytes_eq(text_of(groups, i), text_of(groups, name)) && may_meet(groups, i, name))
            return refuse(translator, "two groups inside groups have the same name");
    groups->count++;
    return MRC_OK;
}

/* Appends the name of a group, up to the `>` that ends it, to the text. */
static enum mrc_err read_name(struct translator *translator)
{
    bool is_first = true;

    for (; peek(translator, 0) != '>'; is_first = false) {
        struct mrc_bytes rest = {translator->in.ptr + translator->at + 1,
                                 translator->in.len - translator->at - 1};
        uint32_t cp = (uint32_t)peek(translator, 0);
        size_t len = 0;

        if (peek(translator, 0) < 0)
            return refuse(translator, "the name of a group is not closed");
        if (cp == '\\' && rest.len && rest.ptr[0] == 'u')
            len = mrc_urlpattern_class_read_escape(rest, false, &cp);
        if ((cp >= 0xD800 && cp <= 0xDFFF) || !mrc_urlpattern_is_name_cp(cp, is_first))
            return refuse(translator, "the name of a group is not an identifier");
        mrc_utf8_add(&translator->groups->text, cp);
        translator->at += 1 + len;
    }
    if (is_first)
        return refuse(translator, "the name of a group is empty");
    translator->at++;
    return mrc_buf_error(&translator->groups->text);
}

/* ---- backreferences ---------------------------------------------------------------------------*/

/* Finds the capturing group with the name at the end of the text, from AT on, which is removed. */
static enum mrc_err find_name(struct translator *translator, size_t at, size_t *ret_capture)
{
    struct mrc_urlpattern_groups *groups = translator->groups;
    struct mrc_bytes name = {groups->text.ptr + at, groups->text.len - at};
    size_t found = 0;

    for (size_t i = 0; i < groups->count; i++) {
        if (!mrc_bytes_eq(text_of(groups, i), name))
            continue;
        if (found)
            return refuse(translator, "a backreference to a name that several groups have");
        found = groups->all[i].capture;
    }
    groups->text.len = at;
    *ret_capture = found;
    return MRC_OK;
}

/* Reads the rest of `\\k<name>`. */
static enum mrc_err read_named_reference(struct translator *translator, size_t *ret_capture)
{
    size_t start = translator->groups->text.len;
    enum mrc_err err;

    if (!is_at(translator, "\\k<"))
        return refuse(translator, "a backreference without a name");
    translator->at += 3;
    err = read_name(translator);
    return err ? err : find_name(translator, start, ret_capture);
}

static enum mrc_err translate_backreference(struct translator *translator)
{
    struct mrc_urlpattern_groups *groups = translator->groups;
    unsigned number = 0;
    size_t capture = 0;

    if (peek(translator, 1) == 'k') {
        enum mrc_err err = read_named_reference(translator, &capture);

        if (err)
            return err;
    } else {
        translator->at++;
        read_number(translator, &number);
        capture = number;
    }
    groups->has_backreferences = true;
    translator->is_repeatable = true;
    translator->atom_loops = groups->loops;
    translator->atom_captures = groups->captures;
    if (!groups->is_second)
        return MRC_OK;
    if (!capture || capture > groups->repeated.len)
        return refuse(translator, "a backreference to a group that does not exist");
    if (groups->repeated.ptr[capture - 1])
        return refuse(translator, "a backreference to a group that is repeated");
    mrc_buf_printf(translator->out,
                   translator->modifiers & IGNORES_CASE ? "(?i:\\g{%zu})" : "(?:\\g{%zu})",
                   capture);
    return MRC_OK;
}

static enum mrc_err translate_escape(struct translator *translator)
{
    int letter = peek(translator, 1);

    if (letter < 0)
        return refuse(translator, "a backslash at the end");
    if (letter == 'k' || (letter >= '1' && letter <= '9'))
        return translate_backreference(translator);
    if (letter != 'b' && letter != 'B')
        return translate_atom(translator);
    mrc_buf_add(translator->out, translator->in.ptr + translator->at, 2);
    translator->is_repeatable = false;
    translator->at += 2;
    return MRC_OK;
}

/* ---- groups -----------------------------------------------------------------------------------*/

/* Opens a group that PCRE2 gets as OPEN. The source of its opening has LEN bytes. */
static enum mrc_err open_group(struct translator *translator, const char *open, size_t len,
                               bool is_assertion)
{
    struct frame *frame;

    if (translator->depth == MRC_URLPATTERN_TRANSLATE_MAX_DEPTH)
        return mrc_error_set(translator->error, MRC_ELIMIT, "groups are nested too deeply");
    if (is_assertion &&
        ++translator->groups->lookarounds > MRC_URLPATTERN_TRANSLATE_MAX_LOOKAROUNDS)
        return mrc_error_set(translator->error, MRC_ELIMIT,
                             "the groups of a component have more than %d lookaheads and "
                             "lookbehinds",
                             MRC_URLPATTERN_TRANSLATE_MAX_LOOKAROUNDS);
    frame = &translator->frames[++translator->depth];
    *frame = (struct frame){.is_assertion = is_assertion,
                            .modifiers = translator->modifiers,
                            .loops = translator->groups->loops,
                            .captures = translator->groups->captures,
                            .group = translator->groups->groups++};
    mrc_buf_add_str(translator->out, open);
    translator->is_repeatable = false;
    translator->at += len;
    return MRC_OK;
}

/* Reads letters of modifiers. False: one is given twice. */
static bool read_modifiers(struct translator *translator, unsigned *modifiers)
{
    for (;;) {
        int c = peek(translator, 0);
        const char *letter = c < 0 ? NULL : memchr(modifier_letters, c, 3);
        unsigned bit;

        if (!letter)
            return true;
        bit = 1u << (letter - modifier_letters);
        if (*modifiers & bit)
            return false;
        *modifiers |= bit;
        translator->at++;
    }
}

/* Opens `(?i:`, `(?-i:` and their like. PCRE2 gets a plain group: its content is translated. */
static enum mrc_err open_modifiers(struct translator *translator)
{
    unsigned added = 0, removed = 0;
    bool is_valid;
    enum mrc_err err;

    translator->at += 2;
    is_valid = read_modifiers(translator, &added);
    if (is_valid && peek(translator, 0) == '-') {
        translator->at++;
        is_valid = read_modifiers(translator, &removed) && (added || removed);
    }
    if (!is_valid || peek(translator, 0) != ':' || (added & removed))
        return refuse(translator, "a group of a kind that ECMAScript does not have");
    err = open_group(translator, "(?:", 1, false);
    translator->modifiers = (translator->modifiers | added) & ~removed;
    return err;
}

static enum mrc_err open_named(struct translator *translator)
{
    size_t start = translator->groups->text.len, captures = translator->groups->captures;
    bool is_capturing = mrc_urlpattern_groups_capture(translator->groups);
    enum mrc_err err;

    translator->at += 3;
    err = read_name(translator);
    if (!err && is_capturing) /* the name is known from the first translation */
        translator->groups->text.len = start;
    else if (!err)
        err = add_name(translator, start);
    if (!err)
        err = open_group(translator, is_capturing ? "(" : "(?:", 0, false);
    if (!err)
        translator->frames[translator->depth].captures = captures;
    return err;
}

static enum mrc_err translate_open(struct translator *translator)
{
    static const char *const assertions[] = {"(?=", "(?!", "(?<=", "(?<!"};

    if (peek(translator, 1) != '?')
        return refuse(translator, "a capturing group inside a group");
    for (size_t i = 0; i < sizeof(assertions) / sizeof(assertions[0]); i++)
        if (is_at(translator, assertions[i]))
            return open_group(translator, assertions[i], strlen(assertions[i]), true);
    if (is_at(translator, "(?:"))
        return open_group(translator, "(?:", 3, false);
    return is_at(translator, "(?<") ? open_named(translator) : open_modifiers(translator);
}

static enum mrc_err translate_close(struct translator *translator)
{
    if (!translator->depth)
        return refuse(translator, "an unmatched closing parenthesis");
    mrc_buf_add_char(translator->out, ')');
    translator->is_repeatable = !translator->frames[translator->depth].is_assertion;
    translator->atom_loops = translator->frames[translator->depth].loops;
    translator->atom_captures = translator->frames[translator->depth].captures;
    translator->modifiers = translator->frames[translator->depth--].modifiers;
    translator->at++;
    return MRC_OK;
}

static enum mrc_err translate_bar(struct translator *translator)
{
    translator->frames[translator->depth].alternative++;
    mrc_buf_add_char(translator->out, '|');
    translator->is_repeatable = false;
    translator->at++;
    return count_alternatives(translator, 1);
}

/* ---- quantifiers ------------------------------------------------------------------------------*/

/* Translates `{n}`, `{n,}` or `{n,m}`. */
static enum mrc_err translate_braces(struct translator *translator, bool *ret_is_loop,
                                     bool *ret_repeats)
{
    size_t start = translator->at++;
    unsigned least, most;
    size_t digits = read_number(translator, &least);
    bool is_open = false;

    most = least;
    if (digits && peek(translator, 0) == ',') {
        translator->at++;
        is_open = !read_number(translator, &most);
        if (is_open)
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
    *ret_is_loop = is_open || most > MAX_UNROLLED;
    *ret_repeats = is_open || most > 1;
    return MRC_OK;
}

static enum mrc_err translate_quantifier(struct translator *translator, char c)
{
    bool is_loop = c != '?', repeats = is_loop;

    if (!translator->is_repeatable)
        return refuse(translator, "a quantifier with nothing to repeat");
    if (c == '{') {
        enum mrc_err err = translate_braces(translator, &is_loop, &repeats);

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
    if (repeats)
        mrc_urlpattern_groups_repeat(translator->groups, translator->atom_captures);
    if (is_loop && translator->groups->loops++ > translator->atom_loops)
        translator->groups->has_nested_loops = true;
    return MRC_OK;
}

/* ---- the whole --------------------------------------------------------------------------------*/

/* Translates a piece of one character that stands for OUT. */
static enum mrc_err translate_to(struct translator *translator, const char *out, bool is_repeatable)
{
    mrc_buf_add_str(translator->out, out);
    translator->is_repeatable = is_repeatable;
    translator->atom_loops = translator->groups->loops;
    translator->atom_captures = translator->groups->captures;
    translator->at++;
    return MRC_OK;
}

/* Translates the next piece. */
static enum mrc_err translate_next(struct translator *translator)
{
    char c = translator->in.ptr[translator->at];
    unsigned modifiers = translator->modifiers;

    switch (c) {
    case '\\':
        return translate_escape(translator);
    case '(':
        return translate_open(translator);
    case ')':
        return translate_close(translator);
    case '|':
        return translate_bar(translator);
    case '*':
    case '+':
    case '?':
    case '{':
        return translate_quantifier(translator, c);
    case '^':
        return translate_to(translator, modifiers & MULTILINE ? "(?:\\A|(?<=[\\n\\r]))" : "\\A",
                            false);
    case '$':
        return translate_to(translator, modifiers & MULTILINE ? "(?:\\z|(?=[\\n\\r]))" : "\\z",
                            false);
    case '.':
        return translate_to(translator, modifiers & DOT_MATCHES_ALL ? "[\\x00-\\xff]" : "[^\\n\\r]",
                            true);
    case ']':
    case '}':
        return refuse(translator, "a bracket or brace needs a backslash");
    default:
        return translate_atom(translator);
    }
}

enum mrc_err mrc_urlpattern_translate(struct mrc_bytes source, struct mrc_urlpattern_groups *groups,
                                      struct mrc_error *error, struct mrc_buf *out)
{
    struct translator translator = {.in = source, .groups = groups, .error = error, .out = out};
    enum mrc_err err = MRC_OK;

    translator.frames[0].group = groups->groups++;
    while (translator.at < source.len && !err)
        err = translate_next(&translator);
    if (!err && translator.depth)
        err = refuse(&translator, "a group is not closed");
    if (!err)
        err = mrc_buf_error(&groups->repeated);
    return err ? err : mrc_buf_error(out);
}
