#include "store/regions/site.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

#include "core/base/bytes.h"
#include "core/base/siphash.h"

#define WAIT_US ((int64_t)1000 * 1000)

apr_status_t mrc_site_init(struct mrc_site_place *place)
{
    return mrc_lock_init(&place->lock);
}

const char *mrc_site_name_at(const struct mrc_site_place *place)
{
    return atomic_load_explicit(&place->name_bytes, memory_order_acquire) ? place->name : NULL;
}

/* The place of NAME, or the first free one on the way to it; COUNT: there is neither. */
static size_t search(struct mrc_site_place *const *places, size_t count, const char *name,
                     bool *ret_is_found)
{
    static const uint64_t key[2] = {0, 0}; /* the names are those of directories, so no flood */
    size_t place = (size_t)(mrc_siphash(key, mrc_bytes_of(name)) % count);

    *ret_is_found = false;
    for (size_t i = 0; i < count; i++, place = (place + 1) % count) {
        const char *other = mrc_site_name_at(places[place]);

        if (!other)
            return place;
        if (!strcmp(other, name)) {
            *ret_is_found = true;
            return place;
        }
    }
    return count;
}

/* A process that dies with the lock leaves a place without a name. */
static apr_status_t claim(struct mrc_site_place *const *places, size_t count, const char *name,
                          size_t *ret_place)
{
    bool owner_died, is_found;
    size_t place;
    apr_status_t status = mrc_lock_acquire(&places[0]->lock, WAIT_US, &owner_died);

    if (status)
        return status;
    place = search(places, count, name, &is_found);
    if (place == count) {
        status = APR_ENOSPC;
    } else if (!is_found) {
        size_t bytes = strlen(name);

        memcpy(places[place]->name, name, bytes + 1);
        atomic_store_explicit(&places[place]->name_bytes, bytes, memory_order_release);
    }
    mrc_lock_release(&places[0]->lock);
    if (!status)
        *ret_place = place;
    return status;
}

apr_status_t mrc_site_obtain(struct mrc_site_place *const *places, size_t count, const char *name,
                             size_t *ret_place)
{
    bool is_found = false;
    size_t place;

    if (count == 0)
        return APR_ENOSPC;
    if (!*name || strlen(name) > MRC_SITE_NAME_MAX)
        return APR_EINVAL;
    place = search(places, count, name, &is_found);
    if (is_found) {
        *ret_place = place;
        return APR_SUCCESS;
    }
    return place == count ? APR_ENOSPC : claim(places, count, name, ret_place);
}

void mrc_site_carry(const struct mrc_site_place *from, struct mrc_site_place *to)
{
    const char *name = mrc_site_name_at(from);

    if (!name)
        return;
    memcpy(to->name, name, MRC_SITE_NAME_MAX + 1);
    atomic_store_explicit(&to->name_bytes, strlen(to->name), memory_order_release);
}
