/*
 * Character classes of ECMAScript regular expressions with the v flag, as sets of ASCII characters.
 */
#ifndef MRC_CORE_URLPATTERN_CLASS_H
#define MRC_CORE_URLPATTERN_CLASS_H

#include <stdint.h>

#include "core/base/buf.h"
#include "core/base/bytes.h"
#include "core/base/err.h"

/* Bit c of bits[c / 64] stands for the character c. */
struct mrc_urlpattern_class {
    uint64_t bits[2];
};

/* What \d, \D, \w, \W, \s and \S mean; false for any other LETTER. */
bool mrc_urlpattern_class_of_letter(char letter, struct mrc_urlpattern_class *ret_class);

/*
 * Reads the escape sequence at the front of SOURCE, behind its backslash, if it stands for one
 * character, and returns its length; 0 for no such sequence. IN_CLASS allows what only a class
 * does.
 */
size_t mrc_urlpattern_class_read_escape(struct mrc_bytes source, bool in_class, uint32_t *ret_cp);

/*
 * Reads the class at the front of SOURCE, opening bracket included. RET_LEN is what it takes.
 * MRC_EINVAL with the reason in ERROR; MRC_ELIMIT past MAX_DEPTH nested classes.
 */
enum mrc_err mrc_urlpattern_class_parse(struct mrc_bytes source, int max_depth,
                                        struct mrc_error *error,
                                        struct mrc_urlpattern_class *ret_class, size_t *ret_len);

/* Appends the class for PCRE2. */
void mrc_urlpattern_class_write(const struct mrc_urlpattern_class *set, struct mrc_buf *out);

#endif
