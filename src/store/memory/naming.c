#include "store/memory/naming.h"

#include <stdbool.h>
#include <string.h>

#include "core/base/bytes.h"
#include "core/base/siphash.h"
#include "store/base/lock.h"
#include "store/base/status.h"
#include "store/hub/site.h"
#include "store/memory/hub.h"
#include "store/memory/internal.h"

#define WAIT_US ((int64_t)1000 * 1000)

const char *mrc_naming_name_of(struct mrc_memory_hub *hub)
{
    const struct mrc_hub_segment *segment = mrc_memory_hub_segment(hub);

    return segment ? mrc_site_name_at(mrc_hub_segment_site(segment)) : NULL;
}

size_t mrc_naming_first(const char *name, size_t count)
{
    static const uint64_t key[2] = {0, 0}; /* only names of directories get here: no flood */

    return (size_t)(mrc_siphash(key, mrc_bytes_of(name)) % count);
}

/* The place of NAME, or else one that it may have; COUNT: there is neither. */
static size_t search(struct mrc_memory_hub *const *hubs, size_t count, const char *name,
                     bool *ret_is_found)
{
    size_t place = mrc_naming_first(name, count), free_place = count;

    *ret_is_found = false;
    for (size_t i = 0; i < count; i++, place = (place + 1) % count) {
        const char *other = mrc_naming_name_of(hubs[place]);

        if (other && !strcmp(other, name)) {
            *ret_is_found = true;
            return place;
        }
        if (!other && free_place == count)
            free_place = place;
        if (!other && !mrc_memory_hub_was_given(hubs[place]))
            break;
    }
    return free_place;
}

/* Under the lock. */
static apr_status_t claim(struct mrc_memory_hub *const *hubs, size_t count, const char *name,
                          struct mrc_error *error, size_t *ret_place)
{
    bool is_found;
    size_t place = search(hubs, count, name, &is_found);
    struct mrc_hub_segment *segment;
    apr_status_t status;

    if (place == count)
        return mrc_status_set(error, APR_ENOSPC, "all hubs have sites");
    if (!is_found) {
        status = mrc_memory_hub_make(hubs[place], error, &segment);
        if (status)
            return status;
        mrc_site_set_name(mrc_hub_segment_site(segment), name);
    }
    *ret_place = place;
    return APR_SUCCESS;
}

apr_status_t mrc_naming_obtain(const struct mrc_memory *memory, struct mrc_memory_hub *const *hubs,
                               size_t count, const char *name, struct mrc_error *error,
                               size_t *ret_place)
{
    union mrc_lock *lock = mrc_control_naming(memory->control);
    bool is_found = false, owner_died; /* a process that has died has set the name, or has not */
    apr_status_t status;
    size_t place;

    if (count == 0)
        return mrc_status_set(error, APR_ENOSPC, "there are no hubs");
    if (!*name || strlen(name) > MRC_SITE_NAME_MAX)
        return mrc_status_set(error, APR_EINVAL, "the name of the site is too long");
    place = search(hubs, count, name, &is_found);
    if (is_found) {
        *ret_place = place;
        return APR_SUCCESS;
    }
    if (place == count)
        return mrc_status_set(error, APR_ENOSPC, "all hubs have sites");
    status = mrc_lock_acquire(lock, WAIT_US, &owner_died);
    if (status)
        return mrc_status_set(error, status, "another process claims a hub, and does not end");
    status = claim(hubs, count, name, error, ret_place);
    mrc_lock_release(lock);
    return status;
}
