#include "httpd/base/environment.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "apr_general.h"

#include "unit.h"

#define NAME   "MRC_TEST_SECRET"
#define SECRET "secret-of-the-test"

static apr_pool_t *pool;

static void setup(void)
{
    apr_initialize();
    apr_pool_create(&pool, NULL);
}

static void teardown(void)
{
    apr_terminate();
}

/* Whether the system shows TEXT in the environment with which this process was started. */
static bool is_shown(const char *text)
{
    static char shown[128 * 1024];
    size_t len = 0;
    int fd = open("/proc/self/environ", O_RDONLY);
    ssize_t n;

    ck_assert_int_ge(fd, 0);
    while ((n = read(fd, shown + len, sizeof(shown) - len)) > 0)
        len += (size_t)n;
    ck_assert_int_eq(n, 0);
    close(fd);
    return memmem(shown, len, text, strlen(text)) != NULL;
}

START_TEST(a_variable_that_was_read_is_hidden_until_the_pool_is_cleared)
{
    setenv("MRC_TEST_OTHER", "other", 1);
    setenv(NAME, SECRET, 1);
    ck_assert_str_eq(mrc_environment_read(pool, NAME), SECRET);
    ck_assert_str_eq(getenv(NAME), SECRET);
    mrc_environment_hide(pool);
    ck_assert_ptr_null(getenv(NAME));
    ck_assert_str_eq(getenv("MRC_TEST_OTHER"), "other");
    apr_pool_clear(pool);
    ck_assert_str_eq(getenv(NAME), SECRET);
    /* A configuration that does not read it does not hide it. */
    mrc_environment_hide(pool);
    ck_assert_str_eq(getenv(NAME), SECRET);
    ck_assert_str_eq(mrc_environment_read(pool, NAME), SECRET);
    mrc_environment_hide(pool);
    ck_assert_ptr_null(getenv(NAME));
}
END_TEST

START_TEST(a_variable_may_be_missing_empty_or_read_twice)
{
    unsetenv(NAME);
    ck_assert_ptr_null(mrc_environment_read(pool, NAME));
    setenv(NAME, "", 1);
    ck_assert_str_eq(mrc_environment_read(pool, NAME), "");
    setenv(NAME, SECRET, 1);
    for (int i = 0; i < 2; i++)
        ck_assert_str_eq(mrc_environment_read(pool, NAME), SECRET);
    mrc_environment_hide(pool);
    ck_assert_ptr_null(getenv(NAME));
    apr_pool_clear(pool);
    ck_assert_str_eq(getenv(NAME), SECRET);
}
END_TEST

START_TEST(a_child_does_not_set_it_again)
{
    int status;
    pid_t child;

    setenv(NAME, SECRET, 1);
    mrc_environment_read(pool, NAME);
    mrc_environment_hide(pool);
    child = fork();
    if (child == 0) {
        apr_pool_clear(pool);
        _exit(getenv(NAME) ? 1 : 0);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}
END_TEST

START_TEST(the_system_shows_it_no_more)
{
    ck_assert(is_shown(NAME "=" SECRET));
    ck_assert_str_eq(mrc_environment_read(pool, NAME), SECRET);
    mrc_environment_hide(pool);
    ck_assert(!is_shown(SECRET));
    ck_assert(is_shown(NAME "="));
    apr_pool_clear(pool);
    ck_assert(!is_shown(SECRET));
    ck_assert_str_eq(getenv(NAME), SECRET);
}
END_TEST

START_TEST(text_of_other_origin_is_not_written_to)
{
    static const char constant[] = NAME "=" SECRET; /* in memory that is read-only */

    putenv((char *)constant);
    ck_assert_str_eq(mrc_environment_read(pool, NAME), SECRET);
    mrc_environment_hide(pool);
    ck_assert_ptr_null(getenv(NAME));
    ck_assert_str_eq(constant, NAME "=" SECRET);
}
END_TEST

/* The test starts itself again, with the variable. */
int main(int argc, char *argv[])
{
    Suite *suite = suite_create("environment");
    TCase *tcase = tcase_create("environment");

    if (!getenv(NAME)) {
        setenv(NAME, SECRET, 1);
        execv("/proc/self/exe", argv);
        return EXIT_FAILURE;
    }
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, a_variable_that_was_read_is_hidden_until_the_pool_is_cleared);
    tcase_add_test(tcase, a_variable_may_be_missing_empty_or_read_twice);
    tcase_add_test(tcase, a_child_does_not_set_it_again);
    tcase_add_test(tcase, the_system_shows_it_no_more);
    tcase_add_test(tcase, text_of_other_origin_is_not_written_to);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
