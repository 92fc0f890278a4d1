/*
 * A publication: an update that a hub is asked to store, whoever asks. Nothing here knows of
 * requests and answers. The steps, in their order:
 *
 *     check      the topics against the hub's reserved namespace and the publisher's token
 *     make_id    unless the publisher gave an id
 *     store
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

/* The update's views must outlive the publication; everything else is the caller's, too. */
struct mrc_publication {
    struct mrc_update update;
    const struct mrc_token *token; /* the publisher's, verified */
    const char *hub_url;           /* topics are resolved against it */
    const char *const *hub_paths;  /* the reserved namespace: those of the hub's Locations */
    size_t hub_paths_count;
    char id[MRC_UPDATE_ID_BYTES]; /* of an update that comes without one */
};

enum mrc_publication_verdict {
    MRC_PUBLICATION_ACCEPTED,
    MRC_PUBLICATION_RESERVED,   /* a topic lies in the reserved namespace */
    MRC_PUBLICATION_NOT_GRANTED /* the token does not grant publish on a topic */
};

/*
 * Whether PUBLICATION may be stored. The reserved namespace comes first: no token grants it. If
 * not, RET_TOPIC gets the first topic that is refused, a view.
 */
enum mrc_publication_verdict mrc_publication_check(const struct mrc_publication *publication,
                                                   struct mrc_bytes *ret_topic);

/* Gives the update an id of HUB if it has none. An error is the kernel's: no randomness. */
apr_status_t mrc_publication_make_id(struct mrc_publication *publication, struct mrc_hub *hub);

/* Stores the update, which has an id, in HUB. As mrc_hub_publish(). */
apr_status_t mrc_publication_store(const struct mrc_publication *publication, struct mrc_hub *hub,
                                   int64_t now_us);

#endif
