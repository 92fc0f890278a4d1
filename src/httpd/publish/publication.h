/*
 * A publication: an update that a publisher asks a hub to store. This unit does not depend on
 * requests or answers. The steps, in their order:
 *
 *     check      the topics: against the hub's reserved namespace, then against the token's grants
 *     make_id    unless the publisher gave an id
 *     store      in the hub
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
    struct mrc_update update;
    const struct mrc_token *token; /* the publisher's, verified */
    const char *hub_url;           /* topics are resolved against it */
    const char *const *hub_paths;  /* of the hub's Locations; paths below them are reserved */
    size_t hub_paths_count;
    char id[MRC_UPDATE_ID_BYTES]; /* room for the id that make_id makes */
};

enum mrc_publication_verdict {
    MRC_PUBLICATION_ACCEPTED,
    MRC_PUBLICATION_RESERVED,   /* a topic lies in the reserved namespace */
    MRC_PUBLICATION_NOT_GRANTED /* the token does not grant publish on a topic */
};

/*
 * Whether PUBLICATION may be stored. The reserved namespace is checked first, because no token
 * grants it. If it may not, RET_TOPIC gets a view of the first refused topic.
 */
enum mrc_publication_verdict mrc_publication_check(const struct mrc_publication *publication,
                                                   struct mrc_bytes *ret_topic);

/* Gives the update a new id of HUB if it has none. Fails if the kernel has no randomness. */
apr_status_t mrc_publication_make_id(struct mrc_publication *publication, struct mrc_hub *hub);

/* Stores the update, which must have an id, in HUB. Returns what mrc_hub_publish() returns. */
apr_status_t mrc_publication_store(const struct mrc_publication *publication, struct mrc_hub *hub,
                                   int64_t now_us);

#endif
