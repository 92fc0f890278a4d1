#include "core/base/json.h"

#include <stdint.h>

#include "core/base/json_check.h"
#include "core/base/json_scan.h"
#include "core/base/utf8.h"

/* The largest double, which replaces larger numbers. */
#define LARGEST "1.7976931348623157e308"

/* Integers of fewer characters fit into 64 bits. */
#define WHOLE_MIN_CHARS 19

/* A double holds any integer of this many characters, though not exactly. */
#define REAL_MAX_CHARS 308

/* The parser is recursive, so the depth is checked before it runs. */
static bool too_deep(struct mrc_bytes text)
{
    bool in_string = false;
    size_t depth = 0;

    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];

        if (in_string) {
            if (c == '\\')
                i++;
            else if (c == '"')
                in_string = false;
        } else if (c == '"') {
            in_string = true;
        } else if (c == '[' || c == '{') {
            if (++depth > MRC_JSON_MAX_DEPTH)
                return true;
        } else if ((c == ']' || c == '}') && depth) {
            depth--;
        }
    }
    return false;
}

/* The parser's complaint in other words, because its own words quote the input. */
static const char *complaint(const json_error_t *parsed)
{
    switch (json_error_code(parsed)) {
    case json_error_duplicate_key:
        return "a duplicate member";
    case json_error_invalid_utf8:
        return "invalid UTF-8";
    case json_error_null_character:
    case json_error_null_byte_in_key:
        return "a NUL character";
    case json_error_numeric_overflow:
        return "a number that is too large";
    case json_error_end_of_input_expected:
        return "text after the value";
    case json_error_premature_end_of_input:
        return "an unexpected end";
    default:
        return strncmp(parsed->text, "invalid Unicode", 15) ? "a syntax error"
                                                            : "half of a surrogate pair";
    }
}

static bool is_overflow(const json_error_t *parsed)
{
    return json_error_code(parsed) == json_error_numeric_overflow;
}

/* ---- a lack of memory -------------------------------------------------------------------------*/

/* Whether all strings in TEXT, which is valid JSON, are ones that the parser accepts. */
static bool has_good_strings(struct mrc_bytes text)
{
    struct mrc_json_scan scan;
    bool is_good = true;

    mrc_json_scan_begin(text, NULL, &scan);
    while (is_good && scan.at < text.len) {
        struct mrc_bytes content;

        if (text.ptr[scan.at] != '"')
            scan.at++;
        else
            is_good =
                mrc_json_scan_string(&scan, &content) == MRC_OK && mrc_json_scan_is_text(content);
    }
    mrc_json_scan_end(&scan);
    return is_good;
}

/* Whether TEXT is valid JSON for a parser with FLAGS; true if there is no memory to find out. */
static bool is_good(struct mrc_bytes text, size_t flags)
{
    enum mrc_err err = MRC_EINVAL;
    struct mrc_json_scan scan;
    struct mrc_bytes value;
    char first;

    if (!mrc_utf8_valid(text))
        return false;
    mrc_json_scan_begin(text, NULL, &scan);
    first = mrc_json_scan_peek(&scan);
    if (first == '{' || first == '[' || flags & JSON_DECODE_ANY)
        err = mrc_json_scan_value(&scan, &value);
    if (!err && (mrc_json_scan_peek(&scan) || scan.at < text.len))
        err = MRC_EINVAL;
    mrc_json_scan_end(&scan);
    return err ? err == MRC_ENOMEM : has_good_strings(text);
}

/* Jansson gives no reason where it has no memory for a value, and refuses what is left of a text
 * where it has none for some characters (json_check.h). */
static bool is_no_memory(const json_error_t *parsed, struct mrc_bytes text, size_t flags)
{
    return !parsed->text[0] || json_error_code(parsed) == json_error_out_of_memory ||
           (json_error_code(parsed) != json_error_duplicate_key && is_good(text, flags));
}

/* ---- numbers that are too large for the parser ------------------------------------------------*/

/* Also false without memory: then the parser refuses the number once more. */
static bool is_too_large(struct mrc_bytes number)
{
    json_error_t parsed;
    json_t *value = json_loadb(number.ptr, number.len, JSON_DECODE_ANY, &parsed);

    json_decref(value);
    return !value && is_overflow(&parsed);
}

/* Appends NUMBER: as a real number if 64 bits are too few, or as the largest one of its sign. */
static void add_number(struct mrc_buf *buf, struct mrc_bytes number, bool is_whole)
{
    size_t start = buf->len;

    mrc_buf_add_bytes(buf, number);
    if ((is_whole && number.len < WHOLE_MIN_CHARS) || !is_too_large(number))
        return;
    if (is_whole)
        mrc_buf_add_str(buf, ".0");
    /* Without memory, the parser may miss the point. */
    if (mrc_buf_error(buf) || (is_whole && number.len <= REAL_MAX_CHARS) ||
        !is_too_large((struct mrc_bytes){buf->ptr + start, buf->len - start}))
        return;
    buf->len = start;
    mrc_buf_add_str(buf, number.ptr[0] == '-' ? "-" LARGEST : LARGEST);
}

/* The length of the string at the front of TEXT, which may be cut off. */
static size_t measure_string(struct mrc_bytes text)
{
    size_t at = 1;

    while (at < text.len && text.ptr[at] != '"')
        at += text.ptr[at] == '\\' ? 2 : 1;
    return at < text.len ? at + 1 : text.len;
}

/* Copies TEXT with numbers that the parser accepts. Other mistakes stay in the copy. */
static void copy_with_numbers(struct mrc_bytes text, struct mrc_buf *buf)
{
    while (text.len) {
        bool is_whole = false;
        size_t len = mrc_json_scan_number(text, &is_whole);

        if (len) {
            add_number(buf, (struct mrc_bytes){text.ptr, len}, is_whole);
        } else {
            len = text.ptr[0] == '"' ? measure_string(text) : 1;
            mrc_buf_add(buf, text.ptr, len);
        }
        text = (struct mrc_bytes){text.ptr + len, text.len - len};
    }
}

/* ---- parsing ----------------------------------------------------------------------------------*/

/* Parses a copy of TEXT with other numbers. Positions in the copy mean nothing to the caller. */
static enum mrc_err parse_large(struct mrc_bytes text, size_t flags, struct mrc_error *error,
                                json_t **ret_value)
{
    json_error_t parsed = {.text = ""};
    struct mrc_buf buf;
    json_t *value = NULL;
    enum mrc_err err;

    mrc_buf_init(&buf, SIZE_MAX);
    copy_with_numbers(text, &buf);
    err = mrc_buf_error(&buf);
    if (!err)
        value = json_loadb(buf.ptr, buf.len, flags, &parsed);
    if (value)
        err = mrc_json_check(mrc_buf_bytes(&buf), value);
    else if (!err && is_no_memory(&parsed, mrc_buf_bytes(&buf), flags))
        err = MRC_ENOMEM;
    mrc_buf_free(&buf);
    if (err) {
        json_decref(value);
        return MRC_ENOMEM;
    }
    if (!value)
        return mrc_error_set(error, MRC_EINVAL, "not valid JSON: %s", complaint(&parsed));
    *ret_value = value;
    return MRC_OK;
}

/* HAS_PLACES: positions in TEXT mean something to the caller. */
static enum mrc_err parse(struct mrc_bytes text, size_t flags, bool has_places,
                          struct mrc_error *error, json_t **ret_value)
{
    json_error_t parsed = {.text = ""};
    json_t *value;

    if (too_deep(text))
        return mrc_error_set(error, MRC_ELIMIT, "JSON with more than %d levels",
                             MRC_JSON_MAX_DEPTH);
    if (text.len && memchr(text.ptr, '\0', text.len)) /* Jansson skips a NUL after a literal */
        return mrc_error_set(error, MRC_EINVAL, "not valid JSON: a NUL byte");
    value = json_loadb(text.ptr, text.len, JSON_REJECT_DUPLICATES | flags, &parsed);
    if (value && mrc_json_check(text, value)) {
        json_decref(value);
        return MRC_ENOMEM;
    }
    if (value) {
        *ret_value = value;
        return MRC_OK;
    }
    if (is_overflow(&parsed))
        return parse_large(text, JSON_REJECT_DUPLICATES | flags, error, ret_value);
    if (is_no_memory(&parsed, text, flags))
        return MRC_ENOMEM;
    if (!has_places)
        return mrc_error_set(error, MRC_EINVAL, "not valid JSON: %s", complaint(&parsed));
    return mrc_error_set(error, MRC_EINVAL, "not valid JSON: %s at byte %d", complaint(&parsed),
                         parsed.position);
}

enum mrc_err mrc_json_parse(struct mrc_bytes text, struct mrc_error *error, json_t **ret_value)
{
    return parse(text, JSON_DECODE_ANY, true, error, ret_value);
}

enum mrc_err mrc_json_parse_object(struct mrc_bytes text, struct mrc_error *error,
                                   json_t **ret_object)
{
    json_t *value;
    enum mrc_err err = parse(text, 0, true, error, &value);

    if (err)
        return err;
    if (!json_is_object(value)) {
        json_decref(value);
        return mrc_error_set(error, MRC_EINVAL, "JSON, but not an object");
    }
    *ret_object = value;
    return MRC_OK;
}

enum mrc_err mrc_json_parse_copy(struct mrc_bytes text, struct mrc_error *error,
                                 json_t **ret_object)
{
    return parse(text, 0, false, error, ret_object);
}

enum mrc_err mrc_json_print(const json_t *value, char **ret_text)
{
    /* 15 digits are enough for most numbers, 17 for all. */
    for (size_t digits = 15; digits <= 17; digits++) {
        char *text =
            json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT | JSON_REAL_PRECISION(digits));
        json_t *again = text ? json_loads(text, JSON_DECODE_ANY, NULL) : NULL;
        bool same = again && json_equal(again, value);

        json_decref(again);
        if (same || (digits == 17 && text)) {
            *ret_text = text;
            return MRC_OK;
        }
        free(text);
    }
    return MRC_ENOMEM;
}

void mrc_json_add_string(struct mrc_buf *buf, struct mrc_bytes text)
{
    size_t plain = 0; /* the beginning of the bytes that are copied as they are */

    mrc_buf_add_char(buf, '"');
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];

        if (c >= 0x20 && c != '"' && c != '\\')
            continue;
        mrc_buf_add(buf, text.ptr + plain, i - plain);
        plain = i + 1;
        if (c < 0x20)
            mrc_buf_printf(buf, "\\u%04x", c);
        else
            mrc_buf_printf(buf, "\\%c", c);
    }
    if (text.len > plain)
        mrc_buf_add(buf, text.ptr + plain, text.len - plain);
    mrc_buf_add_char(buf, '"');
}
