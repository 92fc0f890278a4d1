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
        char c = in.ptr[i];

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
