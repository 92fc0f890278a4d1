#include "store/shm/notify.h"

#include <errno.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "store/base/status.h"

struct mrc_notify {
    unsigned nslots;
    int bell;
    int fd[]; /* of each slot; -1: closed */
};

apr_status_t mrc_notify_create(apr_pool_t *pool, unsigned nslots, struct mrc_error *error,
                               struct mrc_notify **ret_notify)
{
    struct mrc_notify *notify;
    char reason[120];

    notify = apr_palloc(pool, sizeof(*notify) + nslots * sizeof(notify->fd[0]));
    notify->bell = -1;
    for (notify->nslots = 0; notify->nslots < nslots; notify->nslots++) {
        int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

        if (fd < 0) {
            int err = errno;
            unsigned made = notify->nslots;

            mrc_notify_close(notify);
            return mrc_status_set(error, err,
                                  "cannot create %u notification descriptors, one for each child "
                                  "slot: %s after %u; raise ulimit -n or lower ServerLimit",
                                  nslots, apr_strerror(err, reason, sizeof(reason)), made);
        }
        notify->fd[notify->nslots] = fd;
    }
    notify->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (notify->bell < 0) {
        int err = errno;

        mrc_notify_close(notify);
        return mrc_status_set(error, err, "cannot create a notification descriptor: %s",
                              apr_strerror(err, reason, sizeof(reason)));
    }
    *ret_notify = notify;
    return APR_SUCCESS;
}

int mrc_notify_fd(const struct mrc_notify *notify, unsigned slot)
{
    return slot < notify->nslots ? notify->fd[slot] : -1;
}

static void post(int fd)
{
    const uint64_t one = 1;
    ssize_t put;

    /*
     * EAGAIN: the counter has its largest value. The descriptor is readable, so this is not an
     * error.
     */
    do {
        put = write(fd, &one, sizeof(one));
    } while (put < 0 && errno == EINTR);
}

void mrc_notify_wake(const struct mrc_notify *notify, unsigned slot)
{
    if (slot < notify->nslots)
        post(notify->fd[slot]);
}

int mrc_notify_bell_fd(const struct mrc_notify *notify)
{
    return notify->bell;
}

void mrc_notify_ring_bell(const struct mrc_notify *notify)
{
    post(notify->bell);
}

void mrc_notify_drain(const struct mrc_notify *notify, unsigned slot)
{
    uint64_t count;
    ssize_t got;

    if (slot >= notify->nslots)
        return;
    /* One read takes the whole counter. EAGAIN: there was no wake-up. */
    do {
        got = read(notify->fd[slot], &count, sizeof(count));
    } while (got < 0 && errno == EINTR);
}

void mrc_notify_close(struct mrc_notify *notify)
{
    unsigned slot;

    if (!notify)
        return;
    for (slot = 0; slot < notify->nslots; slot++)
        close(notify->fd[slot]);
    if (notify->bell >= 0)
        close(notify->bell);
    notify->bell = -1;
    notify->nslots = 0;
}
