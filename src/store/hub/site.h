/*
 * The name of a site that is known only when it is asked for (VirtualDocumentRoot). It is stored
 * once, in the segment of the hub that the site gets, and stays there. memory/naming.h finds the
 * hub of a name.
 */
#ifndef MRC_STORE_HUB_SITE_H
#define MRC_STORE_HUB_SITE_H

#include <stdint.h>

#define MRC_SITE_NAME_MAX 255

/* A part of the layout of a hub's segment, allocated with it, and zero at first. */
struct mrc_site_place {
    _Atomic uint64_t name_bytes; /* 0: no name. Stored after the name, once */
    char name[MRC_SITE_NAME_MAX + 1];
};

/* The name of PLACE; NULL: it has none. Any thread of any process. */
const char *mrc_site_name_at(const struct mrc_site_place *place);

/*
 * Gives PLACE, which has no name, the NAME of 1 to MRC_SITE_NAME_MAX bytes. One process at a time.
 */
void mrc_site_set_name(struct mrc_site_place *place, const char *name);

/*
 * Gives TO the name of FROM, if it has one, when a hub moves to another segment. Only the parent.
 */
void mrc_site_carry(const struct mrc_site_place *from, struct mrc_site_place *to);

#endif
