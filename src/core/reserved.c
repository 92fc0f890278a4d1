#include "core/reserved.h"

#include "core/percent.h"
#include "core/url.h"
#include "core/url_path.h"

static bool is_unreserved(int c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c > 0 && strchr("-._~", c) != NULL);
}

/*
 * Appends PATH with its percent-encoded unreserved characters decoded, and the digits of all others
 * in upper case. No dot segment comes of it: the URL parser takes `%2E` for a dot already.
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

/* Appends the hub path PATH as a URL has it, normalized. */
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

/* What the hub makes, below a path that ends with a slash. */
#define RESOURCES "subscriptions"

/* Whether PATH, normalized, belongs to HUB_PATH; also if that cannot be found out. */
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

bool mrc_reserved_covers(struct mrc_bytes topic, const char *hub_url, const char *const *hub_paths,
                         size_t count)
{
    struct mrc_url *base = NULL, *url = NULL;
    struct mrc_buf path;
    bool result = true;
    enum mrc_err err;

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
