/*
 * Test vectors: JSON files under tests/vectors/.
 */
#ifndef MRC_TESTS_VECTORS_H
#define MRC_TESTS_VECTORS_H

#include <ctype.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/buf.h"
#include "core/base/bytes.h"

/* The number of the escape `\uXXXX` that TEXT begins with, or -1. */
static inline long vectors_escape_at(const char *text)
{
    char digits[5] = "";

    if (text[0] != '\\' || text[1] != 'u')
        return -1;
    for (int i = 0; i < 4; i++) {
        if (!isxdigit((unsigned char)text[2 + i]))
            return -1;
        digits[i] = text[2 + i];
    }
    return strtol(digits, NULL, 16);
}

/*
 * Writes U+FFFD for every surrogate without its other half: what JavaScript does when it passes a
 * string to a URL, and the vectors are of JavaScript. Jansson refuses such strings altogether.
 */
static inline void vectors_mend_surrogates(char *text)
{
    for (char *at = text; *at; at++) {
        long code = vectors_escape_at(at);

        if (at[0] == '\\' && code < 0 && at[1]) {
            at++;
        } else if (code >= 0xD800 && code <= 0xDBFF) {
            long next = vectors_escape_at(at + 6);

            if (next >= 0xDC00 && next <= 0xDFFF)
                at += 11;
            else
                memcpy(at + 2, "fffd", 4);
        } else if (code >= 0xDC00 && code <= 0xDFFF) {
            memcpy(at + 2, "fffd", 4);
        }
    }
}

/* Ends the program, and thus the test, with what is wrong about the file PATH. */
static inline void vectors_fail(const char *path, int line, const char *what)
{
    fprintf(stderr, "%s:%d: %s\n", path, line, what);
    exit(1);
}

/* Reads tests/vectors/NAME, or fails the test; the caller json_decref()s the value. */
static inline json_t *vectors_load(const char *name)
{
    char path[1024];
    struct mrc_buf buf;
    json_error_t error;
    json_t *root;
    char *text;
    FILE *file;

    snprintf(path, sizeof(path), "%s/%s", VECTORS_DIR, name);
    file = fopen(path, "rb");
    if (!file)
        vectors_fail(path, 0, "cannot be read");
    mrc_buf_init(&buf, 10 << 20);
    for (;;) {
        char block[4096];
        size_t len = fread(block, 1, sizeof(block), file);

        if (!len)
            break;
        mrc_buf_add(&buf, block, len);
    }
    fclose(file);
    text = mrc_buf_take(&buf, NULL);
    if (!text)
        vectors_fail(path, 0, "is too large");
    vectors_mend_surrogates(text);
    root = json_loads(text, JSON_ALLOW_NUL, &error);
    if (!root)
        vectors_fail(path, error.line, error.text);
    free(text);
    return root;
}

/* The bytes of the JSON string VALUE, which must outlive the view; { NULL, 0 } if it is none. */
static inline struct mrc_bytes vectors_bytes(const json_t *value)
{
    if (!json_is_string(value))
        return (struct mrc_bytes){NULL, 0};
    return (struct mrc_bytes){json_string_value(value), json_string_length(value)};
}

/* The same for the member NAME of OBJECT. */
static inline struct mrc_bytes vectors_member(const json_t *object, const char *name)
{
    return vectors_bytes(json_object_get(object, name));
}

#endif
