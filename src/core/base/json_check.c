#include "core/base/json_check.h"

#include <stdint.h>
#include <stdlib.h>

#include "core/base/buf.h"
#include "core/base/json_scan.h"
#include "core/base/siphash.h"

/* Integers that Jansson accepts have fewer characters than this. */
#define WHOLE_MAX_CHARS 32

/* The order of strings and numbers does not matter: only characters can be missing. */
enum kind { STRING = 1, WHOLE, REAL };

static void add(uint64_t *sum, enum kind kind, struct mrc_bytes bytes)
{
    const uint64_t key[2] = {(uint64_t)kind, 0};

    *sum += mrc_siphash(key, bytes);
}

static void add_whole(uint64_t *sum, json_int_t whole)
{
    add(sum, WHOLE, (struct mrc_bytes){(const char *)&whole, sizeof(whole)});
}

static void add_real(uint64_t *sum, double real)
{
    add(sum, REAL, (struct mrc_bytes){(const char *)&real, sizeof(real)});
}

/* ---- the value --------------------------------------------------------------------------------*/

static void add_value(uint64_t *sum, const json_t *value)
{
    const char *name;
    json_t *member;
    size_t i;

    json_object_foreach((json_t *)(uintptr_t)value, name, member)
    {
        add(sum, STRING, mrc_bytes_of(name));
        add_value(sum, member);
    }
    json_array_foreach(value, i, member)
    {
        add_value(sum, member);
    }
    if (json_is_string(value))
        add(sum, STRING, (struct mrc_bytes){json_string_value(value), json_string_length(value)});
    else if (json_is_integer(value))
        add_whole(sum, json_integer_value(value));
    else if (json_is_real(value))
        add_real(sum, json_real_value(value));
}

/* ---- the text ---------------------------------------------------------------------------------*/

/*
 * Adds the string at the front of REST and returns its length with its quotes; 0: it has an escape,
 * and is not added.
 */
static size_t add_plain(uint64_t *sum, struct mrc_bytes rest)
{
    const char *content = rest.ptr + 1, *end = memchr(content, '"', rest.len - 1);
    size_t len = end ? (size_t)(end - content) : 0;

    if (!end || memchr(content, '\\', len))
        return 0;
    add(sum, STRING, (struct mrc_bytes){content, len});
    return len + 2;
}

/* BUF is scratch. */
static enum mrc_err add_string(uint64_t *sum, struct mrc_json_scan *scan, struct mrc_buf *buf)
{
    struct mrc_bytes content;

    mrc_buf_reset(buf);
    if (mrc_json_scan_string(scan, &content) || mrc_json_scan_add_text(buf, content, NULL))
        return MRC_ENOMEM;
    add(sum, STRING, mrc_buf_bytes(buf));
    return MRC_OK;
}

static enum mrc_err add_number(uint64_t *sum, struct mrc_bytes number, bool is_whole)
{
    char digits[WHOLE_MAX_CHARS];
    json_t *real;

    if (is_whole && number.len < sizeof(digits)) {
        memcpy(digits, number.ptr, number.len);
        digits[number.len] = '\0';
        add_whole(sum, strtoll(digits, NULL, 10));
        return MRC_OK;
    }
    /* Jansson converts the text, because strtod() depends on the locale. */
    real = json_loadb(number.ptr, number.len, JSON_DECODE_ANY, NULL);
    if (!real)
        return MRC_ENOMEM;
    add_real(sum, json_real_value(real));
    json_decref(real);
    return MRC_OK;
}

static enum mrc_err add_next(uint64_t *sum, struct mrc_json_scan *scan, struct mrc_buf *buf)
{
    struct mrc_bytes rest = {scan->text.ptr + scan->at, scan->text.len - scan->at};
    size_t len = rest.ptr[0] == '"' ? add_plain(sum, rest) : 0;
    bool is_whole;

    scan->at += len;
    if (rest.ptr[0] == '"')
        return len ? MRC_OK : add_string(sum, scan, buf);
    len = mrc_json_scan_number(rest, &is_whole);
    scan->at += len ? len : 1;
    return len ? add_number(sum, (struct mrc_bytes){rest.ptr, len}, is_whole) : MRC_OK;
}

static enum mrc_err add_text(uint64_t *sum, struct mrc_bytes text)
{
    enum mrc_err err = MRC_OK;
    struct mrc_json_scan scan;
    struct mrc_buf buf;

    mrc_buf_init(&buf, SIZE_MAX);
    mrc_json_scan_begin(text, NULL, &scan);
    while (!err && mrc_json_scan_peek(&scan))
        err = add_next(sum, &scan, &buf);
    mrc_json_scan_end(&scan);
    mrc_buf_free(&buf);
    return err;
}

enum mrc_err mrc_json_check(struct mrc_bytes text, const json_t *value)
{
    uint64_t is = 0, should = 0;

    add_value(&is, value);
    return add_text(&should, text) || is != should ? MRC_ENOMEM : MRC_OK;
}
