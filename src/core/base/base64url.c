#include "core/base/base64url.h"

#include <stdint.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

void mrc_base64url_encode(struct mrc_bytes bytes, struct mrc_buf *buf)
{
    const unsigned char *in = (const unsigned char *)bytes.ptr;
    char *out = mrc_buf_extend(buf, mrc_base64url_encoded_len(bytes.len));
    size_t left = bytes.len;

    if (!out)
        return;
    for (; left >= 3; left -= 3, in += 3) {
        uint32_t word = (uint32_t)in[0] << 16 | (uint32_t)in[1] << 8 | in[2];

        *out++ = alphabet[word >> 18];
        *out++ = alphabet[word >> 12 & 63];
        *out++ = alphabet[word >> 6 & 63];
        *out++ = alphabet[word & 63];
    }
    if (left) {
        uint32_t word = (uint32_t)in[0] << 16 | (left == 2 ? (uint32_t)in[1] << 8 : 0);

        *out++ = alphabet[word >> 18];
        *out++ = alphabet[word >> 12 & 63];
        if (left == 2)
            *out++ = alphabet[word >> 6 & 63];
    }
}

/* The value of one character, or -1. */
static int value_of(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '-' ? 62 : c == '_' ? 63 : -1;
}

static bool is_valid(struct mrc_bytes text)
{
    if (text.len % 4 == 1)
        return false;
    for (size_t i = 0; i < text.len; i++)
        if (value_of(text.ptr[i]) < 0)
            return false;
    if (text.len % 4 == 2)
        return (value_of(text.ptr[text.len - 1]) & 15) == 0;
    if (text.len % 4 == 3)
        return (value_of(text.ptr[text.len - 1]) & 3) == 0;
    return true;
}

enum mrc_err mrc_base64url_decode(struct mrc_bytes text, struct mrc_buf *buf)
{
    uint32_t word = 0;
    int bits = 0;
    char *out;

    if (!is_valid(text))
        return MRC_EINVAL;
    out = mrc_buf_extend(buf, text.len / 4 * 3 + (text.len % 4 ? text.len % 4 - 1 : 0));
    if (!out)
        return mrc_buf_error(buf);
    for (size_t i = 0; i < text.len; i++) {
        word = word << 6 | (uint32_t)value_of(text.ptr[i]);
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            *out++ = (char)(word >> bits & 255);
        }
    }
    return MRC_OK;
}
