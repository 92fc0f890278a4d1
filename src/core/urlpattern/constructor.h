/*
 * The parser of constructor strings
 * (https://urlpattern.spec.whatwg.org/#constructor-string-parsing).
 */
#ifndef MRC_CORE_URLPATTERN_CONSTRUCTOR_H
#define MRC_CORE_URLPATTERN_CONSTRUCTOR_H

#include "core/base/err.h"
#include "core/urlpattern/types.h"

/*
 * Cuts INPUT, valid UTF-8, into the pattern strings of its components; those that it does not give
 * are missing. RET_INIT views INPUT, or constants. MRC_EINVAL with the reason in ERROR, MRC_ELIMIT,
 * MRC_EUNSUPPORTED, MRC_ENOMEM.
 */
enum mrc_err mrc_urlpattern_constructor_parse(struct mrc_bytes input, struct mrc_error *error,
                                              struct mrc_urlpattern_init *ret_init);

#endif
