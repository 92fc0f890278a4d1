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
 * the whole rest of the subject: for a subject longer than MRC_REGEXP_SHORT_BYTES there are ten
 * times fewer, past MRC_REGEXP_LONG_BYTES a hundred times, and past MRC_REGEXP_MAX_BYTES none at
 * all.
 */
#define MRC_REGEXP_MATCH_LIMIT 10000
#define MRC_REGEXP_HEAP_KIB    512
#define MRC_REGEXP_SHORT_BYTES 512
#define MRC_REGEXP_LONG_BYTES  4096
#define MRC_REGEXP_MAX_BYTES   65536

/* The most alternatives that a group may hold, with those nested in it: PCRE2 walks over them all.
 */
#define MRC_REGEXP_MAX_ALTERNATIVES 100

/* How deep groups, and classes, may be nested. */
#define MRC_REGEXP_MAX_DEPTH 50

/* Immutable once compiled: any number of threads may match with it at the same time. */
struct mrc_regexp;

/*
 * Appends the PCRE2 pattern of SOURCE, an ECMAScript regular expression in ASCII. MRC_EINVAL if it
 * is none, or holds a construct that is refused, which ERROR names; MRC_ELIMIT past the depth or
 * the repetitions that PCRE2 takes.
 */
enum mrc_err mrc_regexp_translate(struct mrc_bytes source, struct mrc_error *error,
                                  struct mrc_buf *out);

/*
 * Compiles LIST, any list of parts, which is not kept; with_captures makes mrc_regexp_exec() tell
 * what the groups caught, and costs time. MRC_EINVAL, MRC_ELIMIT, MRC_ENOMEM. The caller frees
 * RET_REGEXP.
 */
enum mrc_err mrc_regexp_compile(const struct mrc_urlpattern_part_list *list, bool with_captures,
                                struct mrc_error *error, struct mrc_regexp **ret_regexp);

/* Accepts NULL. */
void mrc_regexp_free(struct mrc_regexp *regexp);

/*
 * Whether the regular expression matches the whole of SUBJECT, within the limits, in RET_MATCHES.
 * If COUNT is not 0 and it matches, RET_GROUPS takes what the first COUNT groups caught: views of
 * SUBJECT, missing for a group that took no part. On MRC_ENOMEM both are untouched.
 */
enum mrc_err mrc_regexp_exec(const struct mrc_regexp *regexp, struct mrc_bytes subject,
                             size_t count, struct mrc_bytes *ret_groups, bool *ret_matches);

/* What the compiled expression occupies, in bytes; machine code included. */
size_t mrc_regexp_size(const struct mrc_regexp *regexp);

#endif
