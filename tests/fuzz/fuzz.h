/*
 * The functions of a fuzz target besides LLVMFuzzerTestOneInput(): they make its seeds from the
 * test vectors.
 *
 * A target is linked with libFuzzer (tests/fuzz/run), or with replay_vectors.c, which needs no
 * clang and runs it with the seeds and with mutations of them.
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

/* The files in tests/vectors/ from which seeds are made; NULL ends the list. */
extern const char *const fuzz_vectors[];

/* Writes the seed for ENTRY of such a file, or nothing if there is none. */
void fuzz_seed(const json_t *entry, struct mrc_buf *out);

/* Checks a property of the code under test. The fuzzer and the replay stop if it does not hold. */
#define FUZZ_CHECK(condition)                                                                      \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition);         \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

/* Takes the next part, up to a NUL byte, from the front of REST: inputs of several strings. */
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
