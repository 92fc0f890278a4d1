/*
 * What a fuzz target defines besides LLVMFuzzerTestOneInput(): how to make its seeds from the
 * vectors.
 *
 * A target is linked with libFuzzer (tests/fuzz/run), or with replay_vectors.c, which runs it with
 * the seeds and with mutations of them, and does not need clang.
 */
#ifndef MRC_TESTS_FUZZ_H
#define MRC_TESTS_FUZZ_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/base/buf.h"
#include "core/base/bytes.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The files under tests/vectors/ from which the seeds are made; NULL ends the list. */
extern const char *const fuzz_vectors[];

/* Writes the input that ENTRY of such a file gives, or nothing if it gives none. */
void fuzz_seed(const json_t *entry, struct mrc_buf *out);

/* Checks a guarantee of the code under test; stops the fuzzer or the replay if it fails. */
#define FUZZ_CHECK(condition)                                                                      \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: check failed: %s\n", __FILE__, __LINE__, #condition);          \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

/* Takes the next part off REST, up to a NUL byte, which separates the strings of an input. */
static inline struct mrc_bytes fuzz_cut(struct mrc_bytes *rest)
{
    const char *end = rest->len ? memchr(rest->ptr, '\0', rest->len) : NULL;
    struct mrc_bytes part = {rest->ptr, end ? (size_t)(end - rest->ptr) : rest->len};
    size_t taken = part.len + (end ? 1 : 0);

    rest->ptr += taken;
    rest->len -= taken;
    return part;
}

#endif
