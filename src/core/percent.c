#include "core/percent.h"

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

size_t mrc_percent_decode(struct mrc_bytes in, bool plus_is_space, char *out)
{
    size_t written = 0;

    for (size_t i = 0; i < in.len; i++) {
        char c;

        for (; i < in.len && in.ptr[i] != '%' && in.ptr[i] != '+'; i++) /* by far the most */
            out[written++] = in.ptr[i];
        if (i == in.len)
            break;
        c = in.ptr[i];
        if (c == '%' && in.len - i > 2) {
            int high = mrc_percent_hex_value((unsigned char)in.ptr[i + 1]);
            int low = mrc_percent_hex_value((unsigned char)in.ptr[i + 2]);

            if (high >= 0 && low >= 0) {
                c = (char)(high << 4 | low);
                i += 2;
            }
        } else if (c == '+' && plus_is_space) {
            c = ' ';
        }
        out[written++] = c;
    }
    return written;
}

/* What each set holds of the printable ASCII characters. */
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
    size_t plain = 0; /* where the run of bytes that stay as they are begins */

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
