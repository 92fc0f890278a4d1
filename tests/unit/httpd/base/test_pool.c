/*
 * Pools without a parent end the process as httpd's do when memory runs out.
 */
#include "httpd/base/pool.h"

#include <setjmp.h>
#include <stdlib.h>

#include "apr_general.h"

#include "unit.h"

static jmp_buf at_end;

void ap_abort_on_oom(void);

/* httpd's function, which does not return. */
void ap_abort_on_oom(void)
{
    longjmp(at_end, 1);
}

/* Allocates more than malloc() gives. */
static void exhaust(apr_pool_t *pool)
{
    static volatile size_t size = SIZE_MAX / 4 * 3; /* the compiler warns of such a constant */

    if (setjmp(at_end))
        return;
    apr_palloc(pool, size);
    ck_abort_msg("the process goes on");
}

START_TEST(the_process_ends)
{
    apr_pool_t *pool, *child;
    apr_allocator_t *allocator;

    ck_assert_int_eq(apr_initialize(), APR_SUCCESS);
    ck_assert_int_eq(mrc_pool_create(&pool, NULL), APR_SUCCESS);
    ck_assert_int_eq(apr_pool_create(&child, pool), APR_SUCCESS);
    exhaust(child);
    exhaust(pool);
    apr_pool_destroy(pool);
    ck_assert_int_eq(apr_allocator_create(&allocator), APR_SUCCESS);
    ck_assert_int_eq(mrc_pool_create(&pool, allocator), APR_SUCCESS);
    apr_allocator_owner_set(allocator, pool);
    exhaust(pool);
    apr_pool_destroy(pool);
    ck_assert_int_eq(mrc_pool_create_unmanaged(&pool), APR_SUCCESS);
    exhaust(pool);
    apr_pool_destroy(pool);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("pool");
    TCase *tcase = tcase_create("pool");

    tcase_add_test(tcase, the_process_ends);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
