#include "core/urlpattern/class.h"

#include "core/base/percent.h"
#include "core/urlpattern/property.h"
#include "core/urlpattern/set.h"

#define MAX_CP 0x10FFFFu

/* The characters beyond ASCII that are equal to an ASCII letter if case does not count. */
#define LONG_S 0x017Fu
#define KELVIN 0x212Au

/* ---- sets of characters -----------------------------------------------------------------------*/

/* The bits of A to Z, and of a to z, in the second word. */
#define UPPER ((uint64_t)0x07FFFFFE)
#define LOWER (UPPER << 32)

static void add_range(struct mrc_urlpattern_set *set, uint32_t first, uint32_t last)
{
    for (uint32_t c = first; c <= last && c < 128; c++)
        set->bits[c / 64] |= (uint64_t)1 << c % 64;
    if (first <= LONG_S && last >= LONG_S)
        set->bits[2] |= 1;
    if (first <= KELVIN && last >= KELVIN)
        set->bits[2] |= 2;
}

/*
 * Replaces each character by the one that it is folded to (CaseFolding.txt of Unicode): a set that
 * ignores case holds only those, until it is written.
 */
static void fold(struct mrc_urlpattern_set *set)
{
    set->bits[1] = (set->bits[1] & ~UPPER) | (set->bits[1] & UPPER) << 32;
    if (set->bits[2] & 1)
        add_range(set, 's', 's');
    if (set->bits[2] & 2)
        add_range(set, 'k', 'k');
    set->bits[2] = 0;
}

static void complement(struct mrc_urlpattern_set *set, bool ignores_case)
{
    set->bits[0] = ~set->bits[0];
    set->bits[1] = ~set->bits[1] & (ignores_case ? ~UPPER : ~(uint64_t)0);
    set->bits[2] = ignores_case ? 0 : ~set->bits[2] & 3;
}

/* Finds the set of \d, \D, \w, \W, \s or \S. False for any other LETTER. */
static bool find_letter(char letter, bool ignores_case, struct mrc_urlpattern_set *ret_set)
{
    struct mrc_urlpattern_set set = {.may_hold_strings = false};

    switch (letter | 0x20) {
    case 'd':
        add_range(&set, '0', '9');
        break;
    case 'w':
        add_range(&set, '0', '9');
        add_range(&set, 'A', 'Z');
        add_range(&set, 'a', 'z');
        add_range(&set, '_', '_');
        break;
    case 's':
        add_range(&set, '\t', '\r');
        add_range(&set, ' ', ' ');
        break;
    default:
        return false;
    }
    if (ignores_case)
        fold(&set);
    if (letter >= 'A' && letter <= 'Z')
        complement(&set, ignores_case);
    *ret_set = set;
    return true;
}

/* ---- escapes ----------------------------------------------------------------------------------*/

/* Reads DIGITS hexadecimal digits at the front of SOURCE. */
static bool read_hex(struct mrc_bytes source, size_t digits, uint32_t *ret_value)
{
    uint32_t value = 0;

    if (source.len < digits)
        return false;
    for (size_t i = 0; i < digits; i++) {
        int digit = mrc_percent_hex_value((unsigned char)source.ptr[i]);

        if (digit < 0)
            return false;
        value = value << 4 | (uint32_t)digit;
    }
    *ret_value = value;
    return true;
}

/* Reads `uXXXX`, two of them for surrogates, or `u{X…}`. SOURCE begins with the u. */
static size_t read_unicode(struct mrc_bytes source, uint32_t *ret_cp)
{
    struct mrc_bytes digits = {source.ptr + 1, source.len - 1};
    uint32_t cp = 0, low;

    if (digits.len && digits.ptr[0] == '{') {
        size_t i;

        for (i = 1; i < digits.len && digits.ptr[i] != '}'; i++) {
            int digit = mrc_percent_hex_value((unsigned char)digits.ptr[i]);

            if (digit < 0)
                return 0;
            cp = cp << 4 | (uint32_t)digit;
            if (cp > MAX_CP)
                return 0;
        }
        if (i == 1 || i == digits.len)
            return 0;
        *ret_cp = cp;
        return i + 2;
    }
    if (!read_hex(digits, 4, &cp))
        return 0;
    *ret_cp = cp;
    if (cp >= 0xD800 && cp <= 0xDBFF && digits.len >= 10 && digits.ptr[4] == '\\' &&
        digits.ptr[5] == 'u' && read_hex((struct mrc_bytes){digits.ptr + 6, 4}, 4, &low) &&
        low >= 0xDC00 && low <= 0xDFFF) {
        *ret_cp = 0x10000 + ((cp - 0xD800) << 10) + (low - 0xDC00);
        return 11;
    }
    return 5;
}

size_t mrc_urlpattern_class_read_escape(struct mrc_bytes source, bool in_class, uint32_t *ret_cp)
{
    static const char letters[] = "tnvfr", controls[] = "\t\n\v\f\r";
    const char *at;
    char c;

    if (!source.len)
        return 0;
    c = source.ptr[0];
    at = memchr(letters, c, sizeof(letters) - 1);
    if (at) {
        *ret_cp = (uint32_t)controls[at - letters];
        return 1;
    }
    switch (c) {
    case '0': /* octal numbers are not allowed */
        if (source.len > 1 && source.ptr[1] >= '0' && source.ptr[1] <= '9')
            return 0;
        *ret_cp = 0;
        return 1;
    case 'c':
        if (source.len < 2 || (unsigned)((source.ptr[1] | 0x20) - 'a') > 25u)
            return 0;
        *ret_cp = (uint32_t)source.ptr[1] & 31;
        return 2;
    case 'x':
        return read_hex((struct mrc_bytes){source.ptr + 1, source.len - 1}, 2, ret_cp) ? 3 : 0;
    case 'u':
        return read_unicode(source, ret_cp);
    case 'b':
        if (!in_class)
            return 0;
        *ret_cp = '\b';
        return 1;
    default:
        if (!memchr("^$\\.*+?()[]{}|/", c, 15) && !(in_class && memchr("-&!#%,:;<=>@`~", c, 14)))
            return 0;
        *ret_cp = (uint32_t)c;
        return 1;
    }
}

/* ---- classes ----------------------------------------------------------------------------------*/

/* The strings of a class and of the classes in it. Each occurs once. */
struct strings {
    struct mrc_buf text;
    size_t count;
    struct {
        size_t at, len;
    } all[MRC_URLPATTERN_CLASS_MAX_STRINGS];
};

struct parser {
    struct mrc_bytes in;
    size_t at;
    int depth_left;
    bool ignores_case;
    struct strings strings;
    struct mrc_error *error;
};

/* An operand in a class: a set, or a single character, which may be an end of a range. */
struct operand {
    struct mrc_urlpattern_set set;
    bool is_character;
    uint32_t cp;
};

static enum mrc_err parse_class(struct parser *parser, struct mrc_urlpattern_set *ret_set);

static enum mrc_err refuse(const struct parser *parser, const char *reason)
{
    return mrc_error_set(parser->error, MRC_EINVAL, "not a supported regular expression: %s",
                         reason);
}

/* The byte AHEAD places on, or -1 at the end. */
static int peek(const struct parser *parser, size_t ahead)
{
    if (parser->in.len - parser->at <= ahead)
        return -1;
    return (unsigned char)parser->in.ptr[parser->at + ahead];
}

static bool is_at(const struct parser *parser, const char *two)
{
    return peek(parser, 0) == two[0] && peek(parser, 1) == two[1];
}

/* The set of one character. */
static struct mrc_urlpattern_set set_of(const struct parser *parser, uint32_t cp)
{
    struct mrc_urlpattern_set set = {.may_hold_strings = false};

    add_range(&set, cp, cp);
    if (parser->ignores_case)
        fold(&set);
    return set;
}

/* Reads `\p{…}` or `\P{…}`. */
static enum mrc_err parse_property(struct parser *parser, struct mrc_urlpattern_set *ret_set)
{
    struct mrc_bytes rest = {parser->in.ptr + parser->at, parser->in.len - parser->at};
    const char *end = memchr(rest.ptr, '}', rest.len);
    struct mrc_urlpattern_set set;

    if (rest.len < 3 || rest.ptr[2] != '{' || !end ||
        !mrc_urlpattern_property_find(
            (struct mrc_bytes){rest.ptr + 3, (size_t)(end - rest.ptr) - 3}, &set))
        return refuse(parser, "a Unicode property that ECMAScript does not have (\\p)");
    if (parser->ignores_case)
        fold(&set);
    if (rest.ptr[1] == 'P') {
        if (set.may_hold_strings)
            return refuse(parser, "a negated property of strings (\\P)");
        complement(&set, parser->ignores_case);
    }
    parser->at += (size_t)(end - rest.ptr) + 1;
    *ret_set = set;
    return MRC_OK;
}

/* ---- strings (\q{…}) --------------------------------------------------------------------------*/

static struct mrc_bytes string_of(const struct strings *strings, size_t i)
{
    return (struct mrc_bytes){strings->text.ptr + strings->all[i].at, strings->all[i].len};
}

/* Finds the string at the end of the text, which begins at AT, or adds it. */
static enum mrc_err add_string(struct parser *parser, size_t at, struct mrc_urlpattern_set *set)
{
    struct strings *strings = &parser->strings;
    struct mrc_bytes string = {strings->text.ptr + at, strings->text.len - at};
    size_t i = 0;

    while (i < strings->count && !mrc_bytes_eq(string_of(strings, i), string))
        i++;
    if (i == MRC_URLPATTERN_CLASS_MAX_STRINGS)
        return mrc_error_set(parser->error, MRC_ELIMIT, "a class holds more than %d strings (\\q)",
                             MRC_URLPATTERN_CLASS_MAX_STRINGS);
    if (i == strings->count) {
        strings->all[i].at = at;
        strings->all[i].len = string.len;
        strings->count++;
    }
    set->strings[i / 64] |= (uint64_t)1 << i % 64;
    return MRC_OK;
}

/* Reads a character in a class: itself, or an escape. */
static enum mrc_err parse_character(struct parser *parser, uint32_t *ret_cp)
{
    int c = peek(parser, 0);

    if (c == '\\') {
        struct mrc_bytes rest = {parser->in.ptr + parser->at + 1, parser->in.len - parser->at - 1};
        size_t len = mrc_urlpattern_class_read_escape(rest, true, ret_cp);

        if (!len)
            return refuse(parser, "a class holds an unknown escape");
        parser->at += 1 + len;
        return MRC_OK;
    }
    if (c < 0)
        return refuse(parser, "a class is not closed");
    if (memchr("()[]{}/-|", c, 9))
        return refuse(parser, "a character in a class needs a backslash");
    if (c == peek(parser, 1) && memchr("&!#$%*+,.:;<=>?@^`~", c, 19))
        return refuse(parser, "a class holds a reserved pair of characters");
    *ret_cp = (uint32_t)c;
    parser->at++;
    return MRC_OK;
}

/* The ASCII character that CP is folded to, or is; -1: none. */
static int to_ascii(const struct parser *parser, uint32_t cp)
{
    if (parser->ignores_case && cp == LONG_S)
        return 's';
    if (parser->ignores_case && cp == KELVIN)
        return 'k';
    if (parser->ignores_case && cp >= 'A' && cp <= 'Z')
        return (int)cp + ('a' - 'A');
    return cp < 128 ? (int)cp : -1;
}

/* Reads one string. A string of one character is that character. */
static enum mrc_err parse_string(struct parser *parser, struct mrc_urlpattern_set *set)
{
    struct mrc_buf *text = &parser->strings.text;
    size_t start = text->len, count = 0;
    bool is_ascii = true;
    uint32_t cp = 0;

    for (; peek(parser, 0) != '|' && peek(parser, 0) != '}'; count++) {
        enum mrc_err err = parse_character(parser, &cp);

        if (err)
            return err;
        if (to_ascii(parser, cp) < 0)
            is_ascii = false;
        else
            mrc_buf_add_char(text, (char)to_ascii(parser, cp));
    }
    if (!mrc_buf_extend(text, 0)) /* so that a view of it is never NULL */
        return mrc_buf_error(text);
    if (count == 1) {
        struct mrc_urlpattern_set one = set_of(parser, cp);

        text->len = start;
        for (int i = 0; i < MRC_URLPATTERN_SET_WORDS; i++)
            set->bits[i] |= one.bits[i];
        return MRC_OK;
    }
    set->may_hold_strings = true;
    if (!is_ascii) { /* it never matches */
        text->len = start;
        return MRC_OK;
    }
    return add_string(parser, start, set);
}

/* Reads `\q{…}`. */
static enum mrc_err parse_strings(struct parser *parser, struct mrc_urlpattern_set *ret_set)
{
    struct mrc_urlpattern_set set = {.may_hold_strings = false};

    if (peek(parser, 2) != '{')
        return refuse(parser, "a class holds an unknown escape");
    parser->at += 2;
    do {
        enum mrc_err err;

        parser->at++;
        err = parse_string(parser, &set);
        if (err)
            return err;
    } while (peek(parser, 0) == '|');
    parser->at++;
    *ret_set = set;
    return MRC_OK;
}

/* ---- operands and operations ------------------------------------------------------------------*/

static enum mrc_err parse_operand(struct parser *parser, struct operand *ret_operand)
{
    struct operand operand = {.is_character = false};
    int c = peek(parser, 0), escaped = c == '\\' ? peek(parser, 1) : -1;
    enum mrc_err err;

    if (c == '[') {
        err = parse_class(parser, &operand.set);
    } else if (escaped == 'p' || escaped == 'P') {
        err = parse_property(parser, &operand.set);
    } else if (escaped == 'q') {
        err = parse_strings(parser, &operand.set);
    } else if (escaped > 0 && find_letter((char)escaped, parser->ignores_case, &operand.set)) {
        parser->at += 2;
        err = MRC_OK;
    } else {
        operand.is_character = true;
        err = parse_character(parser, &operand.cp);
        operand.set = set_of(parser, operand.cp);
    }
    if (!err)
        *ret_operand = operand;
    return err;
}

static void add(struct mrc_urlpattern_set *set, const struct mrc_urlpattern_set *more)
{
    for (int i = 0; i < MRC_URLPATTERN_SET_WORDS; i++)
        set->bits[i] |= more->bits[i];
    for (int i = 0; i < 2; i++)
        set->strings[i] |= more->strings[i];
    set->may_hold_strings |= more->may_hold_strings;
}

static void subtract(struct mrc_urlpattern_set *set, const struct mrc_urlpattern_set *less)
{
    for (int i = 0; i < MRC_URLPATTERN_SET_WORDS; i++)
        set->bits[i] &= ~less->bits[i];
    for (int i = 0; i < 2; i++)
        set->strings[i] &= ~less->strings[i];
}

static void intersect(struct mrc_urlpattern_set *set, const struct mrc_urlpattern_set *other)
{
    for (int i = 0; i < MRC_URLPATTERN_SET_WORDS; i++)
        set->bits[i] &= other->bits[i];
    for (int i = 0; i < 2; i++)
        set->strings[i] &= other->strings[i];
    set->may_hold_strings &= other->may_hold_strings;
}

/* Reads the operands after the first one, each with OPERATOR (`--` or `&&`) before it. */
static enum mrc_err parse_set_operation(struct parser *parser, const char *operator_,
                                        struct mrc_urlpattern_set *set)
{
    while (peek(parser, 0) != ']') {
        struct operand operand;
        enum mrc_err err;

        if (!is_at(parser, operator_))
            return refuse(parser, "a class mixes operations");
        parser->at += 2;
        if (operator_[0] == '&' && peek(parser, 0) == '&')
            return refuse(parser, "a class holds a reserved pair of characters");
        err = parse_operand(parser, &operand);
        if (err)
            return err;
        if (operator_[0] == '-')
            subtract(set, &operand.set);
        else
            intersect(set, &operand.set);
    }
    return MRC_OK;
}

/* Reads the end of a range whose first character is FIRST. */
static enum mrc_err parse_range(struct parser *parser, struct operand *first)
{
    struct operand last;
    enum mrc_err err;

    parser->at++;
    err = parse_operand(parser, &last);
    if (err)
        return err;
    if (!last.is_character || last.cp < first->cp)
        return refuse(parser, "a range in a class is out of order");
    add_range(&first->set, first->cp, last.cp);
    if (parser->ignores_case)
        fold(&first->set);
    return MRC_OK;
}

/* Reads the content of the brackets: a union, or operands of one operation. */
static enum mrc_err parse_contents(struct parser *parser, struct mrc_urlpattern_set *set)
{
    bool is_first = true;

    for (; peek(parser, 0) != ']'; is_first = false) {
        struct operand operand;
        enum mrc_err err = parse_operand(parser, &operand);

        if (err)
            return err;
        if (is_at(parser, "--") || is_at(parser, "&&")) {
            if (!is_first)
                return refuse(parser, "a class mixes operations");
            *set = operand.set;
            return parse_set_operation(parser, is_at(parser, "--") ? "--" : "&&", set);
        }
        if (operand.is_character && peek(parser, 0) == '-') {
            err = parse_range(parser, &operand);
            if (err)
                return err;
        }
        add(set, &operand.set);
    }
    return MRC_OK;
}

/* Parses a class with its brackets. Recursive for nested classes, up to the allowed depth. */
static enum mrc_err parse_class(struct parser *parser, struct mrc_urlpattern_set *ret_set)
{
    struct mrc_urlpattern_set set = {.may_hold_strings = false};
    bool is_negated;
    enum mrc_err err;

    if (parser->depth_left-- == 0)
        return mrc_error_set(parser->error, MRC_ELIMIT, "character classes are nested too deeply");
    parser->at++;
    is_negated = peek(parser, 0) == '^';
    if (is_negated)
        parser->at++;
    err = parse_contents(parser, &set);
    if (err)
        return err;
    parser->at++;
    parser->depth_left++;
    if (is_negated && set.may_hold_strings)
        return refuse(parser, "a negated class holds strings");
    if (is_negated)
        complement(&set, parser->ignores_case);
    *ret_set = set;
    return MRC_OK;
}

/* ---- writing ----------------------------------------------------------------------------------*/

static bool holds(const struct mrc_urlpattern_set *set, unsigned c)
{
    return c < 128 && (set->bits[c / 64] >> c % 64 & 1);
}

/* Appends the characters of SET as a class of PCRE2. */
static void write_characters(struct mrc_urlpattern_set set, bool ignores_case, struct mrc_buf *out)
{
    if (ignores_case)
        set.bits[1] |= (set.bits[1] & LOWER) >> 32;
    if (!set.bits[0] && !set.bits[1]) {
        mrc_buf_add_str(out, "[^\\x00-\\xff]"); /* matches nothing */
        return;
    }
    mrc_buf_add_char(out, '[');
    for (unsigned c = 0; c < 128; c++) {
        unsigned last = c;

        if (!holds(&set, c))
            continue;
        while (holds(&set, last + 1))
            last++;
        mrc_buf_printf(out, c == last ? "\\x%02x" : "\\x%02x-\\x%02x", c, last);
        c = last;
    }
    mrc_buf_add_char(out, ']');
}

/* Appends the strings of SET that have LEN characters, each followed by a bar. */
static void write_strings(const struct parser *parser, const struct mrc_urlpattern_set *set,
                          size_t len, struct mrc_buf *out)
{
    for (size_t i = 0; i < parser->strings.count; i++) {
        struct mrc_bytes string = string_of(&parser->strings, i);

        if (string.len != len || !(set->strings[i / 64] >> i % 64 & 1))
            continue;
        for (size_t k = 0; k < string.len; k++)
            write_characters(set_of(parser, (unsigned char)string.ptr[k]), parser->ignores_case,
                             out);
        mrc_buf_add_char(out, '|');
    }
}

/* The length of the longest string of a class. */
static size_t longest(const struct strings *strings)
{
    size_t len = 0;

    for (size_t i = 0; i < strings->count; i++)
        len = strings->all[i].len > len ? strings->all[i].len : len;
    return len;
}

/* Appends SET: its strings and its characters are alternatives, the longest ones first. */
static void write(const struct parser *parser, const struct mrc_urlpattern_set *set,
                  struct mrc_buf *out)
{
    if (!set->strings[0] && !set->strings[1]) {
        write_characters(*set, parser->ignores_case, out);
        return;
    }
    mrc_buf_add_str(out, "(?:");
    for (size_t len = longest(&parser->strings); len > 1; len--)
        write_strings(parser, set, len, out);
    write_characters(*set, parser->ignores_case, out);
    mrc_buf_add_char(out, '|');
    write_strings(parser, set, 0, out);
    mrc_buf_add_str(out, "[^\\x00-\\xff])");
}

/* Parses a class, an escape for a set, or a character outside a class. */
static enum mrc_err parse_atom(struct parser *parser, struct mrc_urlpattern_set *ret_set)
{
    struct mrc_bytes escape = {parser->in.ptr + 1, parser->in.len - 1};
    uint32_t cp = (unsigned char)parser->in.ptr[0];
    size_t len = 0;

    if (cp == '[')
        return parse_class(parser, ret_set);
    if (cp == '\\') {
        if (escape.len && (escape.ptr[0] | 0x20) == 'p')
            return parse_property(parser, ret_set);
        parser->at = 2;
        if (escape.len && find_letter(escape.ptr[0], parser->ignores_case, ret_set))
            return MRC_OK;
        len = mrc_urlpattern_class_read_escape(escape, false, &cp);
        if (!len)
            return mrc_error_set(
                parser->error, MRC_EINVAL,
                "not a supported regular expression: an escape that ECMAScript "
                "does not have (\\%c)",
                escape.len && escape.ptr[0] >= ' ' && escape.ptr[0] < 0x7F ? escape.ptr[0] : '?');
    }
    parser->at = 1 + len;
    *ret_set = set_of(parser, cp);
    return MRC_OK;
}

enum mrc_err mrc_urlpattern_class_translate(struct mrc_bytes source, bool ignores_case,
                                            int max_depth, struct mrc_error *error,
                                            struct mrc_buf *out, size_t *ret_len,
                                            size_t *ret_strings)
{
    struct parser parser = {
        .in = source, .depth_left = max_depth, .ignores_case = ignores_case, .error = error};
    struct mrc_urlpattern_set set;
    enum mrc_err err;

    mrc_buf_init(&parser.strings.text, source.len);
    err = parse_atom(&parser, &set);
    if (!err) {
        write(&parser, &set, out);
        *ret_len = parser.at;
        *ret_strings = parser.strings.count;
    }
    mrc_buf_free(&parser.strings.text);
    return err;
}
