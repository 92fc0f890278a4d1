#include "core/base/quote.h"

const char *mrc_quote(struct mrc_quote *quote, struct mrc_bytes bytes)
{
    size_t len = bytes.len < MRC_QUOTE_BYTES ? bytes.len : MRC_QUOTE_BYTES;
    char *out = quote->text;

    *out++ = '"';
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)bytes.ptr[i];

        *out++ = c < 0x20 || c > 0x7e || c == '"' || c == '\\' ? '?' : (char)c;
    }
    if (len < bytes.len) {
        memcpy(out, "...", 3);
        out += 3;
    }
    *out++ = '"';
    *out = '\0';
    return quote->text;
}
