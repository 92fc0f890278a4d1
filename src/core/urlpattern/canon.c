#include "core/urlpattern/canon.h"

#include "core/base/percent.h"
#include "core/url/host.h"
#include "core/url/path.h"
#include "core/url/url.h"

static enum mrc_err canonicalize_protocol(struct mrc_bytes value, struct mrc_error *error,
                                          struct mrc_buf *out)
{
    struct mrc_url *url = NULL;
    struct mrc_buf text;
    enum mrc_err err;

    mrc_buf_init(&text, MRC_URL_MAX_BYTES);
    mrc_buf_add_bytes(&text, value);
    mrc_buf_add_str(&text, "://dummy.invalid/");
    err = mrc_buf_error(&text);
    if (!err)
        err = mrc_url_parse(mrc_buf_bytes(&text), NULL, error, &url);
    if (!err)
        mrc_buf_add_bytes(out, url->scheme);
    mrc_url_free(url);
    mrc_buf_free(&text);
    return err;
}

/* The hostname state of the URL parser, for a special scheme. */
static enum mrc_err canonicalize_hostname(struct mrc_bytes value, struct mrc_error *error,
                                          struct mrc_buf *out)
{
    bool in_brackets = false;
    size_t len = 0;

    while (len < value.len && !memchr("/?#\\", value.ptr[len], 4)) {
        char c = value.ptr[len++];

        if (c == ':' && !in_brackets)
            return mrc_error_set(error, MRC_EINVAL, "the host holds a colon");
        in_brackets = c == '[' || (in_brackets && c != ']');
    }
    if (!len)
        return mrc_error_set(error, MRC_EINVAL, "the host is empty");
    return mrc_url_host_parse((struct mrc_bytes){value.ptr, len}, false, error, out);
}

static enum mrc_err canonicalize_ipv6(struct mrc_bytes value, struct mrc_error *error,
                                      struct mrc_buf *out)
{
    for (size_t i = 0; i < value.len; i++) {
        char c = value.ptr[i];

        if (mrc_percent_hex_value((unsigned char)c) < 0 && c != '[' && c != ']' && c != ':')
            return mrc_error_set(error, MRC_EINVAL,
                                 "the host holds a character that no IPv6 address has");
        mrc_buf_add_char(out, c >= 'A' && c <= 'F' ? (char)(c | 0x20) : c);
    }
    return MRC_OK;
}

/* The port state of the URL parser, which reads the digits at the front. */
static enum mrc_err canonicalize_port(struct mrc_bytes value, struct mrc_error *error,
                                      struct mrc_buf *out)
{
    const struct mrc_bytes no_scheme = {"", 0};
    size_t len = 0;

    while (len < value.len && value.ptr[len] >= '0' && value.ptr[len] <= '9')
        len++;
    if (!len || !mrc_url_add_port(out, (struct mrc_bytes){value.ptr, len}, no_scheme))
        return mrc_error_set(error, MRC_EINVAL, "the port is not a number up to 65535");
    return MRC_OK;
}

/*
 * Canonicalizes a path, or a piece from the middle of one. A piece without a slash at its front
 * must not get one from the parser: the standard parses "/-" and the piece, and removes two
 * characters from the result. A piece whose dot segments remove these two characters is refused
 * here: the standard would remove two other ones, and the pattern would not mean what it says.
 */
static enum mrc_err canonicalize_pathname(struct mrc_bytes value, struct mrc_error *error,
                                          struct mrc_buf *out)
{
    struct mrc_url_path_kind kind = {.is_special = true};
    size_t path_at = out->len;
    struct mrc_buf text, path;
    enum mrc_err err;

    if (value.len && value.ptr[0] == '/') {
        value.ptr++;
        value.len--;
        mrc_url_path_parse(out, path_at, value, kind);
        return MRC_OK;
    }
    mrc_buf_init(&text, value.len + 1);
    mrc_buf_add_char(&text, '-');
    mrc_buf_add_bytes(&text, value);
    mrc_buf_init(&path, out->max);
    if (!mrc_buf_error(&text))
        mrc_url_path_parse(&path, 0, mrc_buf_bytes(&text), kind);
    err = mrc_buf_error(&text) ? mrc_buf_error(&text) : mrc_buf_error(&path);
    if (!err && !mrc_bytes_starts_with(mrc_buf_bytes(&path), mrc_bytes_of("/-")))
        err = mrc_error_set(error, MRC_EINVAL,
                            "dot segments in the path lead out of the text between two groups");
    if (!err)
        mrc_buf_add(out, path.ptr + 2, path.len - 2);
    mrc_buf_free(&path);
    mrc_buf_free(&text);
    return err;
}

enum mrc_err mrc_urlpattern_canonicalize(enum mrc_urlpattern_canon canon, struct mrc_bytes value,
                                         struct mrc_error *error, struct mrc_buf *out)
{
    struct mrc_bytes text = value;
    enum mrc_err err = MRC_OK;
    struct mrc_buf clean;

    if (!value.len)
        return MRC_OK;
    mrc_buf_init(&clean, value.len * 3);
    if (canon != MRC_CANON_USERINFO && canon != MRC_CANON_IPV6_HOSTNAME) {
        mrc_url_add_clean(&clean, value);
        text = mrc_buf_bytes(&clean);
    }
    if (mrc_buf_error(&clean)) {
        err = mrc_buf_error(&clean);
        goto leave;
    }
    switch (canon) {
    case MRC_CANON_PROTOCOL:
        err = canonicalize_protocol(value, error, out);
        break;
    case MRC_CANON_USERINFO:
        mrc_percent_encode(out, text, MRC_PERCENT_USERINFO);
        break;
    case MRC_CANON_HOSTNAME:
        err = canonicalize_hostname(text, error, out);
        break;
    case MRC_CANON_IPV6_HOSTNAME:
        err = canonicalize_ipv6(text, error, out);
        break;
    case MRC_CANON_PORT:
        err = canonicalize_port(text, error, out);
        break;
    case MRC_CANON_PATHNAME:
        err = canonicalize_pathname(text, error, out);
        break;
    case MRC_CANON_OPAQUE_PATHNAME:
        mrc_url_path_parse_opaque(out, text);
        break;
    case MRC_CANON_SEARCH:
        mrc_percent_encode(out, text, MRC_PERCENT_SPECIAL_QUERY);
        break;
    case MRC_CANON_HASH:
        mrc_percent_encode(out, text, MRC_PERCENT_FRAGMENT);
        break;
    }
    if (!err)
        err = mrc_buf_error(out);
leave:
    mrc_buf_free(&clean);
    return err;
}
