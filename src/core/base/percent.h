/*
 * Percent-encoding and decoding, with the percent-encode sets of the URL Standard
 * (https://url.spec.whatwg.org/#percent-encoded-bytes).
 */
#ifndef MRC_CORE_BASE_PERCENT_H
#define MRC_CORE_BASE_PERCENT_H

#include "core/base/buf.h"
#include "core/base/bytes.h"

/*
 * The bytes that are encoded. Each set holds the C0 controls, DEL and all bytes that are not ASCII.
 * MRC_PERCENT_EXPANSION is not one of the standard: it holds everything but unreserved characters,
 * as the simple expansion of a URI Template requires (RFC 6570, 3.2.2).
 */
enum mrc_percent_set {
    MRC_PERCENT_C0,
    MRC_PERCENT_FRAGMENT,
    MRC_PERCENT_QUERY,
    MRC_PERCENT_SPECIAL_QUERY,
    MRC_PERCENT_PATH,
    MRC_PERCENT_USERINFO,
    MRC_PERCENT_EXPANSION
};

/* The value of the hexadecimal digit C, 0 to 15, or -1. */
int mrc_percent_hex_value(unsigned char c);

/*
 * Decodes IN to OUT, which has room for IN.len bytes and may be IN's own memory. A `%` that is not
 * followed by two hexadecimal digits stands for itself. PLUS_IS_SPACE is for forms. Returns the
 * number of bytes written.
 */
size_t mrc_percent_decode(struct mrc_bytes in, bool plus_is_space, char *out);

/* Appends IN, with each byte of SET written as `%XX`. */
void mrc_percent_encode(struct mrc_buf *buf, struct mrc_bytes in, enum mrc_percent_set set);

#endif
