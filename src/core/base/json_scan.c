#include "core/base/json_scan.h"

#include <stdint.h>

#include "core/base/percent.h"
#include "core/base/utf8.h"

void mrc_json_scan_begin(struct mrc_bytes text, struct mrc_error *error,
                         struct mrc_json_scan *ret_scan)
{
    *ret_scan = (struct mrc_json_scan){.text = text, .error = error};
    mrc_buf_init(&ret_scan->open, text.len);
}

void mrc_json_scan_end(struct mrc_json_scan *scan)
{
    mrc_buf_free(&scan->open);
}

char mrc_json_scan_peek(struct mrc_json_scan *scan)
{
    while (scan->at < scan->text.len && memchr(" \t\r\n", scan->text.ptr[scan->at], 4))
        scan->at++;
    return scan->at < scan->text.len ? scan->text.ptr[scan->at] : '\0';
}

bool mrc_json_scan_take(struct mrc_json_scan *scan, char c)
{
    if (mrc_json_scan_peek(scan) != c || scan->at == scan->text.len)
        return false;
    scan->at++;
    return true;
}

enum mrc_err mrc_json_scan_refuse(struct mrc_json_scan *scan)
{
    return mrc_error_set(scan->error, MRC_EINVAL, "not valid JSON: %s at byte %zu",
                         scan->at < scan->text.len ? "a syntax error" : "an unexpected end",
                         scan->at);
}

/* ---- strings ----------------------------------------------------------------------------------*/

/* Reads the four digits after `\u`. False: there are fewer. */
static bool read_hex(struct mrc_bytes digits, uint32_t *ret_unit)
{
    uint32_t unit = 0;

    for (size_t i = 0; i < 4; i++) {
        int digit = i < digits.len ? mrc_percent_hex_value((unsigned char)digits.ptr[i]) : -1;

        if (digit < 0)
            return false;
        unit = unit << 4 | (uint32_t)digit;
    }
    *ret_unit = unit;
    return true;
}

/*
 * The length of the escape at the front of TEXT, which begins with a backslash; 0: there is none.
 */
static size_t measure_escape(struct mrc_bytes text)
{
    struct mrc_bytes digits = {text.ptr + 2, text.len - 2};
    uint32_t unit;

    if (text.len < 2)
        return 0;
    if (text.ptr[1] == 'u')
        return read_hex(digits, &unit) ? 6 : 0;
    return memchr("\"\\/bfnrt", text.ptr[1], 8) ? 2 : 0;
}

enum mrc_err mrc_json_scan_string(struct mrc_json_scan *scan, struct mrc_bytes *ret_content)
{
    size_t start;

    if (!mrc_json_scan_take(scan, '"'))
        return mrc_json_scan_refuse(scan);
    start = scan->at;
    while (scan->at < scan->text.len && scan->text.ptr[scan->at] != '"') {
        struct mrc_bytes rest = {scan->text.ptr + scan->at, scan->text.len - scan->at};
        size_t len = rest.ptr[0] == '\\' ? measure_escape(rest) : (unsigned char)rest.ptr[0] >= ' ';

        if (!len)
            return mrc_json_scan_refuse(scan);
        scan->at += len;
    }
    if (scan->at == scan->text.len)
        return mrc_json_scan_refuse(scan);
    *ret_content = (struct mrc_bytes){scan->text.ptr + start, scan->at - start};
    scan->at++;
    return MRC_OK;
}

/* Takes the next UTF-16 code unit of CONTENT, or the next byte of a character beyond ASCII. */
static uint32_t next_unit(struct mrc_bytes *content)
{
    static const char letters[] = "bfnrt", controls[] = "\b\f\n\r\t";
    uint32_t unit = (unsigned char)content->ptr[0];
    size_t len = 1;

    if (unit == '\\') {
        const char *letter = memchr(letters, content->ptr[1], sizeof(letters) - 1);

        len = measure_escape(*content);
        unit = (unsigned char)content->ptr[1];
        if (letter)
            unit = (unsigned char)controls[letter - letters];
        else if (unit == 'u')
            read_hex((struct mrc_bytes){content->ptr + 2, 4}, &unit);
    }
    *content = (struct mrc_bytes){content->ptr + len, content->len - len};
    return unit;
}

bool mrc_json_scan_equals(struct mrc_bytes content, const char *str)
{
    while (content.len && *str && next_unit(&content) == (unsigned char)*str)
        str++;
    return !content.len && !*str;
}

bool mrc_json_scan_is_text(struct mrc_bytes content)
{
    while (content.len) {
        uint32_t unit = next_unit(&content);

        if (unit >= 0xD800 && unit <= 0xDBFF && content.len)
            unit = (next_unit(&content) & ~0x3FFu) == 0xDC00 ? ' ' : 0;
        if (!unit || (unit >= 0xD800 && unit <= 0xDFFF))
            return false;
    }
    return true;
}

/* Adds the character of the escape at the front of CONTENT. False: it is half of a pair. */
static bool add_escape(struct mrc_buf *buf, struct mrc_bytes *content)
{
    uint32_t unit = next_unit(content), low;

    if (unit >= 0xDC00 && unit <= 0xDFFF)
        return false;
    if (unit >= 0xD800 && unit <= 0xDBFF) {
        if (!content->len || content->ptr[0] != '\\')
            return false;
        low = next_unit(content);
        if (low < 0xDC00 || low > 0xDFFF)
            return false;
        unit = 0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00);
    }
    mrc_utf8_add(buf, unit);
    return true;
}

enum mrc_err mrc_json_scan_add_text(struct mrc_buf *buf, struct mrc_bytes content,
                                    struct mrc_error *error)
{
    while (content.len) {
        const char *escape = memchr(content.ptr, '\\', content.len);
        size_t plain = escape ? (size_t)(escape - content.ptr) : content.len;

        mrc_buf_add(buf, content.ptr, plain);
        content = (struct mrc_bytes){content.ptr + plain, content.len - plain};
        if (content.len && !add_escape(buf, &content))
            return mrc_error_set(error, MRC_EINVAL, "not valid JSON: half of a surrogate pair");
    }
    return mrc_buf_error(buf);
}

/* ---- numbers ----------------------------------------------------------------------------------*/

static size_t count_digits(struct mrc_bytes text, size_t at)
{
    size_t end = at;

    while (end < text.len && text.ptr[end] >= '0' && text.ptr[end] <= '9')
        end++;
    return end - at;
}

size_t mrc_json_scan_number(struct mrc_bytes text, bool *ret_whole)
{
    size_t at = text.len && text.ptr[0] == '-' ? 1 : 0, digits, sign;

    if (at >= text.len || text.ptr[at] < '0' || text.ptr[at] > '9')
        return 0;
    at += text.ptr[at] == '0' ? 1 : count_digits(text, at);
    *ret_whole = true;
    if (at < text.len && text.ptr[at] == '.' && (digits = count_digits(text, at + 1))) {
        at += 1 + digits;
        *ret_whole = false;
    }
    if (at < text.len && (text.ptr[at] == 'e' || text.ptr[at] == 'E')) {
        sign = at + 1 < text.len && (text.ptr[at + 1] == '+' || text.ptr[at + 1] == '-');
        digits = count_digits(text, at + 1 + sign);
        if (digits) {
            at += 1 + sign + digits;
            *ret_whole = false;
        }
    }
    return at;
}

/* ---- values -----------------------------------------------------------------------------------*/

/* Reads a string, a number or a literal. */
static enum mrc_err read_scalar(struct mrc_json_scan *scan)
{
    static const char *const literals[] = {"null", "true", "false"};
    char c = mrc_json_scan_peek(scan);
    struct mrc_bytes rest = {scan->text.ptr + scan->at, scan->text.len - scan->at}, unused;
    bool whole;
    size_t len;

    if (c == '"')
        return mrc_json_scan_string(scan, &unused);
    len = mrc_json_scan_number(rest, &whole);
    for (size_t i = 0; i < 3 && !len; i++)
        if (mrc_bytes_starts_with(rest, mrc_bytes_of(literals[i])))
            len = strlen(literals[i]);
    if (!len)
        return mrc_json_scan_refuse(scan);
    scan->at += len;
    return MRC_OK;
}

/* Reads the name of a member and its colon. */
static enum mrc_err read_name(struct mrc_json_scan *scan)
{
    struct mrc_bytes unused;
    enum mrc_err err = mrc_json_scan_string(scan, &unused);

    if (err)
        return err;
    return mrc_json_scan_take(scan, ':') ? MRC_OK : mrc_json_scan_refuse(scan);
}

/* Reads the bracket that opens an array or an object, and everything before its first value. */
static enum mrc_err read_open(struct mrc_json_scan *scan, bool *ret_is_empty)
{
    bool is_object = scan->text.ptr[scan->at] == '{';

    scan->at++;
    *ret_is_empty = mrc_json_scan_take(scan, is_object ? '}' : ']');
    if (*ret_is_empty)
        return MRC_OK;
    mrc_buf_add_char(&scan->open, is_object ? '}' : ']');
    if (mrc_buf_error(&scan->open))
        return mrc_buf_error(&scan->open);
    return is_object ? read_name(scan) : MRC_OK;
}

/* Reads what follows a value: brackets that close, and the comma before the next value. */
static enum mrc_err read_close(struct mrc_json_scan *scan)
{
    while (scan->open.len) {
        char end = scan->open.ptr[scan->open.len - 1];

        if (mrc_json_scan_take(scan, ','))
            return end == '}' ? read_name(scan) : MRC_OK;
        if (!mrc_json_scan_take(scan, end))
            return mrc_json_scan_refuse(scan);
        scan->open.len--;
    }
    return MRC_OK;
}

enum mrc_err mrc_json_scan_value(struct mrc_json_scan *scan, struct mrc_bytes *ret_value)
{
    enum mrc_err err = MRC_OK;
    size_t start;

    mrc_json_scan_peek(scan);
    start = scan->at;
    mrc_buf_reset(&scan->open);
    do {
        char c = mrc_json_scan_peek(scan);
        bool is_complete = true;

        if (c == '{' || c == '[')
            err = read_open(scan, &is_complete);
        else
            err = read_scalar(scan);
        if (!err && is_complete)
            err = read_close(scan);
    } while (!err && scan->open.len);
    if (!err)
        *ret_value = (struct mrc_bytes){scan->text.ptr + start, scan->at - start};
    return err;
}
