#include "core/base/percent.h"

#include <string.h>

int mrc_percent_hex_value(unsigned char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* The first C of the bytes from AT to END, or END. */
static const char *find(const char *at, const char *end, char c)
{
    const char *found = at < end ? memchr(at, c, (size_t)(end - at)) : NULL;

    return found ? found : end;
}

/* The byte that the `%XX` at AT stands for; -1: there is no `%XX`. */
static int encoded_byte(const char *at, const char *end)
{
    int high = -1, low = -1;

    if (end - at > 2) {
        high = mrc_percent_hex_value((unsigned char)at[1]);
        low = mrc_percent_hex_value((unsigned char)at[2]);
    }
    return high < 0 || low < 0 ? -1 : high << 4 | low;
}

/* Most bytes stay as they are, so they are copied in runs between two special characters. */
size_t mrc_percent_decode(struct mrc_bytes in, bool plus_is_space, char *out)
{
    const char *at = in.ptr, *end = in.ptr + in.len;
    const char *percent = find(at, end, '%');
    const char *plus = plus_is_space ? find(at, end, '+') : end;
    char *to = out;

    while (at < end) {
        const char *next = percent < plus ? percent : plus;
        size_t run = (size_t)(next - at);
        int byte;

        memmove(to, at, run);
        to += run;
        at = next;
        if (at == end)
            break;
        if (at == plus) {
            *to++ = ' ';
            plus = find(++at, end, '+');
            continue;
        }
        byte = encoded_byte(at, end);
        *to++ = byte < 0 ? '%' : (char)byte;
        at += byte < 0 ? 1 : 3;
        percent = find(at, end, '%');
    }
    return (size_t)(to - out);
}

/* The printable ASCII characters of each set. */
static const char *const set_members[] = {
    [MRC_PERCENT_C0] = "",
    [MRC_PERCENT_FRAGMENT] = " \"<>`",
    [MRC_PERCENT_QUERY] = " \"#<>",
    [MRC_PERCENT_SPECIAL_QUERY] = " \"#<>'",
    [MRC_PERCENT_PATH] = " \"#<>?^`{}",
    [MRC_PERCENT_USERINFO] = " \"#<>?^`{}/:;=@[\\]|",
    [MRC_PERCENT_EXPANSION] = " !\"#$%&'()*+,/:;<=>?@[\\]^`{|}",
};

static bool is_member(enum mrc_percent_set set, unsigned char c)
{
    if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z'))
        return false;
    return c <= 0x1F || c >= 0x7F || strchr(set_members[set], c) != NULL;
}

void mrc_percent_encode(struct mrc_buf *buf, struct mrc_bytes in, enum mrc_percent_set set)
{
    static const char digits[] = "0123456789ABCDEF";
    size_t plain = 0; /* the beginning of the bytes that are copied as they are */

    for (size_t i = 0; i < in.len; i++) {
        unsigned char c = (unsigned char)in.ptr[i];
        char encoded[3] = {'%', digits[c >> 4], digits[c & 15]};

        if (!is_member(set, c))
            continue;
        mrc_buf_add(buf, in.ptr + plain, i - plain);
        mrc_buf_add(buf, encoded, sizeof(encoded));
        plain = i + 1;
    }
    if (in.len > plain)
        mrc_buf_add(buf, in.ptr + plain, in.len - plain);
}
