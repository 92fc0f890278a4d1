#include "hub/dispatcher.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "store/notify.h"

struct mrc_waiter {
    struct mrc_dispatcher *dispatcher;
    int fd;
    struct mrc_waiter *prev, *next; /* in the dispatcher's list, under its lock */
};

struct mrc_dispatcher {
    const struct mrc_notify *notify;
    unsigned slot;
    void (*on_wake)(void *ctx);
    void *ctx;
    pthread_t thread;
    atomic_bool stopping;
    pthread_mutex_t lock;
    struct mrc_waiter *waiters; /* under the lock */
};

/*
 * The lock is taken with all signals blocked: prefork ends a child from within its signal handler,
 * which then waits for the dispatcher's thread, which may want the lock.
 */
static void lock(struct mrc_dispatcher *dispatcher, sigset_t *ret_mask)
{
    sigset_t all;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, ret_mask);
    pthread_mutex_lock(&dispatcher->lock);
}

static void unlock(struct mrc_dispatcher *dispatcher, const sigset_t *mask)
{
    pthread_mutex_unlock(&dispatcher->lock);
    pthread_sigmask(SIG_SETMASK, mask, NULL);
}

static void wake_waiters(struct mrc_dispatcher *dispatcher)
{
    const uint64_t one = 1;
    sigset_t mask;

    lock(dispatcher, &mask);
    for (struct mrc_waiter *waiter = dispatcher->waiters; waiter; waiter = waiter->next) {
        /* The counter cannot be full before 2^64 - 1 wake-ups. */
        while (write(waiter->fd, &one, sizeof(one)) < 0 && errno == EINTR)
            ;
    }
    unlock(dispatcher, &mask);
}

static void *run(void *arg)
{
    struct mrc_dispatcher *dispatcher = arg;
    struct pollfd pollfd = {
        .fd = mrc_notify_fd(dispatcher->notify, dispatcher->slot),
        .events = POLLIN,
    };

    while (!atomic_load(&dispatcher->stopping)) {
        if (poll(&pollfd, 1, -1) < 0 && errno != EINTR)
            break;
        mrc_notify_drain(dispatcher->notify, dispatcher->slot);
        wake_waiters(dispatcher);
        dispatcher->on_wake(dispatcher->ctx);
    }
    return NULL;
}

apr_status_t mrc_dispatcher_start(apr_pool_t *pool, const struct mrc_notify *notify, unsigned slot,
                                  void (*on_wake)(void *ctx), void *ctx,
                                  struct mrc_dispatcher **ret_dispatcher)
{
    struct mrc_dispatcher *dispatcher = apr_pcalloc(pool, sizeof(*dispatcher));
    sigset_t all, mask;
    int error;

    dispatcher->notify = notify;
    dispatcher->slot = slot;
    dispatcher->on_wake = on_wake;
    dispatcher->ctx = ctx;
    pthread_mutex_init(&dispatcher->lock, NULL);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &mask); /* the thread inherits the mask */
    error = pthread_create(&dispatcher->thread, NULL, run, dispatcher);
    pthread_sigmask(SIG_SETMASK, &mask, NULL);
    if (error) {
        pthread_mutex_destroy(&dispatcher->lock);
        return APR_FROM_OS_ERROR(error);
    }
    *ret_dispatcher = dispatcher;
    return APR_SUCCESS;
}

void mrc_dispatcher_stop(struct mrc_dispatcher *dispatcher)
{
    if (!dispatcher)
        return;
    atomic_store(&dispatcher->stopping, true);
    mrc_notify_wake(dispatcher->notify, dispatcher->slot);
    pthread_join(dispatcher->thread, NULL);
}

apr_status_t mrc_dispatcher_post_waiter(struct mrc_dispatcher *dispatcher,
                                        struct mrc_waiter **ret_waiter)
{
    struct mrc_waiter *waiter = calloc(1, sizeof(*waiter));
    sigset_t mask;

    if (!waiter)
        return APR_ENOMEM;
    waiter->dispatcher = dispatcher;
    waiter->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (waiter->fd < 0) {
        apr_status_t status = APR_FROM_OS_ERROR(errno);

        free(waiter);
        return status;
    }
    lock(dispatcher, &mask);
    waiter->next = dispatcher->waiters;
    if (waiter->next)
        waiter->next->prev = waiter;
    dispatcher->waiters = waiter;
    unlock(dispatcher, &mask);
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
    struct mrc_dispatcher *dispatcher;
    sigset_t mask;

    if (!waiter)
        return;
    dispatcher = waiter->dispatcher;
    lock(dispatcher, &mask);
    if (waiter->prev)
        waiter->prev->next = waiter->next;
    else
        dispatcher->waiters = waiter->next;
    if (waiter->next)
        waiter->next->prev = waiter->prev;
    unlock(dispatcher, &mask);
    close(waiter->fd);
    free(waiter);
}
