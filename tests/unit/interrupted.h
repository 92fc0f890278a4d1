/*
 * Simulates how the prefork MPM ends a child: a signal handler interrupts a thread at any point and
 * waits for another thread, which does the same work. Shows whether the work takes a lock that the
 * interrupted thread may hold.
 */
#ifndef MRC_TESTS_INTERRUPTED_H
#define MRC_TESTS_INTERRUPTED_H

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <time.h>

#include "unit.h"

#define INTERRUPTED_TIMES  1000
#define INTERRUPTED_WAIT_S 10 /* a thread that takes longer waits for the interrupted one */

static struct {
    pthread_t thread; /* the interrupted thread */
    bool (*work)(void *ctx);
    void *ctx;
    sem_t asked, done;
    atomic_bool is_stuck, is_over, has_failed;
} interrupted;

static inline void interrupted_wait(int signal)
{
    struct timespec until;

    (void)signal;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += INTERRUPTED_WAIT_S;
    sem_post(&interrupted.asked);
    while (sem_timedwait(&interrupted.done, &until) != 0) {
        if (errno != EINTR) {
            interrupted.is_stuck = true;
            return;
        }
    }
}

static inline void interrupted_work(void)
{
    if (!interrupted.work(interrupted.ctx))
        interrupted.has_failed = true;
}

static inline void *interrupted_other(void *unused)
{
    const struct timespec pause = {.tv_nsec = 20000};

    for (int i = 0; i < INTERRUPTED_TIMES && !interrupted.is_stuck; i++) {
        nanosleep(&pause, NULL);
        pthread_kill(interrupted.thread, SIGUSR1);
        while (sem_wait(&interrupted.asked) != 0)
            ;
        interrupted_work();
        sem_post(&interrupted.done);
    }
    interrupted.is_over = true;
    return unused;
}

/*
 * Runs WORK again and again in two threads. Fails if it returns false, or if one thread waits for
 * the other. WORK must not use locks of a library, so it must not allocate or assert.
 */
static inline void interrupted_run(bool (*work)(void *ctx), void *ctx)
{
    struct sigaction action = {.sa_handler = interrupted_wait};
    pthread_t other;

    interrupted.thread = pthread_self();
    interrupted.work = work;
    interrupted.ctx = ctx;
    sem_init(&interrupted.asked, 0, 0);
    sem_init(&interrupted.done, 0, 0);
    sigaction(SIGUSR1, &action, NULL);
    ck_assert_int_eq(pthread_create(&other, NULL, interrupted_other, NULL), 0);
    while (!interrupted.is_over)
        interrupted_work();
    pthread_join(other, NULL);
    ck_assert(!interrupted.is_stuck);
    ck_assert(!interrupted.has_failed);
}

#endif
