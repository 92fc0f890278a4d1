/*
 * JSON that comes from outside: bounded in depth, one value, no member twice, no NUL in strings.
 */
#ifndef MRC_CORE_BASE_JSON_H
#define MRC_CORE_BASE_JSON_H

#include <jansson.h>

#include "core/base/buf.h"
#include "core/base/bytes.h"
#include "core/base/err.h"

/* How deep arrays and objects may nest in a token or a key. */
#define MRC_JSON_MAX_DEPTH 32

/*
 * Parses TEXT, which must be one JSON value. The caller json_decref()s it. MRC_EINVAL with words
 * that say where the text breaks (never what stands there), MRC_ELIMIT past MRC_JSON_MAX_DEPTH.
 *
 * JSON has numbers of any size (RFC 8259, 6), and what is none of ours may hold them: an integer
 * beyond 64 bits is the nearest real number, and one beyond double the largest of its sign.
 */
enum mrc_err mrc_json_parse(struct mrc_bytes text, struct mrc_error *error, json_t **ret_value);

/* The same of TEXT that must be an object. */
enum mrc_err mrc_json_parse_object(struct mrc_bytes text, struct mrc_error *error,
                                   json_t **ret_object);

/*
 * Writes VALUE as compact JSON; the caller free()s it. Numbers keep their value, with
 * no more digits than that takes. MRC_ENOMEM.
 */
enum mrc_err mrc_json_print(const json_t *value, char **ret_text);

/* Appends TEXT, which is UTF-8, to BUF as a JSON string, with its quotes. */
void mrc_json_add_string(struct mrc_buf *buf, struct mrc_bytes text);

#endif
