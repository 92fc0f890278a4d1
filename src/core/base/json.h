/*
 * Parses and writes JSON. Input from outside must be one value of bounded depth, without duplicate
 * members, and without NUL in strings.
 */
#ifndef MRC_CORE_BASE_JSON_H
#define MRC_CORE_BASE_JSON_H

#include <jansson.h>

#include "core/base/buf.h"
#include "core/base/bytes.h"
#include "core/base/err.h"

/* How deep arrays and objects may be nested in a token or a key. */
#define MRC_JSON_MAX_DEPTH 32

/*
 * Parses TEXT, which must be one JSON value. The caller json_decref()s it. MRC_EINVAL, and ERROR
 * says where the text is wrong, but never quotes it; MRC_ELIMIT past MRC_JSON_MAX_DEPTH;
 * MRC_ENOMEM. The words in ERROR complete a sentence: "the header is …".
 *
 * JSON has numbers of any size (RFC 8259, 6), and members that the hub does not use may hold them:
 * an integer beyond 64 bits becomes the nearest real number, and a number beyond double the largest
 * one of its sign.
 */
enum mrc_err mrc_json_parse(struct mrc_bytes text, struct mrc_error *error, json_t **ret_value);

/* The same for TEXT that must be an object. */
enum mrc_err mrc_json_parse_object(struct mrc_bytes text, struct mrc_error *error,
                                   json_t **ret_object);

/*
 * Writes VALUE as compact JSON, which the caller free()s. A number gets as many digits as it needs
 * to keep its value, and no more. MRC_ENOMEM.
 */
enum mrc_err mrc_json_print(const json_t *value, char **ret_text);

/* Appends TEXT, which is valid UTF-8, to BUF as a JSON string, with its quotes. */
void mrc_json_add_string(struct mrc_buf *buf, struct mrc_bytes text);

#endif
