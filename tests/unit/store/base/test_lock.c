/*
 * The lock for shared memory: it excludes, it keeps its deadline, and when its owner dies, the next
 * owner gets it and learns of the death once.
 */
#include "store/base/lock.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>

#include "mrc_config.h"
#include "store/base/clock.h"
#include "store_unit.h"

static struct shared {
    union mrc_lock lock;
    _Atomic int ready;  /* processes and threads that have reached this point */
    uint64_t counter;   /* guarded by the lock */
    uint64_t half_done; /* 1: the owner is in the middle of a change */
} * shared;

static void setup(void)
{
    ck_assert_int_eq(apr_initialize(), APR_SUCCESS);
    shared = store_shared(sizeof(*shared));
    ck_assert_int_eq(mrc_lock_init(&shared->lock), APR_SUCCESS);
}

/* Acquires the lock, which must succeed. Returns whether the last owner died. */
static bool acquire(int64_t wait_us)
{
    bool owner_died;

    ck_assert_int_eq(mrc_lock_acquire(&shared->lock, wait_us, &owner_died), APR_SUCCESS);
    return owner_died;
}

/* Runs WORK in a process of its own. */
static pid_t start(void (*work)(void))
{
    pid_t pid = fork();

    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        work();
        _exit(0);
    }
    return pid;
}

static void wait_ready(int count)
{
    while (atomic_load(&shared->ready) < count)
        usleep(100);
}

/* Kills PID, which waits to be killed, and reaps it. */
static void kill_and_reap(pid_t pid)
{
    int status;

    kill(pid, SIGKILL);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert(WIFSIGNALED(status));
}

static void hold_forever(void)
{
    bool owner_died;

    if (mrc_lock_acquire(&shared->lock, MRC_LOCK_WAIT_FOREVER, &owner_died) != APR_SUCCESS)
        _exit(1);
    shared->half_done = 1;
    atomic_fetch_add(&shared->ready, 1);
    for (;;)
        pause();
}

START_TEST(is_acquired_and_released)
{
    for (int i = 0; i < 3; i++) {
        ck_assert(!acquire(i == 0 ? 0 : i == 1 ? 1000 : MRC_LOCK_WAIT_FOREVER));
        mrc_lock_release(&shared->lock);
    }
}
END_TEST

START_TEST(keeps_its_deadline)
{
    pid_t owner = start(hold_forever);
    bool owner_died = true;
    int64_t start_us;

    wait_ready(1);
    ck_assert_int_eq(mrc_lock_acquire(&shared->lock, 0, &owner_died), APR_TIMEUP);
    start_us = mrc_clock_us();
    ck_assert_int_eq(mrc_lock_acquire(&shared->lock, 30000, &owner_died), APR_TIMEUP);
    ck_assert_int_ge(mrc_clock_us() - start_us, 30000);
    /* More than a second, to test whole seconds and the rest together. */
    start_us = mrc_clock_us();
    ck_assert_int_eq(mrc_lock_acquire(&shared->lock, 1200000, &owner_died), APR_TIMEUP);
    ck_assert_int_ge(mrc_clock_us() - start_us, 1200000);
    ck_assert(owner_died); /* untouched on failure */
    kill_and_reap(owner);
}
END_TEST

/* ---- the clock is set -------------------------------------------------------------------------*/

static pid_t killed_in_wait; /* 0: none */

/* When the caller begins to wait, the time of day is set forward past its deadline; after that, the
 * owner of the lock dies. */
static bool set_clock(void)
{
    pid_t owner = killed_in_wait;

    if (!owner)
        return false;
    killed_in_wait = 0;
    kill_and_reap(owner);
    return true;
}

int __real_pthread_mutex_timedlock(pthread_mutex_t *mutex, const struct timespec *until);
int __wrap_pthread_mutex_timedlock(pthread_mutex_t *mutex, const struct timespec *until);

int __wrap_pthread_mutex_timedlock(pthread_mutex_t *mutex, const struct timespec *until)
{
    return set_clock() ? ETIMEDOUT : __real_pthread_mutex_timedlock(mutex, until);
}

#ifdef HAVE_PTHREAD_MUTEX_CLOCKLOCK
int __real_pthread_mutex_clocklock(pthread_mutex_t *mutex, clockid_t clock,
                                   const struct timespec *until);
int __wrap_pthread_mutex_clocklock(pthread_mutex_t *mutex, clockid_t clock,
                                   const struct timespec *until);

int __wrap_pthread_mutex_clocklock(pthread_mutex_t *mutex, clockid_t clock,
                                   const struct timespec *until)
{
    return set_clock() && clock == CLOCK_REALTIME
               ? ETIMEDOUT
               : __real_pthread_mutex_clocklock(mutex, clock, until);
}
#endif

START_TEST(a_new_time_of_day_does_not_end_the_wait)
{
    killed_in_wait = start(hold_forever);
    wait_ready(1);
    ck_assert(acquire(50000000));
    ck_assert_int_eq(killed_in_wait, 0);
    mrc_lock_release(&shared->lock);
}
END_TEST

START_TEST(a_dead_owner_is_reported_once)
{
    pid_t owner = start(hold_forever);

    wait_ready(1);
    kill_and_reap(owner);
    ck_assert(acquire(0));
    ck_assert_uint_eq(shared->half_done, 1); /* the repair is the new owner's */
    shared->half_done = 0;
    mrc_lock_release(&shared->lock);
    ck_assert(!acquire(0));
    mrc_lock_release(&shared->lock);
}
END_TEST

static void repair_and_die(void)
{
    bool owner_died = false;

    if (mrc_lock_acquire(&shared->lock, MRC_LOCK_WAIT_FOREVER, &owner_died) != APR_SUCCESS ||
        !owner_died)
        _exit(1);
    raise(SIGKILL);
}

START_TEST(a_death_in_the_repair_is_reported_again)
{
    pid_t owner = start(hold_forever);
    pid_t repairer;
    int status;

    wait_ready(1);
    kill_and_reap(owner);
    repairer = start(repair_and_die);
    ck_assert_int_eq(waitpid(repairer, &status, 0), repairer);
    ck_assert(WIFSIGNALED(status));
    ck_assert(acquire(1000));
    mrc_lock_release(&shared->lock);
    ck_assert(!acquire(0));
    mrc_lock_release(&shared->lock);
}
END_TEST

struct waiter {
    pthread_t thread;
    int64_t wait_us;
    bool owner_died; /* result */
};

static void *wait_for_lock(void *arg)
{
    struct waiter *waiter = arg;

    atomic_fetch_add(&shared->ready, 1);
    waiter->owner_died = acquire(waiter->wait_us);
    shared->counter++;
    mrc_lock_release(&shared->lock);
    return NULL;
}

/*
 * The death of an owner wakes the threads that are already waiting, with a deadline or without one.
 */
START_TEST(a_waiter_gets_the_lock_of_a_dead_owner)
{
    int64_t wait_us = _i ? 50000000 : MRC_LOCK_WAIT_FOREVER;
    struct waiter waiters[] = {{.wait_us = wait_us}, {.wait_us = wait_us}};
    pid_t owner = start(hold_forever);

    wait_ready(1);
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(pthread_create(&waiters[i].thread, NULL, wait_for_lock, &waiters[i]), 0);
    wait_ready(3);
    usleep(20000); /* by then they most likely sleep in the lock */
    kill_and_reap(owner);
    for (int i = 0; i < 2; i++)
        pthread_join(waiters[i].thread, NULL);
    ck_assert_uint_eq(shared->counter, 2);
    ck_assert_int_eq(waiters[0].owner_died + waiters[1].owner_died, 1);
    ck_assert(!acquire(0));
    mrc_lock_release(&shared->lock);
}
END_TEST

#define ROUNDS 20000

static void count(void)
{
    for (int i = 0; i < ROUNDS; i++) {
        acquire(i % 2 ? 50000000 : MRC_LOCK_WAIT_FOREVER);
        shared->counter++;
        mrc_lock_release(&shared->lock);
    }
}

static void *count_in_thread(void *unused)
{
    count();
    return NULL;
}

START_TEST(excludes_processes_and_threads)
{
    pid_t pid = start(count);
    pthread_t thread;
    int status;

    ck_assert_int_eq(pthread_create(&thread, NULL, count_in_thread, NULL), 0);
    count();
    pthread_join(thread, NULL);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
    ck_assert_uint_eq(shared->counter, 3 * ROUNDS);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("lock");
    TCase *tcase = tcase_create("lock");

    tcase_set_timeout(tcase, 120);
    tcase_add_checked_fixture(tcase, setup, NULL);
    tcase_add_test(tcase, is_acquired_and_released);
    tcase_add_test(tcase, keeps_its_deadline);
    tcase_add_test(tcase, a_new_time_of_day_does_not_end_the_wait);
    tcase_add_test(tcase, a_dead_owner_is_reported_once);
    tcase_add_test(tcase, a_death_in_the_repair_is_reported_again);
    tcase_add_loop_test(tcase, a_waiter_gets_the_lock_of_a_dead_owner, 0, 2);
    tcase_add_test(tcase, excludes_processes_and_threads);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
