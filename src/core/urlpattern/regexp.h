/*
 * Components with regular expressions: what ECMAScript (with its v flag) means, run by PCRE2 within
 * limits.
 *
 * A group's regular expression is translated piece by piece, and refused where it holds what PCRE2
 * does not mean in the same way or cannot bound: lookaround, backreferences, named groups, inline
 * modifiers, properties of Unicode, \q in a class. All that the URL parser lets through is ASCII,
 * so a character class is a set of ASCII characters, computed here, nested classes, `--` and `&&`
 * included.
 */
#ifndef MRC_CORE_URLPATTERN_REGEXP_H
#define MRC_CORE_URLPATTERN_REGEXP_H

#include "core/base/buf.h"
#include "core/base/bytes.h"
#include "core/base/err.h"
#include "core/urlpattern/part.h"

/*
 * What one match may cost; past it, it does not match. PCRE2 counts its steps, but a step may read
 * the whole rest of the subject: for a subject longer than MRC_URLPATTERN_REGEXP_SHORT_BYTES there
 * are ten times fewer, past MRC_URLPATTERN_REGEXP_LONG_BYTES a hundred times, and past
 * MRC_URLPATTERN_REGEXP_MAX_BYTES none at all.
 */
#define MRC_URLPATTERN_REGEXP_MATCH_LIMIT 10000
#define MRC_URLPATTERN_REGEXP_HEAP_KIB    512
#define MRC_URLPATTERN_REGEXP_SHORT_BYTES 512
#define MRC_URLPATTERN_REGEXP_LONG_BYTES  4096
#define MRC_URLPATTERN_REGEXP_MAX_BYTES   65536

/* The most alternatives that a group may hold, with those nested in it: PCRE2 walks over them all.
 */
#define MRC_URLPATTERN_REGEXP_MAX_ALTERNATIVES 100

/* How deep groups, and classes, may be nested. */
#define MRC_URLPATTERN_REGEXP_MAX_DEPTH 50

/* Immutable once compiled: any number of threads may match with it at the same time. */
struct mrc_urlpattern_regexp;

/*
 * Appends the PCRE2 pattern of SOURCE, an ECMAScript regular expression in ASCII. MRC_EINVAL if it
 * is none, or holds a construct that is not supported, which ERROR names; MRC_ELIMIT past one of
 * the limits above, or past the repetitions that PCRE2 takes; MRC_ENOMEM.
 */
enum mrc_err mrc_urlpattern_regexp_translate(struct mrc_bytes source, struct mrc_error *error,
                                             struct mrc_buf *out);

/*
 * Compiles LIST, any list of parts, which is not kept. MRC_EINVAL, MRC_ELIMIT, MRC_ENOMEM. The
 * caller frees RET_REGEXP.
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

/* The memory of the compiled expression, in bytes, its machine code included. */
size_t mrc_urlpattern_regexp_size(const struct mrc_urlpattern_regexp *regexp);

#endif
