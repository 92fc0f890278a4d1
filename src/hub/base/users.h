/*
 * How many threads use something, which is closed when none does.
 */
#ifndef MRC_HUB_BASE_USERS_H
#define MRC_HUB_BASE_USERS_H

#include <limits.h>
#include <stdatomic.h>
#include <stdbool.h>

/* Zeroed: nobody uses it. Any thread calls the functions; none waits. */
struct mrc_users {
    atomic_uint count; /* UINT_MAX: closed */
};

/* Adds a user. False: it is closed, or has MAX users already. */
static inline bool mrc_users_enter(struct mrc_users *users, unsigned max)
{
    unsigned now = atomic_load(&users->count);

    do {
        if (now >= max)
            return false;
    } while (!atomic_compare_exchange_weak(&users->count, &now, now + 1));
    return true;
}

static inline void mrc_users_leave(struct mrc_users *users)
{
    atomic_fetch_sub(&users->count, 1);
}

/* Closes it for good. False: it has users, and stays open. */
static inline bool mrc_users_close(struct mrc_users *users)
{
    unsigned none = 0;

    return atomic_compare_exchange_strong(&users->count, &none, UINT_MAX) || none == UINT_MAX;
}

#endif
