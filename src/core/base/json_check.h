/*
 * Checks that Jansson has read a text completely. Where it has no memory for one more character of
 * a string or a number, it leaves the character out and reports no error: an access token would
 * then grant other topics than its issuer wrote.
 */
#ifndef MRC_CORE_BASE_JSON_CHECK_H
#define MRC_CORE_BASE_JSON_CHECK_H

#include <jansson.h>

#include "core/base/bytes.h"
#include "core/base/err.h"

/*
 * Compares all strings and numbers of VALUE with TEXT, the valid JSON that Jansson parsed it from.
 * MRC_ENOMEM: they differ, or cannot be compared.
 */
enum mrc_err mrc_json_check(struct mrc_bytes text, const json_t *value);

#endif
