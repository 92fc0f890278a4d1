#include "core/base/utf8.h"

#include <string.h>

#include "core/base/utf8_cf.h"

size_t mrc_utf8_decode(struct mrc_bytes in, uint32_t *ret_cp, bool *ret_valid)
{
    unsigned char lead = (unsigned char)in.ptr[0];
    unsigned char low = 0x80, high = 0xBF; /* the range of the second byte */
    uint32_t cp;
    size_t need, seen;

    if (ret_valid)
        *ret_valid = true;
    if (lead < 0x80) {
        *ret_cp = lead;
        return 1;
    }
    if (lead >= 0xC2 && lead <= 0xDF) {
        need = 1;
        cp = lead & 0x1Fu;
    } else if (lead >= 0xE0 && lead <= 0xEF) {
        need = 2;
        cp = lead & 0x0Fu;
        low = lead == 0xE0 ? 0xA0 : low;
        high = lead == 0xED ? 0x9F : high;
    } else if (lead >= 0xF0 && lead <= 0xF4) {
        need = 3;
        cp = lead & 0x07u;
        low = lead == 0xF0 ? 0x90 : low;
        high = lead == 0xF4 ? 0x8F : high;
    } else {
        need = 0;
        cp = 0;
    }
    for (seen = 0; seen < need && seen + 1 < in.len; seen++) {
        unsigned char next = (unsigned char)in.ptr[seen + 1];

        if (next < low || next > high)
            break;
        low = 0x80;
        high = 0xBF;
        cp = cp << 6 | (next & 0x3Fu);
    }
    if (!need || seen < need) {
        if (ret_valid)
            *ret_valid = false;
        cp = MRC_UTF8_REPLACEMENT;
    }
    *ret_cp = cp;
    return seen + 1;
}

/* The top bit of each byte of a word. It is set where the byte is not ASCII. */
#define HIGH_BITS UINT64_C(0x8080808080808080)

/* The length of the ASCII text at the front of IN, in whole words. */
static size_t ascii_words(struct mrc_bytes in)
{
    size_t len = 0;
    uint64_t word;

    for (; in.len - len >= sizeof(word); len += sizeof(word)) {
        memcpy(&word, in.ptr + len, sizeof(word));
        if (word & HIGH_BITS)
            break;
    }
    return len;
}

bool mrc_utf8_valid(struct mrc_bytes in)
{
    while (in.len) {
        size_t len = ascii_words(in);
        bool valid = true;
        uint32_t cp;

        if (len == 0)
            len = mrc_utf8_decode(in, &cp, &valid);
        if (!valid)
            return false;
        in.ptr += len;
        in.len -= len;
    }
    return true;
}

void mrc_utf8_add(struct mrc_buf *buf, uint32_t cp)
{
    char out[4];
    size_t len;

    if (cp < 0x80) {
        out[0] = (char)cp;
        len = 1;
    } else if (cp < 0x800) {
        out[0] = (char)(0xC0 | cp >> 6);
        out[1] = (char)(0x80 | (cp & 0x3F));
        len = 2;
    } else if (cp < 0x10000) {
        out[0] = (char)(0xE0 | cp >> 12);
        out[1] = (char)(0x80 | (cp >> 6 & 0x3F));
        out[2] = (char)(0x80 | (cp & 0x3F));
        len = 3;
    } else {
        out[0] = (char)(0xF0 | cp >> 18);
        out[1] = (char)(0x80 | (cp >> 12 & 0x3F));
        out[2] = (char)(0x80 | (cp >> 6 & 0x3F));
        out[3] = (char)(0x80 | (cp & 0x3F));
        len = 4;
    }
    mrc_buf_add(buf, out, len);
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

static bool is_control(uint32_t code_point)
{
    return code_point < 0x20 || (code_point >= 0x7f && code_point <= 0x9f);
}

bool mrc_utf8_is_printable(uint32_t code_point)
{
    return !is_control(code_point) && !mrc_utf8_is_format(code_point);
}

enum mrc_err mrc_utf8_check_text(struct mrc_bytes text, struct mrc_error *error)
{
    size_t position = 0;

    while (position < text.len) {
        struct mrc_bytes rest = {text.ptr + position, text.len - position};
        uint32_t code_point;
        bool valid;
        size_t len;

        if (*rest.ptr >= ' ' && *rest.ptr <= '~') { /* nearly all text */
            position++;
            continue;
        }
        len = mrc_utf8_decode(rest, &code_point, &valid);
        if (!valid)
            return mrc_error_set(error, MRC_EINVAL, "invalid UTF-8 at byte %zu", position);
        if (is_control(code_point))
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
