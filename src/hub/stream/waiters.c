#include "hub/stream/waiters.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "apr_time.h"

#include "hub/base/thread.h"
#include "hub/base/wake.h"

struct mrc_waiter {
    struct mrc_waiters *waiters;
    struct mrc_wake wake;
    struct mrc_waiter *prev, *next; /* in the set, under its lock */
    const struct mrc_subscriber *subscriber;
    uint32_t since_s, serial;
    _Atomic uint64_t next_number, waiting;
};

struct mrc_waiters {
    pthread_mutex_t lock;
    struct mrc_waiter *first; /* under the lock, and so is the next field */
    uint32_t serial;          /* of the newest waiter */
};

struct mrc_waiters *mrc_waiters_create(apr_pool_t *pool)
{
    struct mrc_waiters *waiters = apr_pcalloc(pool, sizeof(*waiters));

    pthread_mutex_init(&waiters->lock, NULL);
    return waiters;
}

void mrc_waiters_wake(struct mrc_waiters *waiters)
{
    sigset_t mask;

    mrc_thread_lock(&waiters->lock, &mask);
    for (struct mrc_waiter *waiter = waiters->first; waiter; waiter = waiter->next)
        mrc_wake_post(&waiter->wake);
    mrc_thread_unlock(&waiters->lock, &mask);
}

apr_status_t mrc_waiter_open(struct mrc_waiters *waiters, const struct mrc_subscriber *subscriber,
                             struct mrc_waiter **ret_waiter)
{
    struct mrc_waiter *waiter = calloc(1, sizeof(*waiter));
    apr_status_t status;
    sigset_t mask;

    if (!waiter)
        return APR_ENOMEM;
    waiter->waiters = waiters;
    waiter->subscriber = subscriber;
    waiter->since_s = (uint32_t)apr_time_sec(apr_time_now());
    status = mrc_wake_open(&waiter->wake, NULL);
    if (status != APR_SUCCESS) {
        free(waiter);
        return status;
    }
    mrc_thread_lock(&waiters->lock, &mask);
    waiter->serial = ++waiters->serial;
    waiter->next = waiters->first;
    if (waiter->next)
        waiter->next->prev = waiter;
    waiters->first = waiter;
    mrc_thread_unlock(&waiters->lock, &mask);
    *ret_waiter = waiter;
    return APR_SUCCESS;
}

void mrc_waiter_note(struct mrc_waiter *waiter, uint64_t next, uint64_t waiting)
{
    atomic_store_explicit(&waiter->next_number, next, memory_order_relaxed);
    atomic_store_explicit(&waiter->waiting, waiting, memory_order_relaxed);
}

void mrc_waiters_list(struct mrc_waiters *waiters, mrc_waiters_fn *fn, void *ctx)
{
    bool goes_on = true;
    sigset_t mask;

    mrc_thread_lock(&waiters->lock, &mask);
    for (struct mrc_waiter *waiter = waiters->first; waiter && goes_on; waiter = waiter->next) {
        const struct mrc_waiter_stream stream = {
            .subscriber = waiter->subscriber,
            .since_s = waiter->since_s,
            .serial = waiter->serial,
            .next = atomic_load_explicit(&waiter->next_number, memory_order_relaxed),
            .waiting = atomic_load_explicit(&waiter->waiting, memory_order_relaxed),
        };

        if (waiter->subscriber)
            goes_on = fn(ctx, &stream);
    }
    mrc_thread_unlock(&waiters->lock, &mask);
}

int mrc_waiter_fd(const struct mrc_waiter *waiter)
{
    return waiter->wake.fd;
}

void mrc_waiter_drain(struct mrc_waiter *waiter)
{
    mrc_wake_drain(&waiter->wake);
}

void mrc_waiter_close(struct mrc_waiter *waiter)
{
    struct mrc_waiters *waiters;
    sigset_t mask;

    if (!waiter)
        return;
    waiters = waiter->waiters;
    mrc_thread_lock(&waiters->lock, &mask);
    if (waiter->prev)
        waiter->prev->next = waiter->next;
    else
        waiters->first = waiter->next;
    if (waiter->next)
        waiter->next->prev = waiter->prev;
    mrc_thread_unlock(&waiters->lock, &mask);
    mrc_wake_close(&waiter->wake);
    free(waiter);
}
