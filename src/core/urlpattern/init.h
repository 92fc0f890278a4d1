/*
 * Completes the pattern strings that a pattern gives with those of its base URL
 * (https://urlpattern.spec.whatwg.org/#canon-processing-for-init, with the type "pattern").
 *
 *     base  https://example.com/books/1?draft      given   pathname "2/:page"
 *     ->    https     example.com     ""     /books/2/:page     *       *
 *           protocol  hostname        port   pathname           search  hash
 *
 * The base gives the components before the first given one: here protocol, hostname and port. It
 * also gives the directory of a relative path. All other components are wildcards.
 */
#ifndef MRC_CORE_URLPATTERN_INIT_H
#define MRC_CORE_URLPATTERN_INIT_H

#include "core/base/buf.h"
#include "core/base/err.h"
#include "core/urlpattern/types.h"

/*
 * Writes the pattern strings of all components to STORAGE, an empty buffer, and views of it to
 * RET_STRINGS, which live until STORAGE is written to again. MRC_EINVAL with the reason in ERROR,
 * MRC_ELIMIT, MRC_EUNSUPPORTED, MRC_ENOMEM.
 */
enum mrc_err mrc_urlpattern_init_complete(const struct mrc_urlpattern_init *init,
                                          struct mrc_error *error, struct mrc_buf *storage,
                                          struct mrc_bytes ret_strings[MRC_URLPATTERN_COMPONENTS]);

#endif
