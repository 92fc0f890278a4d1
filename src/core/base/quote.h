/*
 * Somebody else's bytes inside a sentence of ours: quoted, printable, and never long.
 */
#ifndef MRC_CORE_BASE_QUOTE_H
#define MRC_CORE_BASE_QUOTE_H

#include "core/base/bytes.h"

#define MRC_QUOTE_BYTES 64

struct mrc_quote {
    char text[MRC_QUOTE_BYTES + 8];
};

/*
 * Writes BYTES into QUOTE between double quotes; what is not printable ASCII, and quotes and
 * backslashes, become `?`; after MRC_QUOTE_BYTES bytes it is cut, and ends in "...". Returns the
 * text, which lives as long as QUOTE.
 */
const char *mrc_quote(struct mrc_quote *quote, struct mrc_bytes bytes);

#endif
