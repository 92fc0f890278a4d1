/*
 * A mutex in shared memory, with a deadline, that survives its owner.
 *
 * A process that ends while it holds the lock does not block the others: the next caller gets the
 * lock and learns that the owner died. It must then repair the data that the lock guards. If it
 * dies during the repair, the caller after it learns the same.
 *
 * Any thread of any process that maps the memory. The thread that acquired the lock releases it.
 */
#ifndef MRC_STORE_BASE_LOCK_H
#define MRC_STORE_BASE_LOCK_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "apr_errno.h"

/* Part of a layout: 64 bytes, which is enough for the mutex of every platform. */
union mrc_lock {
    pthread_mutex_t mutex;
    uint8_t room[64];
};
_Static_assert(sizeof(union mrc_lock) == 64, "a lock is a cache line");

#define MRC_LOCK_WAIT_FOREVER ((int64_t)-1)

/* Makes LOCK, in zeroed memory, before any other process sees it. Fails on a system without robust
 * mutexes that processes can share. */
apr_status_t mrc_lock_init(union mrc_lock *lock);

/*
 * Acquires LOCK and waits at most WAIT_US for it (0: does not wait). APR_TIMEUP: another thread
 * still has it. RET_OWNER_DIED says whether the last owner ended without releasing the lock.
 */
apr_status_t mrc_lock_acquire(union mrc_lock *lock, int64_t wait_us, bool *ret_owner_died);

void mrc_lock_release(union mrc_lock *lock);

#endif
