#include "store/base/lock.h"

#include <errno.h>
#include <time.h>

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

/* The moment WAIT_US from now, on the clock of pthread_mutex_timedlock(). */
static struct timespec deadline(int64_t wait_us)
{
    struct timespec at;

    clock_gettime(CLOCK_REALTIME, &at);
    at.tv_sec += (time_t)(wait_us / 1000000);
    at.tv_nsec += (long)(wait_us % 1000000) * 1000;
    if (at.tv_nsec >= 1000000000) {
        at.tv_nsec -= 1000000000;
        at.tv_sec++;
    }
    return at;
}

/* pthread_mutex_timedlock(). TSan does not know that EOWNERDEAD is a success. */
static int timedlock(pthread_mutex_t *mutex, int64_t wait_us)
{
    const struct timespec until = deadline(wait_us);
    int err = pthread_mutex_timedlock(mutex, &until);

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
