#include "core/url/path.h"

#include "core/base/percent.h"

static bool is_alpha(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool mrc_url_path_starts_with_drive(struct mrc_bytes text)
{
    if (text.len < 2 || !is_alpha(text.ptr[0]) || (text.ptr[1] != ':' && text.ptr[1] != '|'))
        return false;
    return text.len == 2 || memchr("/\\?#", text.ptr[2], 4) != NULL;
}

/* The number of dots of the dot segment TEXT, 1 or 2, encoded or not. 0 for any other segment. */
static int count_dots(struct mrc_bytes text)
{
    int dots = 0;

    for (size_t i = 0; i < text.len; dots++) {
        if (dots == 2)
            return 0;
        if (text.ptr[i] == '.')
            i++;
        else if (text.len - i >= 3 && strncasecmp(text.ptr + i, "%2e", 3) == 0)
            i += 3;
        else
            return 0;
    }
    return dots;
}

void mrc_url_path_shorten(struct mrc_buf *out, size_t path_at, bool is_file)
{
    struct mrc_bytes path;
    size_t slash;

    if (mrc_buf_error(out) || out->len == path_at)
        return;
    path = (struct mrc_bytes){out->ptr + path_at, out->len - path_at};
    if (is_file && path.len == 3 && is_alpha(path.ptr[1]) && path.ptr[2] == ':')
        return;
    slash = mrc_bytes_find_last(path, '/');
    out->len = slash < path.len ? path_at + slash : path_at;
}

static bool is_segment_end(char c, struct mrc_url_path_kind kind)
{
    return c == '/' || (c == '\\' && kind.is_special) ||
           ((c == '?' || c == '#') && kind.stops_at_mark);
}

size_t mrc_url_path_parse(struct mrc_buf *out, size_t path_at, struct mrc_bytes in,
                          struct mrc_url_path_kind kind)
{
    size_t at = 0;

    for (;;) {
        size_t start = at, segment_at = out->len;
        struct mrc_bytes segment;
        bool is_last;
        int dots;

        while (at < in.len && !is_segment_end(in.ptr[at], kind))
            at++;
        is_last = at == in.len || in.ptr[at] == '?' || in.ptr[at] == '#';
        segment = (struct mrc_bytes){in.ptr + start, at - start};
        dots = count_dots(segment);
        if (dots == 2)
            mrc_url_path_shorten(out, path_at, kind.is_file);
        if (dots == 0 || is_last)
            mrc_buf_add_char(out, '/');
        if (dots == 0)
            mrc_percent_encode(out, segment, MRC_PERCENT_PATH);
        if (mrc_buf_error(out))
            return in.len;
        if (kind.is_file && dots == 0 && segment_at == path_at && segment.len == 2 &&
            mrc_url_path_starts_with_drive(segment))
            out->ptr[segment_at + 2] = ':';
        if (is_last)
            return at;
        at++;
    }
}

size_t mrc_url_path_parse_opaque(struct mrc_buf *out, struct mrc_bytes in)
{
    size_t len = 0;

    while (len < in.len && in.ptr[len] != '?' && in.ptr[len] != '#')
        len++;
    if (len && len < in.len && in.ptr[len - 1] == ' ') {
        mrc_percent_encode(out, (struct mrc_bytes){in.ptr, len - 1}, MRC_PERCENT_C0);
        mrc_buf_add_str(out, "%20");
    } else {
        mrc_percent_encode(out, (struct mrc_bytes){in.ptr, len}, MRC_PERCENT_C0);
    }
    return len;
}
