/*
 * An active subscription on the wire: the topic of its events, which is also its URL, and its
 * document; draft-dunglas-mercure-08, "Subscription Events" and "Subscription API".
 *
 *     HUB_PATH/subscriptions                                     the collection
 *     HUB_PATH/subscriptions/{match_type}/{match}                those of one matcher
 *     HUB_PATH/subscriptions/{match_type}/{match}/{subscriber}   one of them
 *
 * Subscriptions with `topic=`, of protocol 0.x, have URLs and documents of their own:
 *
 *     HUB_PATH/subscriptions[/{topic}[/{subscriber}]]
 *
 * Each variable is percent-encoded exactly once, all but its unreserved characters (RFC 6570).
 * HUB_PATH is the path of the hub's URL as URLs write it, without slashes at its end.
 */
#ifndef MRC_CORE_PROTOCOL_SUBSCRIPTION_DOC_H
#define MRC_CORE_PROTOCOL_SUBSCRIPTION_DOC_H

#include <stdbool.h>
#include <stddef.h>

#include "core/base/bytes.h"

struct mrc_buf;

/* The event type of the updates that tell of subscriptions. */
#define MRC_SUBSCRIPTION_DOC_EVENT "mercure"

/* What a URL of the API names: as many of the variables as it has. */
struct mrc_subscription_ref {
    bool is_legacy;     /* of protocol 0.x: match is the topic, and there is no match_type */
    unsigned variables; /* 0: the collection; 2: those of a matcher; 3: a single one */
    struct mrc_bytes match_type, match, subscriber;
};

struct mrc_subscription_doc {
    struct mrc_subscription_ref ref; /* with all of its variables */
    struct mrc_bytes payload;        /* JSON text; { NULL, 0 }: none */
    struct mrc_bytes last_event_id;  /* only of protocol 0.x; { NULL, 0 }: not told */
    bool is_member;                  /* of a collection, which tells the context of all */
    bool active;
};

/*
 * Reads REST, what follows HUB_PATH in the path of a request, not yet decoded, as a URL of protocol
 * 0.x if IS_LEGACY. REF gets views into SCRATCH, which has room for REST.len bytes. False: it is no
 * URL of the API.
 */
bool mrc_subscription_doc_parse(struct mrc_bytes rest, bool is_legacy, char *scratch,
                                struct mrc_subscription_ref *ret_ref);

/* Appends the URL, relative to the hub's origin, of what REF names; errors are the buffer's. */
void mrc_subscription_doc_add_url(struct mrc_buf *buf, const char *hub_path,
                                  const struct mrc_subscription_ref *ref);

/* Appends the document of one subscription: JSON on one line. */
void mrc_subscription_doc_add(struct mrc_buf *buf, const char *hub_path,
                              const struct mrc_subscription_doc *doc);

/*
 * A collection is written in pieces: its beginning, the documents of its subscriptions with a comma
 * between any two, its end. One of protocol 0.x tells LAST_EVENT_ID.
 */
void mrc_subscription_doc_begin_list(struct mrc_buf *buf, const char *hub_path,
                                     const struct mrc_subscription_ref *ref,
                                     struct mrc_bytes last_event_id);
void mrc_subscription_doc_end_list(struct mrc_buf *buf);

/*
 * Appends ID as the content of an entity tag (RFC 9110, 8.8.3), which holds no quotes, spaces or
 * controls: such are percent-encoded, and so is `%`.
 */
void mrc_subscription_doc_add_etag(struct mrc_buf *buf, struct mrc_bytes id);

/* Appends TEXT as a quoted string of a header field (RFC 9110, 5.6.4), with its quotes. */
void mrc_subscription_doc_add_quoted(struct mrc_buf *buf, struct mrc_bytes text);

#endif
