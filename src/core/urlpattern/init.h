/*
 * Dictionaries of URL Patterns, completed from their base
 * (https://urlpattern.spec.whatwg.org/#canon-processing-for-init).
 */
#ifndef MRC_CORE_URLPATTERN_INIT_H
#define MRC_CORE_URLPATTERN_INIT_H

#include "core/base/buf.h"
#include "core/base/err.h"
#include "core/urlpattern/types.h"

enum mrc_urlpattern_init_type {
    MRC_INIT_PATTERN, /* the values are pattern strings */
    MRC_INIT_URL      /* they belong to a URL that is to be matched, and are canonicalized */
};

/*
 * Appends to STORAGE all that comes of INIT and its base, and sets RET_INIT, a dictionary without a
 * base whose views are of STORAGE (which must not be written to any more). With MRC_INIT_URL
 * nothing is missing in it. MRC_EINVAL with the reason in ERROR, MRC_ELIMIT, MRC_EUNSUPPORTED,
 * MRC_ENOMEM.
 */
enum mrc_err mrc_urlpattern_init_process(const struct mrc_urlpattern_init *init,
                                         enum mrc_urlpattern_init_type type,
                                         struct mrc_error *error, struct mrc_buf *storage,
                                         struct mrc_urlpattern_init *ret_init);

#endif
