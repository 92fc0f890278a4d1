/*
 * Test vectors: JSON files under tests/vectors/.
 */
#ifndef MRC_TESTS_VECTORS_H
#define MRC_TESTS_VECTORS_H

#include <check.h>
#include <jansson.h>

#include "core/bytes.h"

/* Reads tests/vectors/NAME, or fails the test; the caller json_decref()s the value. */
static inline json_t *vectors_load(const char *name)
{
    char path[1024];
    json_error_t error;
    json_t *root;

    snprintf(path, sizeof(path), "%s/%s", VECTORS_DIR, name);
    root = json_load_file(path, JSON_ALLOW_NUL, &error);
    ck_assert_msg(root != NULL, "%s:%d: %s", path, error.line, error.text);
    return root;
}

/* The bytes of the JSON string VALUE, which must outlive the view; { NULL, 0 } if it is none. */
static inline struct mrc_bytes vectors_bytes(const json_t *value)
{
    if (!json_is_string(value))
        return (struct mrc_bytes){NULL, 0};
    return (struct mrc_bytes){json_string_value(value), json_string_length(value)};
}

#endif
