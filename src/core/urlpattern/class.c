#include "core/urlpattern/class.h"

#include "core/base/percent.h"

#define MAX_CP 0x10FFFFu

static void add_range(struct mrc_urlpattern_class *set, uint32_t first, uint32_t last)
{
    for (uint32_t c = first; c <= last && c < 128; c++)
        set->bits[c / 64] |= (uint64_t)1 << c % 64;
}

static void complement(struct mrc_urlpattern_class *set)
{
    set->bits[0] = ~set->bits[0];
    set->bits[1] = ~set->bits[1];
}

bool mrc_urlpattern_class_of_letter(char letter, struct mrc_urlpattern_class *ret_class)
{
    struct mrc_urlpattern_class set = {{0, 0}};

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
    if (letter >= 'A' && letter <= 'Z')
        complement(&set);
    else if (letter < 'a')
        return false;
    *ret_class = set;
    return true;
}

/* ---- escapes -----------------------------------------------------------------------------------
 */

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

/* ---- classes -----------------------------------------------------------------------------------
 */

struct parser {
    struct mrc_bytes in;
    size_t at;
    int depth_left;
    struct mrc_error *error;
};

/* An operand in a class: a set, or a single character, which may be an end of a range. */
struct operand {
    struct mrc_urlpattern_class set;
    bool is_character;
    uint32_t cp;
};

static enum mrc_err parse_class(struct parser *parser, struct mrc_urlpattern_class *ret_class);

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

static enum mrc_err parse_escape_operand(struct parser *parser, struct operand *ret_operand)
{
    struct mrc_bytes rest = {parser->in.ptr + parser->at + 1, parser->in.len - parser->at - 1};
    struct operand operand = {.is_character = false};
    size_t len;

    if (!rest.len)
        return refuse(parser, "a class is not closed");
    if (memchr("pP", rest.ptr[0], 2))
        return refuse(parser, "a Unicode property (\\p)");
    if (rest.ptr[0] == 'q')
        return refuse(parser, "strings in a class (\\q)");
    if (mrc_urlpattern_class_of_letter(rest.ptr[0], &operand.set)) {
        parser->at += 2;
    } else {
        len = mrc_urlpattern_class_read_escape(rest, true, &operand.cp);
        if (!len)
            return refuse(parser, "a class holds an unknown escape");
        operand.is_character = true;
        add_range(&operand.set, operand.cp, operand.cp);
        parser->at += 1 + len;
    }
    *ret_operand = operand;
    return MRC_OK;
}

static enum mrc_err parse_operand(struct parser *parser, struct operand *ret_operand)
{
    struct operand operand = {.is_character = true};
    int c = peek(parser, 0);

    if (c < 0)
        return refuse(parser, "a class is not closed");
    if (c == '[') {
        operand.is_character = false;
        *ret_operand = operand;
        return parse_class(parser, &ret_operand->set);
    }
    if (c == '\\')
        return parse_escape_operand(parser, ret_operand);
    if (memchr("()]{}/-|", c, 8))
        return refuse(parser, "a character in a class needs a backslash");
    if (c == peek(parser, 1) && memchr("&!#$%*+,.:;<=>?@^`~", c, 19))
        return refuse(parser, "a class holds a reserved pair of characters");
    operand.cp = (uint32_t)c;
    add_range(&operand.set, operand.cp, operand.cp);
    parser->at++;
    *ret_operand = operand;
    return MRC_OK;
}

/* Reads the operands behind the first one, each with OPERATOR (`--` or `&&`) before it. */
static enum mrc_err parse_set_operation(struct parser *parser, const char *operator_,
                                        struct mrc_urlpattern_class *set)
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
        for (int i = 0; i < 2; i++)
            set->bits[i] &= operator_[0] == '-' ? ~operand.set.bits[i] : operand.set.bits[i];
    }
    return MRC_OK;
}

/* Reads the content of the brackets: a union, or operands of one operation. */
static enum mrc_err parse_contents(struct parser *parser, struct mrc_urlpattern_class *set)
{
    bool is_first = true;

    for (; peek(parser, 0) != ']'; is_first = false) {
        struct operand operand, last;
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
            parser->at++;
            err = parse_operand(parser, &last);
            if (err)
                return err;
            if (!last.is_character || last.cp < operand.cp)
                return refuse(parser, "a range in a class is out of order");
            add_range(&operand.set, operand.cp, last.cp);
        }
        set->bits[0] |= operand.set.bits[0];
        set->bits[1] |= operand.set.bits[1];
    }
    return MRC_OK;
}

/* Parses a class with its brackets. Recursive for nested classes, up to the allowed depth. */
static enum mrc_err parse_class(struct parser *parser, struct mrc_urlpattern_class *ret_class)
{
    struct mrc_urlpattern_class set = {{0, 0}};
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
    if (is_negated)
        complement(&set);
    *ret_class = set;
    return MRC_OK;
}

enum mrc_err mrc_urlpattern_class_parse(struct mrc_bytes source, int max_depth,
                                        struct mrc_error *error,
                                        struct mrc_urlpattern_class *ret_class, size_t *ret_len)
{
    struct parser parser = {.in = source, .depth_left = max_depth, .error = error};
    enum mrc_err err = parse_class(&parser, ret_class);

    if (!err)
        *ret_len = parser.at;
    return err;
}

static bool holds(const struct mrc_urlpattern_class *set, unsigned c)
{
    return c < 128 && (set->bits[c / 64] >> c % 64 & 1);
}

void mrc_urlpattern_class_write(const struct mrc_urlpattern_class *set, struct mrc_buf *out)
{
    if (!set->bits[0] && !set->bits[1]) {
        mrc_buf_add_str(out, "[^\\x00-\\xff]"); /* matches nothing */
        return;
    }
    mrc_buf_add_char(out, '[');
    for (unsigned c = 0; c < 128; c++) {
        unsigned last = c;

        if (!holds(set, c))
            continue;
        while (holds(set, last + 1))
            last++;
        mrc_buf_printf(out, "\\x%02x-\\x%02x", c, last);
        c = last;
    }
    mrc_buf_add_char(out, ']');
}
