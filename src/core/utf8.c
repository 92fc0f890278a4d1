#include "core/utf8.h"

#include "core/utf8_cf.h"

/*
 * Takes one code point from the front of TEXT. 0 if what stands there is not UTF-8, otherwise the
 * number of bytes that it takes. TEXT is not empty.
 */
static size_t decode(struct mrc_bytes text, uint32_t *ret_code_point)
{
    const unsigned char *p = (const unsigned char *)text.ptr;
    unsigned char lowest = 0x80, highest = 0xbf; /* what the second byte may be */
    uint32_t code_point;
    size_t len;

    if (p[0] < 0x80) {
        *ret_code_point = p[0];
        return 1;
    }
    if (p[0] >= 0xc2 && p[0] <= 0xdf) {
        len = 2;
        code_point = p[0] & 0x1f;
    } else if (p[0] >= 0xe0 && p[0] <= 0xef) {
        len = 3;
        code_point = p[0] & 0x0f;
        if (p[0] == 0xe0)
            lowest = 0xa0; /* below: overlong */
        else if (p[0] == 0xed)
            highest = 0x9f; /* above: surrogates */
    } else if (p[0] >= 0xf0 && p[0] <= 0xf4) {
        len = 4;
        code_point = p[0] & 0x07;
        if (p[0] == 0xf0)
            lowest = 0x90; /* below: overlong */
        else if (p[0] == 0xf4)
            highest = 0x8f; /* above: past U+10FFFF */
    } else {
        return 0;
    }
    if (text.len < len || p[1] < lowest || p[1] > highest)
        return 0;
    code_point = code_point << 6 | (p[1] & 0x3f);
    for (size_t i = 2; i < len; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
        code_point = code_point << 6 | (p[i] & 0x3f);
    }
    *ret_code_point = code_point;
    return len;
}

bool mrc_utf8_valid(struct mrc_bytes text)
{
    while (text.len) {
        uint32_t code_point;
        size_t len = decode(text, &code_point);

        if (!len)
            return false;
        text.ptr += len;
        text.len -= len;
    }
    return true;
}

bool mrc_utf8_is_format(uint32_t code_point)
{
    size_t low = 0, high = MRC_UTF8_CF_RANGES;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (code_point < mrc_utf8_cf[middle].first)
            high = middle;
        else if (code_point > mrc_utf8_cf[middle].last)
            low = middle + 1;
        else
            return true;
    }
    return false;
}

enum mrc_err mrc_utf8_check_text(struct mrc_bytes text, struct mrc_error *error)
{
    size_t position = 0;

    while (position < text.len) {
        struct mrc_bytes rest = {text.ptr + position, text.len - position};
        uint32_t code_point;
        size_t len = decode(rest, &code_point);

        if (!len)
            return mrc_error_set(error, MRC_EINVAL, "invalid UTF-8 at byte %zu", position);
        if (code_point < 0x20 || (code_point >= 0x7f && code_point <= 0x9f))
            return mrc_error_set(error, MRC_EINVAL, "the control character U+%04X at byte %zu",
                                 (unsigned)code_point, position);
        if (code_point >= 0x80 && mrc_utf8_is_format(code_point))
            return mrc_error_set(error, MRC_EINVAL,
                                 "the invisible format character U+%04X at byte %zu",
                                 (unsigned)code_point, position);
        position += len;
    }
    return MRC_OK;
}
