/*
 * Sets of characters in ECMAScript regular expressions with the v flag: classes, and escapes such
 * as \d and \p{L}.
 *
 *     [a-f[3-5]]       union            abcdef345
 *     [\w--[a-z]]      difference       0-9 A-Z _
 *     [^\d&&[3-7]]     intersection     everything but 3-7: a class is negated last
 *     [\q{ab|c}d]      strings          ab c d
 */
#ifndef MRC_CORE_URLPATTERN_CLASS_H
#define MRC_CORE_URLPATTERN_CLASS_H

#include <stdint.h>

#include "core/base/buf.h"
#include "core/base/bytes.h"
#include "core/base/err.h"

/* The most strings of a class, because each is an alternative. */
#define MRC_URLPATTERN_CLASS_MAX_STRINGS 100

/*
 * Translates the character, the class or the escape of a set at the front of SOURCE for PCRE2, and
 * appends it to OUT. IGNORES_CASE: the modifier i is set. Classes may be nested MAX_DEPTH deep.
 * RET_LEN is the length of what has been translated, and RET_STRINGS the number of strings in it,
 * each of which is an alternative. MRC_EINVAL with the reason in ERROR; MRC_ELIMIT; MRC_ENOMEM.
 */
enum mrc_err mrc_urlpattern_class_translate(struct mrc_bytes source, bool ignores_case,
                                            int max_depth, struct mrc_error *error,
                                            struct mrc_buf *out, size_t *ret_len,
                                            size_t *ret_strings);

/*
 * Reads an escape for one character at the front of SOURCE, which follows the backslash. Returns
 * its length; 0: there is no such escape. IN_CLASS: escapes that only a class may have are allowed,
 * too.
 */
size_t mrc_urlpattern_class_read_escape(struct mrc_bytes source, bool in_class, uint32_t *ret_cp);

#endif
