#include "hub/base/wake.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include "store_unit.h"

/* A wait that nothing ends fails with the timeout of its test. */
#define FOR_EVER (-1)

static bool is_readable(const struct mrc_wake *wake)
{
    struct pollfd pollfd = {.fd = wake->fd, .events = POLLIN};

    return poll(&pollfd, 1, 0) == 1;
}

START_TEST(a_post_before_the_wait_is_not_lost)
{
    struct mrc_wake wake;

    ck_assert_int_eq(mrc_wake_open(&wake, NULL), APR_SUCCESS);
    ck_assert(!is_readable(&wake));
    mrc_wake_post(&wake);
    ck_assert(is_readable(&wake));
    mrc_wake_wait(&wake, FOR_EVER);
    ck_assert(!is_readable(&wake));
    mrc_wake_close(&wake);
    ck_assert_int_eq(wake.fd, -1);
}
END_TEST

START_TEST(several_posts_are_one_wake_up)
{
    struct mrc_wake wake;

    ck_assert_int_eq(mrc_wake_open(&wake, NULL), APR_SUCCESS);
    for (int i = 0; i < 3; i++)
        mrc_wake_post(&wake);
    mrc_wake_drain(&wake);
    ck_assert(!is_readable(&wake));
    mrc_wake_drain(&wake); /* does not wait when there is nothing to drain */
    mrc_wake_close(&wake);
}
END_TEST

START_TEST(a_wait_has_an_end)
{
    struct mrc_wake wake;

    ck_assert_int_eq(mrc_wake_open(&wake, NULL), APR_SUCCESS);
    mrc_wake_wait(&wake, 1);
    ck_assert(!is_readable(&wake));
    mrc_wake_close(&wake);
}
END_TEST

#define ROUNDS 20000

static struct mrc_wake there, back;

static void *answer(void *unused)
{
    for (int i = 0; i < ROUNDS; i++) {
        mrc_wake_wait(&there, FOR_EVER);
        mrc_wake_post(&back);
    }
    return unused;
}

START_TEST(two_threads_wake_each_other)
{
    pthread_t thread;

    ck_assert_int_eq(mrc_wake_open(&there, NULL), APR_SUCCESS);
    ck_assert_int_eq(mrc_wake_open(&back, NULL), APR_SUCCESS);
    ck_assert_int_eq(pthread_create(&thread, NULL, answer, NULL), 0);
    for (int i = 0; i < ROUNDS; i++) {
        mrc_wake_post(&there);
        mrc_wake_wait(&back, FOR_EVER);
    }
    pthread_join(thread, NULL);
    mrc_wake_close(&there);
    mrc_wake_close(&back);
}
END_TEST

static void post_there(int unused)
{
    (void)unused;
    mrc_wake_post(&there);
}

START_TEST(a_signal_handler_may_post)
{
    struct sigaction action = {.sa_handler = post_there};

    ck_assert_int_eq(mrc_wake_open(&there, NULL), APR_SUCCESS);
    sigaction(SIGUSR1, &action, NULL);
    raise(SIGUSR1);
    mrc_wake_wait(&there, FOR_EVER);
    ck_assert(!is_readable(&there));
    mrc_wake_close(&there);
}
END_TEST

START_TEST(a_process_may_have_no_descriptor_left)
{
    struct rlimit before, none;
    struct mrc_wake wake;
    apr_status_t status;

    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = (struct rlimit){0, before.rlim_max};
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
    status = mrc_wake_open(&wake, NULL);
    setrlimit(RLIMIT_NOFILE, &before); /* LeakSanitizer needs descriptors at the end */
    ck_assert_int_eq(status, APR_FROM_OS_ERROR(EMFILE));
    ck_assert_int_eq(wake.fd, -1);
    mrc_wake_close(&wake);
}
END_TEST

START_TEST(its_pool_closes_it)
{
    apr_pool_t *pool = store_pool();
    struct mrc_wake wake;
    int fd;

    ck_assert_int_eq(mrc_wake_open(&wake, pool), APR_SUCCESS);
    fd = wake.fd;
    ck_assert_int_ge(fcntl(fd, F_GETFD), 0);
    apr_pool_destroy(pool);
    ck_assert_int_eq(fcntl(fd, F_GETFD), -1);
    ck_assert_int_eq(wake.fd, -1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("wake");
    TCase *tcase = tcase_create("wake");

    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, a_post_before_the_wait_is_not_lost);
    tcase_add_test(tcase, several_posts_are_one_wake_up);
    tcase_add_test(tcase, a_wait_has_an_end);
    tcase_add_test(tcase, two_threads_wake_each_other);
    tcase_add_test(tcase, a_signal_handler_may_post);
    tcase_add_test(tcase, a_process_may_have_no_descriptor_left);
    tcase_add_test(tcase, its_pool_closes_it);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
