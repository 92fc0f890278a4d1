/*
 * base64url without padding, as in JOSE (RFC 4648, 5; RFC 7515, 2). Decoding is strict: each string
 * of bytes has exactly one encoding.
 */
#ifndef MRC_CORE_BASE_BASE64URL_H
#define MRC_CORE_BASE_BASE64URL_H

#include "core/base/buf.h"

/* The length of the encoding of LEN bytes. */
static inline size_t mrc_base64url_encoded_len(size_t len)
{
    return len / 3 * 4 + (len % 3 ? len % 3 + 1 : 0);
}

/* Appends the encoding of BYTES to BUF. */
void mrc_base64url_encode(struct mrc_bytes bytes, struct mrc_buf *buf);

/*
 * Appends the bytes that TEXT encodes to BUF. MRC_EINVAL, and nothing is appended, for padding,
 * white space or any other foreign character, for an impossible length, and for unused bits that
 * are not zero. Otherwise the result is mrc_buf_error().
 */
enum mrc_err mrc_base64url_decode(struct mrc_bytes text, struct mrc_buf *buf);

#endif
