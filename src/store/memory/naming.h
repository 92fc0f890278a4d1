/*
 * The hubs of sites that are known only when they are asked for: each hub of a set may get the name
 * of one site, which it keeps. A child that meets a new name claims a hub for it under a lock, and
 * every other child then finds it.
 *
 * The name of a site leads to the hub where the search begins, and the search continues from hub to
 * hub until it finds the name, or a hub that no site has ever had. So all children must have the
 * same set, in the same order. Any thread of any child.
 *
 * If a reload changes the number of hubs, the searches begin elsewhere, and sites.h arranges the
 * hubs that have names anew.
 */
#ifndef MRC_STORE_MEMORY_NAMING_H
#define MRC_STORE_MEMORY_NAMING_H

#include <stddef.h>

#include "apr_errno.h"
#include "core/base/err.h"

struct mrc_memory;
struct mrc_memory_hub;

/* Where the search for NAME among COUNT hubs begins. */
size_t mrc_naming_first(const char *name, size_t count);

/* The name of the site that has HUB; NULL: no site has it. */
const char *mrc_naming_name_of(struct mrc_memory_hub *hub);

/* Finds the hub of NAME (1 to MRC_SITE_NAME_MAX bytes) among the COUNT HUBS, or claims one for it.
 * APR_ENOSPC: all have other names; or an error of mrc_memory_hub_make(). */
apr_status_t mrc_naming_obtain(const struct mrc_memory *memory, struct mrc_memory_hub *const *hubs,
                               size_t count, const char *name, struct mrc_error *error,
                               size_t *ret_place);

#endif
