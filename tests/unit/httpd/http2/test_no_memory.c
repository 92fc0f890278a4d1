/*
 * Sessions with each allocation failing in turn: the programs of the fuzz target's vectors run, and
 * nothing is left of a session.
 */
#include "fuzz_http2.c"
#include "unit.h"
#include "vectors.h"

/* More allocations than any program makes. */
#define ALLOCATIONS_MAX 5000

static void run(const struct mrc_buf *program)
{
    LLVMFuzzerTestOneInput((const uint8_t *)program->ptr, program->len);
}

/*
 * Runs PROGRAM until LEFT allocations have succeeded. The step that limits allocations holds one
 * byte, so the count is set by hand after the beginning.
 */
static bool run_short(const struct mrc_buf *program, long left)
{
    struct mrc_bytes rest = mrc_buf_bytes(program);
    bool ok = true, has_failed;

    begin();
    world.was_short = true;
    alloc_left = left;
    while (rest.len && ok)
        ok = step(&rest);
    if (ok)
        turn();
    has_failed = alloc_left < 0;
    alloc_left = -1;
    end();
    return has_failed;
}

START_TEST(nothing_is_left_of_a_session)
{
    json_t *root = vectors_load(fuzz_vectors[0]), *vector;
    long total = 0;
    size_t i;

    json_array_foreach(root, i, vector)
    {
        struct mrc_buf program;
        bool has_failed = true;
        long n;

        mrc_buf_init(&program, SIZE_MAX);
        fuzz_seed(vector, &program);
        run(&program);
        for (n = 0; has_failed && n < ALLOCATIONS_MAX; n++) {
            long before = alloc_bytes;

            has_failed = run_short(&program, n);
            ck_assert_msg(alloc_bytes <= before, "%s: %ld: %ld bytes are lost",
                          json_string_value(json_object_get(vector, "name")), n,
                          alloc_bytes - before);
        }
        total += n;
        mrc_buf_free(&program);
    }
    ck_assert_int_gt(total, 100);
    json_decref(root);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("no_memory");
    TCase *tcase = tcase_create("no_memory");

    tcase_set_timeout(tcase, 300);
    tcase_add_test(tcase, nothing_is_left_of_a_session);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
