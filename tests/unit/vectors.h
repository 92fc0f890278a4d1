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

/* The code of the escape `\uXXXX` at the front of TEXT, or -1. */
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
 * Replaces every unpaired surrogate by U+FFFD. JavaScript, for which the vectors are made, does the
 * same when it passes a string to a URL. Jansson refuses unpaired surrogates.
 */
static inline void vectors_fix_surrogates(char *text)
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

/* Reports what is wrong with the file PATH, and ends the program and so the test. */
static inline void vectors_fail(const char *path, int line, const char *what)
{
    fprintf(stderr, "%s:%d: %s\n", path, line, what);
    exit(1);
}

/* Reads tests/vectors/NAME. The caller json_decref()s the value. On error, the test fails. */
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
    vectors_fix_surrogates(text);
    root = json_loads(text, JSON_ALLOW_NUL, &error);
    if (!root)
        vectors_fail(path, error.line, error.text);
    free(text);
    return root;
}

/* A view of the JSON string VALUE, which must outlive it. { NULL, 0 }: VALUE is not a string. */
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
