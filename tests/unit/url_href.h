/*
 * Writes URLs back as strings (https://url.spec.whatwg.org/#url-serializing), which the vectors
 * compare, but the hub does not need.
 */
#ifndef MRC_TESTS_URL_HREF_H
#define MRC_TESTS_URL_HREF_H

#include "core/url/url.h"

/* Appends URL as a string. */
static inline void url_add_href(const struct mrc_url *url, struct mrc_buf *out)
{
    mrc_buf_add_bytes(out, url->scheme);
    mrc_buf_add_char(out, ':');
    if (url->host.ptr) {
        mrc_buf_add_str(out, "//");
        if (url->username.len || url->password.len) {
            mrc_buf_add_bytes(out, url->username);
            if (url->password.len) {
                mrc_buf_add_char(out, ':');
                mrc_buf_add_bytes(out, url->password);
            }
            mrc_buf_add_char(out, '@');
        }
        mrc_buf_add_bytes(out, url->host);
        if (url->port.ptr) {
            mrc_buf_add_char(out, ':');
            mrc_buf_add_bytes(out, url->port);
        }
    } else if (!url->has_opaque_path && url->path.len > 1 && url->path.ptr[1] == '/') {
        mrc_buf_add_str(out, "/."); /* or the path would read as a host */
    }
    mrc_buf_add_bytes(out, url->path);
    if (url->query.ptr) {
        mrc_buf_add_char(out, '?');
        mrc_buf_add_bytes(out, url->query);
    }
    if (url->fragment.ptr) {
        mrc_buf_add_char(out, '#');
        mrc_buf_add_bytes(out, url->fragment);
    }
}

#endif
