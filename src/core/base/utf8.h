/*
 * UTF-8, read as the Encoding Standard reads it (https://encoding.spec.whatwg.org/#utf-8-decoder),
 * and what may stand in a topic, a matcher, an id or a type (draft-dunglas-mercure-08,
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
 * Reads the code point at the front of IN, which is not empty, into RET_CP and returns how many
 * bytes it takes. Bytes that are no UTF-8 (surrogates and overlong forms too) read as U+FFFD, one
 * for each maximal part of a sequence; RET_VALID, which may be NULL, tells them from a U+FFFD that
 * was sent.
 */
size_t mrc_utf8_decode(struct mrc_bytes in, uint32_t *ret_cp, bool *ret_valid);

/* Whether IN is UTF-8: no overlong forms, no surrogates, nothing past U+10FFFF. */
bool mrc_utf8_valid(struct mrc_bytes in);

/* Appends CP, a code point that is no surrogate. */
void mrc_utf8_add(struct mrc_buf *buf, uint32_t cp);

/*
 * Whether TEXT is UTF-8 without C0 and C1 control characters, DEL and format characters. MRC_OK;
 * MRC_EINVAL with words in ERROR that name what stands where.
 */
enum mrc_err mrc_utf8_check_text(struct mrc_bytes text, struct mrc_error *error);

/* Whether CODE_POINT is of the general category Cf in Unicode 17. */
bool mrc_utf8_is_format(uint32_t code_point);

#endif
