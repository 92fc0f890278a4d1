/*
 * A publication: one update, or a batch of updates, that a publisher asks a hub to store. This unit
 * does not depend on requests or answers. The steps, in their order:
 *
 *     check      the topics: against the hub's reserved namespace, then against the token's grants
 *     make_ids   for the updates to which the publisher gave none
 *     store      in the hub: all updates or none
 *
 * A publication belongs to one thread. Any thread except a dispatcher's, because storing may wait
 * for the disk.
 */
#ifndef MRC_HTTPD_PUBLISH_PUBLICATION_H
#define MRC_HTTPD_PUBLISH_PUBLICATION_H

#include <stddef.h>
#include <stdint.h>

#include "apr_errno.h"

#include "core/base/bytes.h"
#include "core/protocol/update.h"

struct mrc_hub;
struct mrc_token;

/* All pointers and views belong to the caller, and must outlive the publication. */
struct mrc_publication {
    struct mrc_update *updates;
    size_t count;                  /* at least 1 */
    const struct mrc_token *token; /* the publisher's, verified; NULL: it may publish everything */
    const char *hub_url;           /* topics are resolved against it */
    const char *const *hub_paths;  /* of the hub's Locations; paths below them are reserved */
    size_t hub_paths_count;
    char (*ids)[MRC_UPDATE_ID_BYTES]; /* room for the ids that make_ids makes: COUNT of them */
};

enum mrc_publication_verdict {
    MRC_PUBLICATION_ACCEPTED,
    MRC_PUBLICATION_RESERVED,   /* a topic is in the reserved namespace */
    MRC_PUBLICATION_NOT_GRANTED /* the token does not grant publish on a topic */
};

/* The first update that may not be stored. */
struct mrc_publication_refusal {
    size_t index;
    struct mrc_bytes topic; /* a view of its first refused topic */
};

/*
 * Whether PUBLICATION may be stored; if not, RET_REFUSAL is set. Of each update, the reserved
 * namespace is checked first, because no token grants it.
 */
enum mrc_publication_verdict mrc_publication_check(const struct mrc_publication *publication,
                                                   struct mrc_publication_refusal *ret_refusal);

/* Gives each update without an id a new one of HUB. Fails if the kernel has no randomness. */
apr_status_t mrc_publication_make_ids(struct mrc_publication *publication, struct mrc_hub *hub);

/* Stores the updates, which must have ids, in HUB. Returns what mrc_hub_publish() returns. */
apr_status_t mrc_publication_store(const struct mrc_publication *publication, struct mrc_hub *hub,
                                   int64_t now_us);

#endif
