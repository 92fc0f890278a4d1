#include "store/base/futex.h"

#include <limits.h>
#include <linux/futex.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

void mrc_futex_wait(const _Atomic uint32_t *word, uint32_t seen, int64_t wait_us)
{
    const struct timespec timeout = {
        .tv_sec = (time_t)(wait_us / 1000000),
        .tv_nsec = (long)(wait_us % 1000000) * 1000,
    };

    syscall(SYS_futex, word, FUTEX_WAIT, seen, &timeout, NULL, 0);
}

void mrc_futex_wake_all(const _Atomic uint32_t *word)
{
    syscall(SYS_futex, word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}
