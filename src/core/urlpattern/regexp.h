/*
 * Components with regular expressions: ECMAScript (with its v flag), run by PCRE2 within limits.
 *
 *     component  /orders/:id(\d{1,9}).json
 *     PCRE2      (?:(?:\x2forders)(?:\x2f(?:[\x30-\x39]{1,9}))(?:\x2ejson))
 *
 * translate.h says what a group may contain. A canonical URL is ASCII, so characters and classes
 * are translated to sets of ASCII characters (class.h).
 */
#ifndef MRC_CORE_URLPATTERN_REGEXP_H
#define MRC_CORE_URLPATTERN_REGEXP_H

#include "core/base/buf.h"
#include "core/base/bytes.h"
#include "core/base/err.h"
#include "core/urlpattern/part.h"

/*
 * The limits of one match; a match that exceeds one fails. PCRE2 counts steps, but one step may
 * read the whole rest of the subject. So a subject longer than MRC_URLPATTERN_REGEXP_SHORT_BYTES
 * gets a tenth of the steps, one longer than MRC_URLPATTERN_REGEXP_LONG_BYTES a hundredth, and one
 * longer than MRC_URLPATTERN_REGEXP_MAX_BYTES never matches.
 */
#define MRC_URLPATTERN_REGEXP_MATCH_LIMIT 10000
#define MRC_URLPATTERN_REGEXP_HEAP_KIB    512
#define MRC_URLPATTERN_REGEXP_SHORT_BYTES 512
#define MRC_URLPATTERN_REGEXP_LONG_BYTES  4096
#define MRC_URLPATTERN_REGEXP_MAX_BYTES   65536

/* Immutable once compiled: any number of threads may match with it at the same time. */
struct mrc_urlpattern_regexp;

/*
 * Compiles any list of parts, which is not kept. MRC_EINVAL, MRC_ELIMIT, MRC_ENOMEM. The caller
 * frees RET_REGEXP.
 */
enum mrc_err mrc_urlpattern_regexp_compile(const struct mrc_urlpattern_part_list *list,
                                           struct mrc_error *error,
                                           struct mrc_urlpattern_regexp **ret_regexp);

/* Accepts NULL. */
void mrc_urlpattern_regexp_free(struct mrc_urlpattern_regexp *regexp);

/*
 * Whether REGEXP matches the whole of SUBJECT within the limits. On MRC_ENOMEM, RET_MATCHES is
 * untouched.
 */
enum mrc_err mrc_urlpattern_regexp_match(const struct mrc_urlpattern_regexp *regexp,
                                         struct mrc_bytes subject, bool *ret_matches);

/* The memory of the compiled expression, in bytes, including machine code. */
size_t mrc_urlpattern_regexp_size(const struct mrc_urlpattern_regexp *regexp);

#endif
