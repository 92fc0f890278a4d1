#include "store/hub/site.h"

#include <stdatomic.h>
#include <string.h>

const char *mrc_site_name_at(const struct mrc_site_place *place)
{
    return atomic_load_explicit(&place->name_bytes, memory_order_acquire) ? place->name : NULL;
}

void mrc_site_set_name(struct mrc_site_place *place, const char *name)
{
    size_t bytes = strlen(name);

    memcpy(place->name, name, bytes + 1);
    atomic_store_explicit(&place->name_bytes, bytes, memory_order_release);
}

void mrc_site_carry(const struct mrc_site_place *from, struct mrc_site_place *to)
{
    const char *name = mrc_site_name_at(from);

    if (name)
        mrc_site_set_name(to, name);
}
