#include "tools/visible.h"

#include "core/base/utf8.h"

static void print_escape(FILE *out, uint32_t code_point)
{
    if (code_point > 0xffff)
        fprintf(out, "\\u%04x\\u%04x", (unsigned)(0xd7c0 + (code_point >> 10)),
                (unsigned)(0xdc00 + (code_point & 0x3ff)));
    else
        fprintf(out, "\\u%04x", (unsigned)code_point);
}

void mrc_visible_print(FILE *out, struct mrc_bytes text)
{
    while (text.len) {
        uint32_t code_point;
        bool is_valid;
        size_t len = mrc_utf8_decode(text, &code_point, &is_valid);

        if (!is_valid)
            fputs("\\ufffd", out);
        else if (code_point != '\n' && !mrc_utf8_is_printable(code_point))
            print_escape(out, code_point);
        else
            fwrite(text.ptr, 1, len, out);
        text.ptr += len;
        text.len -= len;
    }
}
