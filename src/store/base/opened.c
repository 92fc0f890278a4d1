#include "store/base/opened.h"

#include <pthread.h>
#include <stddef.h>

#define POOL_KEY "mod_mercure: histories"

struct mrc_opened {
    pthread_mutex_t mutex;
    struct mrc_opened_file *first; /* of those that were ever open; under the mutex */
    unsigned count;                /* of those that are open; under the mutex */
    _Atomic uint64_t clock;        /* grows with each use */
};

struct mrc_opened *mrc_opened_in(apr_pool_t *pool)
{
    struct mrc_opened *opened;
    void *found = NULL;

    apr_pool_userdata_get(&found, POOL_KEY, pool);
    if (found)
        return found;
    opened = apr_pcalloc(pool, sizeof(*opened));
    pthread_mutex_init(&opened->mutex, NULL);
    apr_pool_userdata_setn(opened, POOL_KEY, NULL, pool);
    return opened;
}

void mrc_opened_share(apr_pool_t *pool, apr_pool_t *parent)
{
    apr_pool_userdata_setn(mrc_opened_in(parent), POOL_KEY, NULL, pool);
}

/* Under the mutex: the least recently used of the open files that were used after AFTER. */
static struct mrc_opened_file *find_oldest(const struct mrc_opened *opened, uint64_t after)
{
    struct mrc_opened_file *oldest = NULL;

    for (struct mrc_opened_file *file = opened->first; file; file = file->next) {
        uint64_t used = atomic_load(&file->used);

        if (file->is_open && used > after && (!oldest || used < atomic_load(&oldest->used)))
            oldest = file;
    }
    return oldest;
}

/* Under the mutex: closes one file other than FILE. Files in use stay open. */
static bool close_other(struct mrc_opened *opened, const struct mrc_opened_file *file)
{
    struct mrc_opened_file *oldest;
    uint64_t after = 0;

    while ((oldest = find_oldest(opened, after))) {
        after = atomic_load(&oldest->used);
        if (oldest != file && oldest->try_close(oldest->owner)) {
            oldest->is_open = false;
            opened->count--;
            return true;
        }
    }
    return false;
}

void mrc_opened_enter(struct mrc_opened *opened, struct mrc_opened_file *file)
{
    bool is_new = atomic_load(&file->used) == 0;

    mrc_opened_use(opened, file);
    pthread_mutex_lock(&opened->mutex);
    if (is_new) {
        file->next = opened->first;
        opened->first = file;
    }
    if (!file->is_open)
        opened->count++;
    file->is_open = true;
    while (opened->count > MRC_OPENED_MAX && close_other(opened, file))
        ;
    pthread_mutex_unlock(&opened->mutex);
}

bool mrc_opened_make_room(struct mrc_opened *opened, const struct mrc_opened_file *file)
{
    bool is_closed;

    pthread_mutex_lock(&opened->mutex);
    is_closed = close_other(opened, file);
    pthread_mutex_unlock(&opened->mutex);
    return is_closed;
}

void mrc_opened_use(struct mrc_opened *opened, struct mrc_opened_file *file)
{
    atomic_store(&file->used, atomic_fetch_add(&opened->clock, 1) + 1);
}

void mrc_opened_leave(struct mrc_opened *opened, struct mrc_opened_file *file)
{
    struct mrc_opened_file **place;

    pthread_mutex_lock(&opened->mutex);
    for (place = &opened->first; *place && *place != file; place = &(*place)->next)
        ;
    if (*place) {
        *place = file->next;
        if (file->is_open)
            opened->count--;
        file->is_open = false;
    }
    pthread_mutex_unlock(&opened->mutex);
}
