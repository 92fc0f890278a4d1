/*
 * What a fuzz target gives, beside LLVMFuzzerTestOneInput(): how its seeds come out of the vectors.
 *
 * A target is linked with libFuzzer (tests/fuzz/run), or with replay_vectors.c, which feeds it the
 * seeds, and mutations of them, without clang.
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

/* The files under tests/vectors/ that seeds are made of; NULL ends the list. */
extern const char *const fuzz_vectors[];

/* Writes the input that ENTRY of such a file stands for; nothing if it stands for none. */
void fuzz_seed(const json_t *entry, struct mrc_buf *out);

/* A broken promise of the code under test: the fuzzer, and the replay, stop at it. */
#define FUZZ_CHECK(condition)                                                                      \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #condition);              \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

/* Cuts the next part off REST, at a NUL byte: an input of several strings has one between them. */
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
