/*
 * base64url without padding, as JOSE writes it (RFC 4648, 5; RFC 7515, 2): one spelling for each
 * string of bytes, and nothing else is taken.
 */
#ifndef MRC_CORE_BASE_BASE64URL_H
#define MRC_CORE_BASE_BASE64URL_H

#include "core/base/buf.h"

/* The length of what LEN bytes are encoded to. */
static inline size_t mrc_base64url_encoded_len(size_t len)
{
    return len / 3 * 4 + (len % 3 ? len % 3 + 1 : 0);
}

/* Appends the encoding of BYTES to BUF. */
void mrc_base64url_encode(struct mrc_bytes bytes, struct mrc_buf *buf);

/*
 * Appends what TEXT stands for to BUF. MRC_EINVAL for padding, white space or any other stray
 * character, an impossible length, or unused bits that are not zero; then nothing was appended.
 * Otherwise what mrc_buf_error() says.
 */
enum mrc_err mrc_base64url_decode(struct mrc_bytes text, struct mrc_buf *buf);

#endif
