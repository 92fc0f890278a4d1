/*
 * Whether Jansson has read a text as it stands. Where it has no memory for one more character of a
 * string or a number, it leaves this character out, and reports no error: an access token would
 * grant other topics than its issuer has written.
 */
#ifndef MRC_CORE_BASE_JSON_CHECK_H
#define MRC_CORE_BASE_JSON_CHECK_H

#include <jansson.h>

#include "core/base/bytes.h"
#include "core/base/err.h"

/* Compares VALUE with TEXT, which is valid JSON and which Jansson has made it of: all strings and
 * numbers. MRC_ENOMEM: they differ, or cannot be compared. */
enum mrc_err mrc_json_check(struct mrc_bytes text, const json_t *value);

#endif
