/*
 * Shared by all unit test programs: runs one suite and prints TAP on standard output.
 */
#ifndef MRC_TESTS_UNIT_H
#define MRC_TESTS_UNIT_H

#include <stdlib.h>

#include <check.h>

#include "core/base/bytes.h"

/*
 * Runs SUITE, each test in a process of its own, and frees it. Returns the exit status for the
 * program.
 */
static inline int unit_run(Suite *suite)
{
    SRunner *runner = srunner_create(suite);
    int failed;

    srunner_set_tap(runner, "-");
    srunner_run_all(runner, CK_SILENT);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}

/*
 * How many instructions apart processes die: USUAL, or MRC_CRASH_STRIDE; 1 tests every instruction.
 * Under a sanitizer, the same work has many more instructions.
 */
static inline unsigned unit_crash_stride(unsigned usual)
{
    const char *env = getenv("MRC_CRASH_STRIDE");
    unsigned stride = env && *env ? (unsigned)strtoul(env, NULL, 10) : usual;

#ifdef __SANITIZE_ADDRESS__
    stride *= 7;
#endif
#ifdef __SANITIZE_THREAD__
    stride *= 37;
#endif
    ck_assert_uint_gt(stride, 0);
    return stride;
}

/* Fails unless the view BYTES holds exactly the terminated string STR. */
#define ck_assert_bytes_eq(bytes, str)                                                             \
    do {                                                                                           \
        struct mrc_bytes got_ = (bytes);                                                           \
        ck_assert_msg(mrc_bytes_eq_str(got_, (str)), "got \"%.*s\", want \"%s\"", (int)got_.len,   \
                      got_.ptr, (str));                                                            \
    } while (0)

#endif
