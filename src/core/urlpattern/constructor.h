/*
 * The parser of constructor strings, such as `https://example.com/books/:id`
 * (https://urlpattern.spec.whatwg.org/#constructor-string-parsing).
 */
#ifndef MRC_CORE_URLPATTERN_CONSTRUCTOR_H
#define MRC_CORE_URLPATTERN_CONSTRUCTOR_H

#include "core/base/err.h"
#include "core/urlpattern/types.h"

/*
 * Splits INPUT, which is valid UTF-8, into the pattern strings of its components. RET_INIT gets
 * views of INPUT or of constants; components that INPUT does not give are { NULL, 0 }. MRC_EINVAL
 * with the reason in ERROR, MRC_ELIMIT, MRC_EUNSUPPORTED, MRC_ENOMEM.
 */
enum mrc_err mrc_urlpattern_constructor_parse(struct mrc_bytes input, struct mrc_error *error,
                                              struct mrc_urlpattern_init *ret_init);

#endif
