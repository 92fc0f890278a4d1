/*
 * UTF-8, read as the Encoding Standard reads it (https://encoding.spec.whatwg.org/#utf-8-decoder).
 */
#ifndef MRC_CORE_UTF8_H
#define MRC_CORE_UTF8_H

#include <stdint.h>

#include "core/buf.h"
#include "core/bytes.h"

#define MRC_UTF8_REPLACEMENT 0xFFFDu

/*
 * Reads the code point at the front of IN, which is not empty, into RET_CP and returns how many
 * bytes it takes. Bytes that are no UTF-8 (surrogates and overlong forms too) read as U+FFFD, one
 * for each maximal part of a sequence; RET_VALID, which may be NULL, tells them from a U+FFFD that
 * was sent.
 */
size_t mrc_utf8_decode(struct mrc_bytes in, uint32_t *ret_cp, bool *ret_valid);

bool mrc_utf8_is_valid(struct mrc_bytes in);

/* Appends CP, a code point that is no surrogate. */
void mrc_utf8_add(struct mrc_buf *buf, uint32_t cp);

/* Appends IN with U+FFFD in the place of whatever is no UTF-8. */
void mrc_utf8_add_lossy(struct mrc_buf *buf, struct mrc_bytes in);

#endif
