#include "core/topic/reserved.h"

#include "core/base/percent.h"
#include "core/url/path.h"
#include "core/url/url.h"

static bool is_unreserved(int c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

/*
 * Appends PATH with percent-encoded unreserved characters decoded, and with all other `%XX` in
 * upper case. No new dot segment results: for the URL parser, `%2E` is a dot, too.
 */
static void add_normalized(struct mrc_buf *out, struct mrc_bytes path)
{
    for (size_t i = 0; i < path.len; i++) {
        int high = -1, low = -1;

        if (path.ptr[i] == '%' && path.len - i > 2) {
            high = mrc_percent_hex_value((unsigned char)path.ptr[i + 1]);
            low = mrc_percent_hex_value((unsigned char)path.ptr[i + 2]);
        }
        if (high < 0 || low < 0) {
            mrc_buf_add_char(out, path.ptr[i]);
            continue;
        }
        if (is_unreserved(high << 4 | low))
            mrc_buf_add_char(out, (char)(high << 4 | low));
        else
            mrc_buf_printf(out, "%%%X%X", (unsigned)high, (unsigned)low);
        i += 2;
    }
}

/* Appends the hub path PATH, parsed as the path of a URL and normalized. */
static enum mrc_err add_hub_path(struct mrc_buf *out, const char *path)
{
    struct mrc_url_path_kind kind = {.is_special = true};
    struct mrc_bytes in = mrc_bytes_of(path);
    struct mrc_buf parsed;
    enum mrc_err err;

    mrc_buf_init(&parsed, in.len * 3 + 1);
    if (in.len && in.ptr[0] == '/') {
        in.ptr++;
        in.len--;
    }
    mrc_url_path_parse(&parsed, 0, in, kind);
    add_normalized(out, mrc_buf_bytes(&parsed));
    err = mrc_buf_error(&parsed) ? mrc_buf_error(&parsed) : mrc_buf_error(out);
    mrc_buf_free(&parsed);
    return err;
}

/* Whether PATH is PARENT or below it. */
static bool is_within(struct mrc_bytes path, struct mrc_bytes parent)
{
    return mrc_bytes_starts_with(path, parent) &&
           (path.len == parent.len || path.ptr[parent.len] == '/');
}

/* The resources of the hub below a path that ends with a slash. */
#define RESOURCES "subscriptions"

/* Whether the normalized PATH belongs to HUB_PATH. True when out of memory. */
static bool is_of_hub(struct mrc_bytes path, const char *hub_path)
{
    struct mrc_buf buf;
    bool result;

    mrc_buf_init(&buf, strlen(hub_path) * 3 + 1 + strlen(RESOURCES));
    if (add_hub_path(&buf, hub_path)) {
        result = true;
    } else {
        result = is_within(path, mrc_buf_bytes(&buf));
        if (!result && buf.len && buf.ptr[buf.len - 1] == '/') {
            mrc_buf_add_str(&buf, RESOURCES);
            result = mrc_buf_error(&buf) || is_within(path, mrc_buf_bytes(&buf));
        }
    }
    mrc_buf_free(&buf);
    return result;
}

/* ---- topics that need no URL parser -----------------------------------------------------------*/

/* The characters, besides `/`, that parsing and normalizing a path leave as they are. */
static bool is_plain(char c)
{
    return is_unreserved((unsigned char)c) || (c && strchr("!$&'()*+,;=:@", c) != NULL);
}

/* Whether the first segment of IN, which follows a slash, is one or two dots. */
static bool begins_with_dots(struct mrc_bytes in)
{
    size_t dots = 0;

    while (dots < in.len && in.ptr[dots] == '.')
        dots++;
    return (dots == 1 || dots == 2) && (dots == in.len || in.ptr[dots] == '/');
}

/* Whether parsing does not change PATH: it has slashes, plain characters and no dot segments. */
static bool is_plain_path(struct mrc_bytes path)
{
    if (!path.len || path.ptr[0] != '/')
        return false;
    for (size_t i = 0; i < path.len; i++) {
        if (path.ptr[i] != '/' && !is_plain(path.ptr[i]))
            return false;
        if (path.ptr[i] == '/' &&
            begins_with_dots((struct mrc_bytes){path.ptr + i + 1, path.len - i - 1}))
            return false;
    }
    return true;
}

/* The length of the text at the front of IN that can only be a host and a port. */
static size_t authority_length(struct mrc_bytes in)
{
    size_t len = 0;

    while (len < in.len && (is_unreserved((unsigned char)in.ptr[len]) || in.ptr[len] == ':'))
        len++;
    return len;
}

/*
 * Finds the path of TOPIC, if it is an http or https URL with a plain path: mrc_url_parse() would
 * find the same path, or refuse the host or the port.
 */
static bool find_plain_path(struct mrc_bytes topic, struct mrc_bytes *ret_path)
{
    static const char *const schemes[] = {"https://", "http://"};
    struct mrc_bytes rest = topic;
    size_t authority;

    for (size_t i = 0; i < 2 && rest.len == topic.len; i++) {
        struct mrc_bytes scheme = mrc_bytes_of(schemes[i]);

        if (mrc_bytes_starts_with(topic, scheme))
            rest = (struct mrc_bytes){topic.ptr + scheme.len, topic.len - scheme.len};
    }
    authority = authority_length(rest);
    if (rest.len == topic.len || !authority || authority == rest.len)
        return false;
    rest = (struct mrc_bytes){rest.ptr + authority, rest.len - authority};
    for (size_t i = 0; i < rest.len; i++) {
        if (rest.ptr[i] == '?' || rest.ptr[i] == '#')
            rest.len = i;
    }
    *ret_path = rest;
    return is_plain_path(rest);
}

/* Whether TOPIC is certainly not reserved. Most topics are like that, and need no URL parser. */
static bool is_plainly_free(struct mrc_bytes topic, const char *const *hub_paths, size_t count)
{
    struct mrc_bytes path;

    if (topic.len > MRC_URL_MAX_BYTES || !find_plain_path(topic, &path))
        return false;
    for (size_t i = 0; i < count; i++) {
        struct mrc_bytes hub_path = mrc_bytes_of(hub_paths[i]);

        while (hub_path.len && hub_path.ptr[hub_path.len - 1] == '/')
            hub_path.len--;
        if (!is_plain_path(hub_path) || is_within(path, hub_path))
            return false;
    }
    return true;
}

bool mrc_reserved_covers(struct mrc_bytes topic, const char *hub_url, const char *const *hub_paths,
                         size_t count)
{
    struct mrc_url *base = NULL, *url = NULL;
    struct mrc_buf path;
    bool result = true;
    enum mrc_err err;

    if (is_plainly_free(topic, hub_paths, count))
        return false;
    mrc_buf_init(&path, MRC_URL_MAX_BYTES * 4);
    if (mrc_url_parse(mrc_bytes_of(hub_url), NULL, NULL, &base) != MRC_OK)
        goto leave;
    err = mrc_url_parse(topic, base, NULL, &url);
    if (err) {
        result = err != MRC_EINVAL && err != MRC_EUNSUPPORTED;
        goto leave;
    }
    add_normalized(&path, url->path);
    if (mrc_buf_error(&path))
        goto leave;
    result = false;
    for (size_t i = 0; i < count && !result; i++)
        result = is_of_hub(mrc_buf_bytes(&path), hub_paths[i]);
leave:
    mrc_buf_free(&path);
    mrc_url_free(url);
    mrc_url_free(base);
    return result;
}
