#include "store/memory/sites.h"

#include <stdbool.h>
#include <string.h>

#include "store/base/lock.h"
#include "store/memory/hub.h"
#include "store/memory/internal.h"
#include "store/memory/naming.h"

/* Whether A and B are of the same set. */
static bool are_together(const struct mrc_hub_shape *a, const struct mrc_hub_shape *b)
{
    return a->set_bytes && a->set_bytes == b->set_bytes && !memcmp(a->key, b->key, a->set_bytes);
}

/* The first place from that of NAME on that is not TAKEN; COUNT: all are. */
static size_t find_place(const bool *taken, size_t count, const char *name)
{
    size_t place = mrc_naming_first(name, count);

    for (size_t i = 0; i < count; i++, place = (place + 1) % count)
        if (!taken[place])
            return place;
    return count;
}

/* Arranges the set of the COUNT SHAPES. */
static void arrange(struct mrc_memory *memory, apr_pool_t *temp,
                    const struct mrc_hub_shape *const *shapes, size_t count)
{
    bool *taken = apr_pcalloc(temp, sizeof(*taken) * count);

    for (struct mrc_memory_hub *hub = memory->first; hub; hub = hub->next) {
        const char *name;
        size_t place;

        if (!are_together(&hub->shape, shapes[0]))
            continue;
        name = mrc_naming_name_of(hub);
        place = name ? find_place(taken, count, name) : count;
        if (place < count) {
            taken[place] = true;
            mrc_memory_hub_rename(memory, hub, shapes[place]->key);
        } else if (!name && hub->place != MRC_MEMORY_OWN_FILE) {
            mrc_hub_file_give_up_unmade(hub->batch->file, hub->place);
        }
    }
}

void mrc_memory_sites_arrange(struct mrc_memory *memory, apr_pool_t *temp,
                              const struct mrc_hub_shape *const *shapes, size_t n, int64_t wait_us)
{
    union mrc_lock *lock = mrc_control_naming(memory->control);
    bool owner_died; /* a process that has died has set the name, or has not */
    bool is_locked = false, has_waited = false;
    size_t count;

    for (size_t i = 0; i < n; i += count) {
        count = 1;
        while (i + count < n && are_together(shapes[i], shapes[i + count]))
            count++;
        if (!shapes[i]->set_bytes || mrc_memory_hub_find(memory, shapes[i]->key))
            continue; /* no set, or one with the same number as before */
        if (!has_waited)
            is_locked = mrc_lock_acquire(lock, wait_us, &owner_died) == APR_SUCCESS;
        has_waited = true;
        arrange(memory, temp, &shapes[i], count);
    }
    if (is_locked)
        mrc_lock_release(lock);
}
