/*
 * The names of sites that are known only when they are asked for: each hub of a set may get the
 * name of one site, which it keeps. A child that meets a new name claims a hub for it under a lock,
 * and every other child then finds it.
 *
 * The name of a site leads to the place where the search begins, and the search goes on from place
 * to place until it finds the name or a place without one. So all children must have the same set,
 * in the same order. Any thread of any child.
 */
#ifndef MRC_STORE_REGIONS_SITE_H
#define MRC_STORE_REGIONS_SITE_H

#include <stddef.h>
#include <stdint.h>

#include "apr_errno.h"

#include "store/base/lock.h"

#define MRC_SITE_NAME_MAX 255

/* A part of the layout of a hub's segment, allocated with it. */
struct mrc_site_place {
    union mrc_lock lock;         /* of the first place of a set: guards the claims of all */
    _Atomic uint64_t name_bytes; /* 0: no name. Stored after the name, once */
    char name[MRC_SITE_NAME_MAX + 1];
};

/* Makes a place in zeroed memory. */
apr_status_t mrc_site_init(struct mrc_site_place *place);

/* The name of PLACE; NULL: it has none. */
const char *mrc_site_name_at(const struct mrc_site_place *place);

/* Finds the place of NAME (1 to MRC_SITE_NAME_MAX bytes) among the COUNT places of a set, and
 * claims one if it has none. APR_ENOSPC: all have other names; APR_TIMEUP. */
apr_status_t mrc_site_obtain(struct mrc_site_place *const *places, size_t count, const char *name,
                             size_t *ret_place);

/* Gives TO the name of FROM, when a hub moves to another segment. Only the parent. */
void mrc_site_carry(const struct mrc_site_place *from, struct mrc_site_place *to);

#endif
