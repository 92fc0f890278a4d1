/*
 * The path states of the URL parser (https://url.spec.whatwg.org/#path-state). They have a file of
 * their own because URL Patterns canonicalize paths with them, too.
 */
#ifndef MRC_CORE_URL_PATH_H
#define MRC_CORE_URL_PATH_H

#include "core/base/buf.h"
#include "core/base/bytes.h"

struct mrc_url_path_kind {
    bool is_special;    /* a backslash is a slash */
    bool is_file;       /* dot segments do not remove a drive letter */
    bool stops_at_mark; /* `?` and `#` end the path */
};

/*
 * Appends the segments of IN, whose leading slash has been read, to the path that begins at PATH_AT
 * in OUT. Segments are percent-encoded and have a `/` before them; dot segments are resolved.
 * Returns the number of bytes of IN that were read.
 */
size_t mrc_url_path_parse(struct mrc_buf *out, size_t path_at, struct mrc_bytes in,
                          struct mrc_url_path_kind kind);

/* Removes the last segment of the path that begins at PATH_AT in OUT. */
void mrc_url_path_shorten(struct mrc_buf *out, size_t path_at, bool is_file);

/*
 * Appends the opaque path at the front of IN, up to `?` or `#`. Returns the bytes that were read.
 */
size_t mrc_url_path_parse_opaque(struct mrc_buf *out, struct mrc_bytes in);

/*
 * Whether TEXT begins with a drive letter: a letter and `:` or `|`, then the end, or one of /\?#.
 */
bool mrc_url_path_starts_with_drive(struct mrc_bytes text);

#endif
