#include "httpd/exchange/scoreboard.h"

#include <limits.h>
#include <stdlib.h>

#include "ap_mpm.h"
#include "scoreboard.h"

#include "httpd/base/connection.h"
#include "unit.h"

/* ServerLimit and ThreadLimit. */
static int children, threads;

/*
 * ---- httpd's functions, and those of the layer below -------------------------------------------
 */

apr_status_t ap_mpm_query(int code, int *ret_value)
{
    ck_assert(code == AP_MPMQ_HARD_LIMIT_DAEMONS || code == AP_MPMQ_HARD_LIMIT_THREADS);
    *ret_value = code == AP_MPMQ_HARD_LIMIT_DAEMONS ? children : threads;
    return APR_SUCCESS;
}

worker_score *ap_get_scoreboard_worker(ap_sb_handle_t *handle)
{
    (void)handle;
    abort();
}

worker_score *ap_get_scoreboard_worker_from_indexes(int child, int thread)
{
    (void)child, (void)thread;
    abort();
}

process_score *ap_get_scoreboard_process(int child)
{
    (void)child;
    abort();
}

void ap_create_sb_handle(ap_sb_handle_t **ret_handle, apr_pool_t *pool, int child, int thread)
{
    (void)ret_handle, (void)pool, (void)child, (void)thread;
    abort();
}

int ap_update_child_status(ap_sb_handle_t *handle, int status, request_rec *r)
{
    (void)handle, (void)status, (void)r;
    abort();
}

int ap_update_child_status_from_indexes(int child, int thread, int status, request_rec *r)
{
    (void)child, (void)thread, (void)status, (void)r;
    abort();
}

void mrc_connection_set_hidden(conn_rec *c)
{
    (void)c;
    abort();
}

bool mrc_connection_is_hidden(conn_rec *c)
{
    (void)c;
    abort();
}

/* ---- the numbers of secondary connections -----------------------------------------------------*/

static int compare(const void *a, const void *b)
{
    const long *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

#define CHILDREN 16
#define JOBS     4096

START_TEST(connections_have_different_numbers)
{
    static long ids[CHILDREN * JOBS];
    size_t n = 0;

    children = CHILDREN;
    threads = 64;
    for (int child = 0; child < children; child++) {
        for (unsigned job = 0; job < JOBS; job++)
            ids[n++] = mrc_scoreboard_connection_id(child, UINT_MAX - JOBS / 2 + job);
    }
    qsort(ids, n, sizeof(*ids), compare);
    ck_assert_int_ge(ids[0], CHILDREN * 64); /* the numbers of the MPM are below */
    for (size_t i = 1; i < n; i++)
        ck_assert_int_lt(ids[i - 1], ids[i]);
}
END_TEST

START_TEST(numbers_of_the_largest_server_are_not_negative)
{
    static const unsigned jobs[] = {0, 1, 87381, 1U << 20, INT_MAX, UINT_MAX};

    children = threads = 20000; /* event's maxima */
    for (size_t i = 0; i < sizeof(jobs) / sizeof(*jobs); i++) {
        ck_assert_int_ge(mrc_scoreboard_connection_id(0, jobs[i]), 400000000);
        ck_assert_int_ge(mrc_scoreboard_connection_id(19999, jobs[i]), 400000000);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("scoreboard");
    TCase *tc = tcase_create("scoreboard");

    tcase_add_test(tc, connections_have_different_numbers);
    tcase_add_test(tc, numbers_of_the_largest_server_are_not_negative);
    suite_add_tcase(suite, tc);
    return unit_run(suite);
}
