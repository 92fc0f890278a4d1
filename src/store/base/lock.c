#include "store/base/lock.h"

#include <errno.h>
#include <time.h>

#include "mrc_config.h"

#include "store/base/clock.h"

#ifdef __SANITIZE_THREAD__
#include <sanitizer/tsan_interface.h>
#endif

apr_status_t mrc_lock_init(union mrc_lock *lock)
{
    pthread_mutexattr_t attr;
    int err = pthread_mutexattr_init(&attr);

    if (err)
        return err;
    err = pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
    if (!err)
        err = pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
    if (!err)
        err = pthread_mutex_init(&lock->mutex, &attr);
    pthread_mutexattr_destroy(&attr);
    return err;
}

/* The time of day may be set during the wait. An older C library knows no other clock for it, and
 * gcc's ThreadSanitizer does not know that this function locks. */
#if defined(HAVE_PTHREAD_MUTEX_CLOCKLOCK) && !defined(__SANITIZE_THREAD__)
#define HAS_CLOCKLOCK
#define LOCK_CLOCK CLOCK_MONOTONIC
#else
#define LOCK_CLOCK CLOCK_REALTIME
#endif

/* The time that is WAIT_US from now. */
static struct timespec deadline(int64_t wait_us)
{
    struct timespec at;

    clock_gettime(LOCK_CLOCK, &at);
    at.tv_sec += (time_t)(wait_us / 1000000);
    at.tv_nsec += (long)(wait_us % 1000000) * 1000;
    if (at.tv_nsec >= 1000000000) {
        at.tv_nsec -= 1000000000;
        at.tv_sec++;
    }
    return at;
}

#ifdef HAS_CLOCKLOCK

static int wait_for(pthread_mutex_t *mutex, int64_t wait_us)
{
    const struct timespec until = deadline(wait_us);

    return pthread_mutex_clocklock(mutex, LOCK_CLOCK, &until);
}

#else

/* Keeps waiting if the time of day is set forward. If it is set back, the wait may take longer. */
static int wait_for(pthread_mutex_t *mutex, int64_t wait_us)
{
    int64_t until_us = mrc_clock_us() + wait_us;
    int err;

    do {
        const struct timespec until = deadline(wait_us);

        err = pthread_mutex_timedlock(mutex, &until);
        wait_us = until_us - mrc_clock_us();
    } while (err == ETIMEDOUT && wait_us > 0);
    return err;
}

#endif

/* TSan does not know that EOWNERDEAD is a success. */
static int timedlock(pthread_mutex_t *mutex, int64_t wait_us)
{
    int err = wait_for(mutex, wait_us);

#ifdef __SANITIZE_THREAD__
    if (err == EOWNERDEAD) {
        __tsan_mutex_pre_lock(mutex, __tsan_mutex_try_lock);
        __tsan_mutex_post_lock(mutex, __tsan_mutex_try_lock, 0);
    }
#endif
    return err;
}

apr_status_t mrc_lock_acquire(union mrc_lock *lock, int64_t wait_us, bool *ret_owner_died)
{
    pthread_mutex_t *mutex = &lock->mutex;
    int err = pthread_mutex_trylock(mutex);
    bool owner_died;

    if (err == EBUSY && wait_us)
        err = wait_us < 0 ? pthread_mutex_lock(mutex) : timedlock(mutex, wait_us);
    owner_died = err == EOWNERDEAD;
    /*
     * Safe before the repair: if the caller dies during the repair, the lock is inconsistent again.
     */
    if (owner_died)
        err = pthread_mutex_consistent(mutex);
    if (err)
        return err == EBUSY || err == ETIMEDOUT ? APR_TIMEUP : err;
    *ret_owner_died = owner_died;
    return APR_SUCCESS;
}

void mrc_lock_release(union mrc_lock *lock)
{
    pthread_mutex_unlock(&lock->mutex);
}
