/*
 * UTF-8, decoded as in the Encoding Standard (https://encoding.spec.whatwg.org/#utf-8-decoder), and
 * the rule for the characters of a topic, a matcher, an id or a type (draft-dunglas-mercure-08,
 * "Terminology", "Publication").
 */
#ifndef MRC_CORE_BASE_UTF8_H
#define MRC_CORE_BASE_UTF8_H

#include <stdint.h>

#include "core/base/buf.h"
#include "core/base/bytes.h"
#include "core/base/err.h"

#define MRC_UTF8_REPLACEMENT 0xFFFDu

/*
 * Decodes the code point at the front of IN, which is not empty, and returns its length in bytes.
 * Bytes that are not valid UTF-8, surrogates and overlong forms included, decode to U+FFFD, one for
 * each maximal part of a sequence. RET_VALID, which may be NULL, is false for these, and true for a
 * U+FFFD that IN itself contains.
 */
size_t mrc_utf8_decode(struct mrc_bytes in, uint32_t *ret_cp, bool *ret_valid);

/* Whether IN is valid UTF-8: no overlong forms, no surrogates, nothing past U+10FFFF. */
bool mrc_utf8_valid(struct mrc_bytes in);

/* Appends CP, a code point that is not a surrogate. */
void mrc_utf8_add(struct mrc_buf *buf, uint32_t cp);

/*
 * Checks that TEXT is valid UTF-8 without C0 and C1 control characters, DEL and format characters.
 * Otherwise MRC_EINVAL, and ERROR names the character and its position.
 */
enum mrc_err mrc_utf8_check_text(struct mrc_bytes text, struct mrc_error *error);

/* Whether CODE_POINT has the general category Cf (format) in Unicode 17. */
bool mrc_utf8_is_format(uint32_t code_point);

/* Whether a terminal shows CODE_POINT as it is: no control character (C0, C1, DEL), which may be a
 * command, and no format character, which is invisible or changes the order of others. */
bool mrc_utf8_is_printable(uint32_t code_point);

#endif
