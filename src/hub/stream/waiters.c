#include "hub/stream/waiters.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "hub/base/thread.h"

struct mrc_waiter {
    struct mrc_waiters *waiters;
    int fd;
    struct mrc_waiter *prev, *next; /* in the set, under its lock */
};

struct mrc_waiters {
    pthread_mutex_t lock;
    struct mrc_waiter *first; /* under the lock */
};

struct mrc_waiters *mrc_waiters_create(apr_pool_t *pool)
{
    struct mrc_waiters *waiters = apr_pcalloc(pool, sizeof(*waiters));

    pthread_mutex_init(&waiters->lock, NULL);
    return waiters;
}

void mrc_waiters_wake(struct mrc_waiters *waiters)
{
    const uint64_t one = 1;
    sigset_t mask;

    mrc_thread_lock(&waiters->lock, &mask);
    for (struct mrc_waiter *waiter = waiters->first; waiter; waiter = waiter->next) {
        /* The counter cannot be full before 2^64 - 1 wake-ups. */
        while (write(waiter->fd, &one, sizeof(one)) < 0 && errno == EINTR)
            ;
    }
    mrc_thread_unlock(&waiters->lock, &mask);
}

apr_status_t mrc_waiter_open(struct mrc_waiters *waiters, struct mrc_waiter **ret_waiter)
{
    struct mrc_waiter *waiter = calloc(1, sizeof(*waiter));
    sigset_t mask;

    if (!waiter)
        return APR_ENOMEM;
    waiter->waiters = waiters;
    waiter->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (waiter->fd < 0) {
        apr_status_t status = APR_FROM_OS_ERROR(errno);

        free(waiter);
        return status;
    }
    mrc_thread_lock(&waiters->lock, &mask);
    waiter->next = waiters->first;
    if (waiter->next)
        waiter->next->prev = waiter;
    waiters->first = waiter;
    mrc_thread_unlock(&waiters->lock, &mask);
    *ret_waiter = waiter;
    return APR_SUCCESS;
}

int mrc_waiter_fd(const struct mrc_waiter *waiter)
{
    return waiter->fd;
}

void mrc_waiter_drain(struct mrc_waiter *waiter)
{
    uint64_t count;

    while (read(waiter->fd, &count, sizeof(count)) < 0 && errno == EINTR)
        ;
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
    close(waiter->fd);
    free(waiter);
}
