#include "core/url/url.h"

#include <stdlib.h>

#include "core/base/utf8.h"

static const struct {
    const char *name;
    const char *port;
} special_schemes[] = {
    {"https", "443"}, {"http", "80"}, {"wss", "443"}, {"ws", "80"}, {"ftp", "21"}, {"file", NULL},
};

bool mrc_url_is_special_scheme(struct mrc_bytes scheme)
{
    for (size_t i = 0; i < sizeof(special_schemes) / sizeof(special_schemes[0]); i++)
        if (mrc_bytes_eq_str(scheme, special_schemes[i].name))
            return true;
    return false;
}

struct mrc_bytes mrc_url_default_port(struct mrc_bytes scheme)
{
    for (size_t i = 0; i < sizeof(special_schemes) / sizeof(special_schemes[0]); i++)
        if (special_schemes[i].port && mrc_bytes_eq_str(scheme, special_schemes[i].name))
            return mrc_bytes_of(special_schemes[i].port);
    return (struct mrc_bytes){NULL, 0};
}

bool mrc_url_add_port(struct mrc_buf *out, struct mrc_bytes in, struct mrc_bytes scheme)
{
    struct mrc_bytes default_port = mrc_url_default_port(scheme);
    unsigned port = 0;
    char decimal[8];

    for (size_t i = 0; i < in.len; i++) {
        port = port * 10 + (unsigned)(in.ptr[i] - '0');
        if (port > 65535)
            return false;
    }
    snprintf(decimal, sizeof(decimal), "%u", port);
    if (!default_port.ptr || !mrc_bytes_eq_str(default_port, decimal))
        mrc_buf_add_str(out, decimal);
    return true;
}

void mrc_url_add_clean(struct mrc_buf *out, struct mrc_bytes in)
{
    size_t plain = 0, at = 0; /* bytes from PLAIN on are unchanged and not yet appended */

    while (at < in.len) {
        struct mrc_bytes rest = {in.ptr + at, in.len - at};
        char c = in.ptr[at];
        uint32_t cp;
        bool is_valid;
        size_t len = mrc_utf8_decode(rest, &cp, &is_valid);

        if (c == '\t' || c == '\n' || c == '\r' || !is_valid) {
            mrc_buf_add(out, in.ptr + plain, at - plain);
            if (!is_valid)
                mrc_utf8_add(out, MRC_UTF8_REPLACEMENT);
            plain = at + len;
        }
        at += len;
    }
    if (in.len > plain)
        mrc_buf_add(out, in.ptr + plain, in.len - plain);
}

void mrc_url_free(struct mrc_url *url)
{
    if (!url)
        return;
    free(url->text);
    free(url);
}
