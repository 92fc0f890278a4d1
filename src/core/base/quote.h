/*
 * Makes bytes from outside safe for a message: quoted, printable, and cut to a maximum length.
 */
#ifndef MRC_CORE_BASE_QUOTE_H
#define MRC_CORE_BASE_QUOTE_H

#include "core/base/bytes.h"

#define MRC_QUOTE_BYTES 64

struct mrc_quote {
    char text[MRC_QUOTE_BYTES + 8];
};

/*
 * Writes BYTES to QUOTE, between double quotes. Quotes, backslashes and all bytes that are not
 * printable ASCII become `?`. The text is cut off after MRC_QUOTE_BYTES bytes and then ends in
 * "...". Returns the text, which lives as long as QUOTE.
 */
const char *mrc_quote(struct mrc_quote *quote, struct mrc_bytes bytes);

#endif
