/*
 * UTF-8 (RFC 3629), and what may stand in a topic, a matcher, an id or a type
 * (draft-dunglas-mercure-08, "Terminology", "Publication").
 */
#ifndef MRC_CORE_UTF8_H
#define MRC_CORE_UTF8_H

#include <stdint.h>

#include "core/bytes.h"
#include "core/err.h"

/* Whether TEXT is UTF-8: no overlong forms, no surrogates, nothing past U+10FFFF. */
bool mrc_utf8_valid(struct mrc_bytes text);

/*
 * Whether TEXT is UTF-8 without C0 and C1 control characters, DEL and format characters. MRC_OK;
 * MRC_EINVAL with words in ERROR that name what stands where.
 */
enum mrc_err mrc_utf8_check_text(struct mrc_bytes text, struct mrc_error *error);

/* Whether CODE_POINT is of the general category Cf in Unicode 17. */
bool mrc_utf8_is_format(uint32_t code_point);

#endif
