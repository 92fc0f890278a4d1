/*
 * Percent-encoding as the URL Standard has it (https://url.spec.whatwg.org/#percent-encoded-bytes):
 * decoding, and the sets of bytes that each part of a URL encodes.
 */
#ifndef MRC_CORE_BASE_PERCENT_H
#define MRC_CORE_BASE_PERCENT_H

#include "core/base/buf.h"
#include "core/base/bytes.h"

/*
 * What is encoded; each holds the C0 controls, DEL and everything that is not ASCII. The last one
 * is that of a simple expansion of a URI Template (RFC 6570, 3.2.2): all but unreserved characters.
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
 * Decodes IN into OUT, which has room for IN.len bytes (decoding never grows) and may be IN's own
 * memory. A `%` that no two hexadecimal digits follow stands for itself. PLUS_IS_SPACE is for
 * forms. Returns the number of bytes written.
 */
size_t mrc_percent_decode(struct mrc_bytes in, bool plus_is_space, char *out);

/* Appends IN, with each byte of SET as `%XX`. */
void mrc_percent_encode(struct mrc_buf *buf, struct mrc_bytes in, enum mrc_percent_set set);

#endif
