/*
 * Reads JSON text (RFC 8259) piece by piece, without a parser: checks its grammar, and finds where
 * a value ends. A value may be nested to any depth; memory and time grow with the length of the
 * text.
 */
#ifndef MRC_CORE_BASE_JSON_SCAN_H
#define MRC_CORE_BASE_JSON_SCAN_H

#include "core/base/buf.h"
#include "core/base/bytes.h"
#include "core/base/err.h"

/* A place in a text, which is valid UTF-8 and outlives the scan. */
struct mrc_json_scan {
    struct mrc_bytes text;
    size_t at;
    struct mrc_buf open; /* the brackets that are open in the value that is read */
    struct mrc_error *error;
};

/* Begins at the front of TEXT. The caller calls mrc_json_scan_end() on RET_SCAN. */
void mrc_json_scan_begin(struct mrc_bytes text, struct mrc_error *error,
                         struct mrc_json_scan *ret_scan);

/* Frees the memory of SCAN, but not its text. */
void mrc_json_scan_end(struct mrc_json_scan *scan);

/* The next character that is not white space; 0: the text has ended. */
char mrc_json_scan_peek(struct mrc_json_scan *scan);

/* Reads the character C if it is the next one. */
bool mrc_json_scan_take(struct mrc_json_scan *scan, char c);

/* Reads a string. RET_CONTENT is what stands between its quotes, with its escapes. MRC_EINVAL. */
enum mrc_err mrc_json_scan_string(struct mrc_json_scan *scan, struct mrc_bytes *ret_content);

/* Reads any value. RET_VALUE is its text. MRC_EINVAL; MRC_ENOMEM. */
enum mrc_err mrc_json_scan_value(struct mrc_json_scan *scan, struct mrc_bytes *ret_value);

/* Sets the error for a text that breaks the grammar where SCAN is, and returns MRC_EINVAL. */
enum mrc_err mrc_json_scan_refuse(struct mrc_json_scan *scan);

/* Whether CONTENT, which mrc_json_scan_string() returned, stands for the ASCII text STR. */
bool mrc_json_scan_equals(struct mrc_bytes content, const char *str);

/*
 * Appends the text that CONTENT stands for to BUF; it is no longer than CONTENT. MRC_EINVAL, with
 * the reason in ERROR: CONTENT has half of a surrogate pair. Other errors are the buffer's.
 */
enum mrc_err mrc_json_scan_add_text(struct mrc_buf *buf, struct mrc_bytes content,
                                    struct mrc_error *error);

/* Whether CONTENT has neither NUL nor half of a surrogate pair. */
bool mrc_json_scan_is_text(struct mrc_bytes content);

/*
 * The length of the number at the front of TEXT; 0: there is none. RET_WHOLE: it has neither a
 * fraction nor an exponent.
 */
size_t mrc_json_scan_number(struct mrc_bytes text, bool *ret_whole);

#endif
