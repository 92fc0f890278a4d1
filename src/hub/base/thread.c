#include "hub/base/thread.h"

#include <pthread.h>
#include <signal.h>
#include <time.h>

#include "apr_portable.h"

#include "mrc_config.h"

#include "store/base/clock.h"

/* Signals that a thread itself causes by a fault. */
static const int faults[] = {SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGTRAP};

void mrc_thread_hold_signals(sigset_t *ret_mask)
{
    sigset_t all;

    sigfillset(&all);
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
        sigdelset(&all, faults[i]);
    pthread_sigmask(SIG_SETMASK, &all, ret_mask);
}

void mrc_thread_let_signals(const sigset_t *mask)
{
    pthread_sigmask(SIG_SETMASK, mask, NULL);
}

apr_status_t mrc_thread_start(apr_pool_t *pool, apr_thread_start_t run, void *arg,
                              apr_thread_t **ret_thread)
{
    apr_status_t status;
    sigset_t mask;

    mrc_thread_hold_signals(&mask); /* the new thread inherits the mask */
    status = apr_thread_create(ret_thread, NULL, run, arg, pool);
    mrc_thread_let_signals(&mask);
    return status;
}

/* The time of day may be set during the wait. An older C library knows no other clock for it, and
 * gcc's ThreadSanitizer does not know that this function joins. */
#if defined(HAVE_PTHREAD_CLOCKJOIN_NP) && !defined(__SANITIZE_THREAD__)
#define HAS_CLOCKJOIN
#define JOIN_CLOCK CLOCK_MONOTONIC
#else
#define JOIN_CLOCK CLOCK_REALTIME
#endif

bool mrc_thread_join(apr_thread_t *thread, int64_t until_us)
{
    int64_t left_us = until_us - mrc_clock_us();
    apr_os_thread_t *os_thread;
    struct timespec until;

    if (apr_os_thread_get(&os_thread, thread) != APR_SUCCESS)
        return false;
    clock_gettime(JOIN_CLOCK, &until);
    until.tv_nsec += left_us > 0 ? left_us % 1000000 * 1000 : 0;
    until.tv_sec += (left_us > 0 ? left_us / 1000000 : 0) + until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
#ifdef HAS_CLOCKJOIN
    return pthread_clockjoin_np(*os_thread, NULL, JOIN_CLOCK, &until) == 0;
#else
    return pthread_timedjoin_np(*os_thread, NULL, &until) == 0;
#endif
}

void mrc_thread_lock(pthread_mutex_t *mutex, sigset_t *ret_mask)
{
    sigset_t all;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, ret_mask);
    pthread_mutex_lock(mutex);
}

void mrc_thread_unlock(pthread_mutex_t *mutex, const sigset_t *mask)
{
    pthread_mutex_unlock(mutex);
    pthread_sigmask(SIG_SETMASK, mask, NULL);
}
