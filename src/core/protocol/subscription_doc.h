/*
 * The URL of an active subscription, which is also the topic of its events, and its document
 * (draft-dunglas-mercure-08, "Subscription Events" and "Subscription API").
 *
 *     HUB_PATH/subscriptions                                     the collection
 *     HUB_PATH/subscriptions/{match_type}/{match}                those with one matcher
 *     HUB_PATH/subscriptions/{match_type}/{match}/{subscriber}   a single one
 *
 * A subscription with `topic=`, of protocol 0.x, has another URL and another document:
 *
 *     HUB_PATH/subscriptions[/{topic}[/{subscriber}]]
 *
 * Each variable is percent-encoded exactly once, except for unreserved characters (RFC 6570).
 * HUB_PATH is the percent-encoded path of the hub's URL, without slashes at its end.
 */
#ifndef MRC_CORE_PROTOCOL_SUBSCRIPTION_DOC_H
#define MRC_CORE_PROTOCOL_SUBSCRIPTION_DOC_H

#include <stdbool.h>
#include <stddef.h>

#include "core/base/bytes.h"

struct mrc_buf;

/* The event type of subscription events. */
#define MRC_SUBSCRIPTION_DOC_EVENT "mercure"

/* The variables of a URL of the API. */
struct mrc_subscription_ref {
    bool is_legacy;     /* of protocol 0.x: match is the topic, and there is no match_type */
    unsigned variables; /* 0: the collection; 2: those with a matcher; 3: a single one */
    struct mrc_bytes match_type, match, subscriber;
};

struct mrc_subscription_doc {
    struct mrc_subscription_ref ref; /* with all variables */
    struct mrc_bytes payload;        /* JSON text; { NULL, 0 }: none */
    struct mrc_bytes last_event_id;  /* only with protocol 0.x; { NULL, 0 }: none */
    bool is_member;                  /* of a collection, which has the @context for all of them */
    bool active;
};

/*
 * Parses REST, the percent-encoded rest of a request's path after HUB_PATH, as a URL of protocol
 * 0.x if IS_LEGACY. RET_REF gets views into SCRATCH, which has room for REST.len bytes. False: this
 * is not a URL of the API.
 */
bool mrc_subscription_doc_parse(struct mrc_bytes rest, bool is_legacy, char *scratch,
                                struct mrc_subscription_ref *ret_ref);

/* Appends the URL of REF, relative to the hub's origin. Errors are the buffer's. */
void mrc_subscription_doc_add_url(struct mrc_buf *buf, const char *hub_path,
                                  const struct mrc_subscription_ref *ref);

/* Appends the document of a subscription, as JSON on one line. */
void mrc_subscription_doc_add(struct mrc_buf *buf, const char *hub_path,
                              const struct mrc_subscription_doc *doc);

/*
 * Appends DOCUMENT, which mrc_subscription_doc_add() wrote for an active subscription, as it is
 * when the subscription has ended. False: DOCUMENT is something else, and nothing is appended.
 */
bool mrc_subscription_doc_add_ended(struct mrc_buf *buf, struct mrc_bytes document);

/*
 * A collection is written in pieces: its beginning, the documents of its subscriptions, separated
 * by commas, and its end. LAST_EVENT_ID is only written with protocol 0.x.
 */
void mrc_subscription_doc_begin_list(struct mrc_buf *buf, const char *hub_path,
                                     const struct mrc_subscription_ref *ref,
                                     struct mrc_bytes last_event_id);
void mrc_subscription_doc_end_list(struct mrc_buf *buf);

/* Appends TEXT as a quoted string of a header field (RFC 9110, 5.6.4), with its quotes. */
void mrc_subscription_doc_add_quoted(struct mrc_buf *buf, struct mrc_bytes text);

#endif
