/*
 * Canonicalizes the fixed text of each component of a URL Pattern
 * (https://urlpattern.spec.whatwg.org/#canon-encoding-callbacks).
 */
#ifndef MRC_CORE_URLPATTERN_CANON_H
#define MRC_CORE_URLPATTERN_CANON_H

#include "core/base/buf.h"
#include "core/base/bytes.h"
#include "core/base/err.h"

enum mrc_urlpattern_canon {
    MRC_CANON_PROTOCOL,
    MRC_CANON_USERINFO,
    MRC_CANON_HOSTNAME,
    MRC_CANON_IPV6_HOSTNAME,
    MRC_CANON_PORT,
    MRC_CANON_PATHNAME,
    MRC_CANON_OPAQUE_PATHNAME,
    MRC_CANON_SEARCH,
    MRC_CANON_HASH
};

/*
 * Appends the canonical form of VALUE, a piece of fixed text in valid UTF-8. MRC_EINVAL with the
 * reason in ERROR if there is no such form; MRC_ELIMIT, MRC_EUNSUPPORTED, MRC_ENOMEM.
 */
enum mrc_err mrc_urlpattern_canonicalize(enum mrc_urlpattern_canon canon, struct mrc_bytes value,
                                         struct mrc_error *error, struct mrc_buf *out);

#endif
