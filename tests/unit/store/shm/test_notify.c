/* Wake-ups: each slot has its own, they add up, and none waits. */
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "store/shm/notify.h"
#include "store_unit.h"

#define SLOTS 3

static struct mrc_notify *notify;

static void setup(void)
{
    struct mrc_error error = {""};

    ck_assert_int_eq(mrc_notify_create(store_pool(), SLOTS, &error, &notify), APR_SUCCESS);
}

static void teardown(void)
{
    mrc_notify_close(notify);
    mrc_notify_close(notify);
    mrc_notify_close(NULL);
}

static bool is_readable(int fd)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};

    return poll(&poll_fd, 1, 0) == 1;
}

START_TEST(each_slot_has_its_own)
{
    mrc_notify_wake(notify, 1);
    for (unsigned slot = 0; slot < SLOTS; slot++)
        ck_assert_int_eq(is_readable(mrc_notify_fd(notify, slot)), slot == 1);
    ck_assert(!is_readable(mrc_notify_bell_fd(notify)));
    mrc_notify_drain(notify, 0);
    ck_assert(is_readable(mrc_notify_fd(notify, 1)));
    mrc_notify_drain(notify, 1);
    ck_assert(!is_readable(mrc_notify_fd(notify, 1)));
    mrc_notify_ring_bell(notify);
    ck_assert(is_readable(mrc_notify_bell_fd(notify)));
    for (unsigned slot = 0; slot < SLOTS; slot++)
        ck_assert(!is_readable(mrc_notify_fd(notify, slot)));
}
END_TEST

START_TEST(there_are_no_further_slots)
{
    ck_assert_int_eq(mrc_notify_fd(notify, SLOTS), -1);
    mrc_notify_wake(notify, SLOTS);
    mrc_notify_drain(notify, SLOTS);
    for (unsigned slot = 0; slot < SLOTS; slot++)
        ck_assert(!is_readable(mrc_notify_fd(notify, slot)));
}
END_TEST

/* One drain takes all wake-ups, also those of another process. */
START_TEST(wake_ups_add_up)
{
    int status;
    pid_t pid = fork();

    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        for (int i = 0; i < 1000; i++)
            mrc_notify_wake(notify, 2);
        _exit(0);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
    ck_assert(is_readable(mrc_notify_fd(notify, 2)));
    mrc_notify_drain(notify, 2);
    ck_assert(!is_readable(mrc_notify_fd(notify, 2)));
}
END_TEST

/* Neither a full counter nor an empty one makes a caller wait. */
START_TEST(nobody_waits)
{
    const uint64_t most = UINT64_MAX - 1;

    mrc_notify_drain(notify, 0);
    ck_assert_int_eq(write(mrc_notify_fd(notify, 0), &most, sizeof(most)), sizeof(most));
    mrc_notify_wake(notify, 0);
    ck_assert(is_readable(mrc_notify_fd(notify, 0)));
}
END_TEST

static unsigned open_descriptors(void)
{
    DIR *dir = opendir("/proc/self/fd");
    unsigned n = 0;

    while (readdir(dir))
        n++;
    closedir(dir);
    return n;
}

START_TEST(descriptors_are_closed)
{
    unsigned with = open_descriptors();

    ck_assert_int_eq(fcntl(mrc_notify_fd(notify, 0), F_GETFD), FD_CLOEXEC);
    ck_assert_int_eq(fcntl(mrc_notify_bell_fd(notify), F_GETFD), FD_CLOEXEC);
    mrc_notify_close(notify);
    ck_assert_uint_eq(open_descriptors(), with - SLOTS - 1);
    ck_assert_int_eq(mrc_notify_fd(notify, 0), -1);
}
END_TEST

/* Wherever the descriptors run out. */
START_TEST(nothing_stays_open_without_descriptors)
{
    struct mrc_notify *none = NULL;
    struct mrc_error error = {""};
    struct rlimit before, less;
    int next = open("/dev/null", O_RDONLY); /* the lowest that is free */

    close(next);
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
    for (unsigned i = 0; i <= SLOTS; i++) {
        less = (struct rlimit){.rlim_cur = (rlim_t)next + i, .rlim_max = before.rlim_max};
        ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &less), 0);
        ck_assert_int_eq(mrc_notify_create(store_pool(), SLOTS, &error, &none), EMFILE);
        ck_assert_ptr_null(none);
        ck_assert_ptr_nonnull(strstr(error.text, "descriptor"));
        ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
        ck_assert_int_eq(open("/dev/null", O_RDONLY), next);
        close(next);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("notify");
    TCase *tcase = tcase_create("notify");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, each_slot_has_its_own);
    tcase_add_test(tcase, there_are_no_further_slots);
    tcase_add_test(tcase, wake_ups_add_up);
    tcase_add_test(tcase, nobody_waits);
    tcase_add_test(tcase, descriptors_are_closed);
    tcase_add_test(tcase, nothing_stays_open_without_descriptors);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
