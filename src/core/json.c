#include "core/json.h"

/* The parser calls itself for each level: the depth is counted before it sees the text. */
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

/* What the parser complains about, without its own words, which quote the input. */
static const char *complaint(const json_error_t *parsed)
{
    switch (json_error_code(parsed)) {
    case json_error_duplicate_key:
        return "a member stands there twice";
    case json_error_invalid_utf8:
        return "invalid UTF-8";
    case json_error_null_character:
    case json_error_null_byte_in_key:
        return "a NUL character";
    case json_error_numeric_overflow:
        return "a number that is too large";
    case json_error_end_of_input_expected:
        return "something follows the value";
    case json_error_premature_end_of_input:
        return "it ends too early";
    default:
        return "a syntax error";
    }
}

enum mrc_err mrc_json_parse_object(struct mrc_bytes text, struct mrc_error *error,
                                   json_t **ret_object)
{
    json_error_t parsed;
    json_t *value;

    if (too_deep(text))
        return mrc_error_set(error, MRC_ELIMIT, "JSON deeper than %d levels", MRC_JSON_MAX_DEPTH);
    value = json_loadb(text.ptr, text.len, JSON_REJECT_DUPLICATES, &parsed);
    if (!value) {
        if (json_error_code(&parsed) == json_error_out_of_memory)
            return MRC_ENOMEM;
        return mrc_error_set(error, MRC_EINVAL, "no valid JSON at byte %d: %s", parsed.position,
                             complaint(&parsed));
    }
    if (!json_is_object(value)) {
        json_decref(value);
        return mrc_error_set(error, MRC_EINVAL, "JSON, but no object");
    }
    *ret_object = value;
    return MRC_OK;
}

enum mrc_err mrc_json_print(const json_t *value, char **ret_text)
{
    /* 15 digits are the nicer spelling of most numbers, 17 are enough for all. */
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
    size_t plain = 0; /* where the run of bytes that stay as they are begins */

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
