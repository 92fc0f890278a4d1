#include "httpd/child/accepting.h"

#include <stdbool.h>
#include <unistd.h>

#include "ap_mpm.h"
#include "scoreboard.h"

#include "unit.h"

/* The process of the test is the second of two children. */
static process_score processes[2];
static int patch;

/* The callback that is due. */
static ap_mpm_callback_fn_t *callback;

/* ---- httpd's functions ------------------------------------------------------------------------*/

void ap_get_server_revision(ap_version_t *version)
{
    *version = (ap_version_t){.major = 2, .minor = 4, .patch = patch};
}

process_score *ap_get_scoreboard_process(int child)
{
    return child < 2 ? &processes[child] : NULL;
}

apr_status_t ap_mpm_register_timed_callback(apr_time_t us, ap_mpm_callback_fn_t *fn, void *baton)
{
    ck_assert_int_lt(us, 0);
    ck_assert_ptr_null(callback);
    ck_assert_ptr_null(baton);
    callback = fn;
    return APR_SUCCESS;
}

/* ---- the cases --------------------------------------------------------------------------------*/

static void start(int patch_of_httpd, bool is_accepting)
{
    processes[0] = (process_score){.pid = getppid(), .not_accepting = is_accepting};
    processes[1] = (process_score){.pid = getpid(), .not_accepting = !is_accepting};
    patch = patch_of_httpd;
    callback = NULL;
}

static void suspend(conn_state_e state)
{
    conn_state_t cs = {.state = state};
    conn_rec c = {.cs = &cs};

    mrc_accepting_suspend_connection(&c, NULL);
}

/* Runs the callback that is due. */
static void call(void)
{
    ap_mpm_callback_fn_t *due = callback;

    ck_assert_ptr_nonnull(due);
    callback = NULL;
    due(NULL);
}

START_TEST(second_callback_wakes_the_listener_thread)
{
    start(52, false);
    suspend(CONN_STATE_SUSPENDED);
    call();
    call();
    ck_assert_ptr_null(callback);
}
END_TEST

START_TEST(child_that_accepts_needs_one_callback)
{
    start(52, true);
    suspend(CONN_STATE_SUSPENDED);
    call();
    ck_assert_ptr_null(callback);
    processes[1].pid = 0; /* httpd does not know the process yet */
    suspend(CONN_STATE_SUSPENDED);
    call();
    ck_assert_ptr_null(callback);
}
END_TEST

START_TEST(others_need_no_callback)
{
    conn_rec without_state = {0};

    start(52, false);
    suspend(CONN_STATE_LINGER);
    mrc_accepting_suspend_connection(&without_state, NULL); /* an MPM that is not asynchronous */
    ck_assert_ptr_null(callback);
    start(53, false);
    suspend(CONN_STATE_SUSPENDED);
    ck_assert_ptr_null(callback);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("accepting");
    TCase *tc = tcase_create("accepting");

    tcase_add_test(tc, second_callback_wakes_the_listener_thread);
    tcase_add_test(tc, child_that_accepts_needs_one_callback);
    tcase_add_test(tc, others_need_no_callback);
    suite_add_tcase(suite, tc);
    return unit_run(suite);
}
