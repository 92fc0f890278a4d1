/*
 * A set of characters and strings, for which a class or an escape of a regular expression stands. A
 * subject is ASCII, so a set holds ASCII characters, and with them the two other characters that
 * are equal to an ASCII letter if case does not count. Each operation is then a few machine words.
 */
#ifndef MRC_CORE_URLPATTERN_SET_H
#define MRC_CORE_URLPATTERN_SET_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Bit c % 64 of bits[c / 64] stands for the character c. In the last word, bit 0 stands for U+017F
 * (long s), and bit 1 for U+212A (Kelvin sign).
 */
#define MRC_URLPATTERN_SET_WORDS 3
struct mrc_urlpattern_set {
    uint64_t bits[MRC_URLPATTERN_SET_WORDS];
    uint64_t strings[2];   /* bits of the strings of the outermost class */
    bool may_hold_strings; /* by its syntax, so it must not be negated */
};

#endif
