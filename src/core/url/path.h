/*
 * The path states of the URL parser (https://url.spec.whatwg.org/#path-state), apart from it
 * because URL Patterns canonicalize paths with them too.
 */
#ifndef MRC_CORE_URL_PATH_H
#define MRC_CORE_URL_PATH_H

#include "core/base/buf.h"
#include "core/base/bytes.h"

struct mrc_url_path_kind {
    bool is_special;    /* backslashes are slashes */
    bool is_file;       /* drive letters stay */
    bool stops_at_mark; /* `?` and `#` end the path */
};

/*
 * Appends the segments of IN, whose leading slash is already read, to the path that OUT holds from
 * PATH_AT on: each with a `/` before it, percent-encoded, dot segments resolved. Returns how much
 * of IN was read.
 */
size_t mrc_url_path_parse(struct mrc_buf *out, size_t path_at, struct mrc_bytes in,
                          struct mrc_url_path_kind kind);

/* Takes the last segment off the path that OUT holds from PATH_AT on. */
void mrc_url_path_shorten(struct mrc_buf *out, size_t path_at, bool is_file);

/* Appends the opaque path at the front of IN, up to `?` or `#`; returns how much of IN was read. */
size_t mrc_url_path_parse_opaque(struct mrc_buf *out, struct mrc_bytes in);

/* A letter and `:` or `|`; TEXT may go on behind it, with `/`, `\`, `?` or `#`. */
bool mrc_url_path_starts_with_drive(struct mrc_bytes text);

#endif
