#include "hub/base/wake.h"

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

static apr_status_t close_with_pool(void *data)
{
    mrc_wake_close(data);
    return APR_SUCCESS;
}

apr_status_t mrc_wake_open(struct mrc_wake *wake, apr_pool_t *pool)
{
    wake->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (wake->fd < 0)
        return APR_FROM_OS_ERROR(errno);
    if (pool)
        apr_pool_cleanup_register(pool, wake, close_with_pool, apr_pool_cleanup_null);
    return APR_SUCCESS;
}

void mrc_wake_close(struct mrc_wake *wake)
{
    if (wake->fd >= 0)
        close(wake->fd);
    wake->fd = -1;
}

/* The counter of the descriptor cannot be full before 2^64 - 1 wake-ups. */
void mrc_wake_post(const struct mrc_wake *wake)
{
    const uint64_t one = 1;

    while (write(wake->fd, &one, sizeof(one)) < 0 && errno == EINTR)
        ;
}

void mrc_wake_drain(const struct mrc_wake *wake)
{
    uint64_t count;

    while (read(wake->fd, &count, sizeof(count)) < 0 && errno == EINTR)
        ;
}

void mrc_wake_wait(const struct mrc_wake *wake, int timeout_ms)
{
    struct pollfd pollfd = {.fd = wake->fd, .events = POLLIN};

    if (poll(&pollfd, 1, timeout_ms) > 0)
        mrc_wake_drain(wake);
}
