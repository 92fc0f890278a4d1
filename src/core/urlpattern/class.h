/*
 * Character classes of ECMAScript regular expressions with the v flag, as sets of ASCII characters.
 *
 *     [a-f[3-5]]       union            abcdef345
 *     [\w--[a-z]]      difference       0-9 A-Z _
 *     [^\d&&[3-7]]     intersection     everything but 3-7: a class is negated last
 *
 * A set has 128 bits, so each operation is one or two machine words. A class holds one kind of
 * operation only; nested classes combine them.
 */
#ifndef MRC_CORE_URLPATTERN_CLASS_H
#define MRC_CORE_URLPATTERN_CLASS_H

#include <stdint.h>

#include "core/base/buf.h"
#include "core/base/bytes.h"
#include "core/base/err.h"

/* Bit c % 64 of bits[c / 64] stands for the character c. */
struct mrc_urlpattern_class {
    uint64_t bits[2];
};

/* The class that \d, \D, \w, \W, \s or \S stands for. False for any other LETTER. */
bool mrc_urlpattern_class_of_letter(char letter, struct mrc_urlpattern_class *ret_class);

/*
 * Reads an escape sequence for one character at the front of SOURCE, which follows the backslash.
 * Returns its length; 0: there is no such sequence. IN_CLASS: escapes that only a class may have
 * are allowed, too.
 */
size_t mrc_urlpattern_class_read_escape(struct mrc_bytes source, bool in_class, uint32_t *ret_cp);

/*
 * Parses the class at the front of SOURCE, which begins with its opening bracket. RET_LEN is its
 * length. MRC_EINVAL with the reason in ERROR; MRC_ELIMIT if classes are nested deeper than
 * MAX_DEPTH.
 */
enum mrc_err mrc_urlpattern_class_parse(struct mrc_bytes source, int max_depth,
                                        struct mrc_error *error,
                                        struct mrc_urlpattern_class *ret_class, size_t *ret_len);

/* Appends SET as a class of PCRE2. */
void mrc_urlpattern_class_write(const struct mrc_urlpattern_class *set, struct mrc_buf *out);

#endif
