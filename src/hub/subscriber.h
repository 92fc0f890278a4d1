/*
 * One subscriber: what it listens to, what it may read, and where in the hub's order it stands.
 *
 *            open                      no more to replay
 *     ------------------> REPLAY ------------------------------> LIVE
 *                            |                                     |
 *                            |  the ring went over its position;   |
 *                            |  the token expired; the hub moved   |
 *                            +------------------+------------------+
 *                                               v
 *                                             ENDED
 *
 * In the memory store the history is the ring itself, so that REPLAY and LIVE read the same way and
 * differ in nothing but where they begin. A subscriber belongs to one thread at a time.
 */
#ifndef MRC_HUB_SUBSCRIBER_H
#define MRC_HUB_SUBSCRIBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "apr_errno.h"

#include "core/bytes.h"

struct mrc_buf;
struct mrc_hub;
struct mrc_matcher;
struct mrc_subscriber;
struct mrc_token;

/* What a subscription asks for. */
struct mrc_subscription {
    struct mrc_matcher **matchers; /* malloc()ed array; the subscriber takes array and matchers */
    size_t matchers_count;
    struct mrc_token *token; /* NULL: anonymous; the subscriber takes the caller's reference */
    bool has_cursor;
    struct mrc_bytes cursor; /* the last event id of the client; empty: given, but empty */
};

/*
 * Opens a subscriber; SUBSCRIPTION's matchers and token are its own from now on, also on failure.
 * From here on nothing is missed: the position is taken after the hub was told that this child
 * listens. APR_ENOMEM.
 */
apr_status_t mrc_subscriber_open(struct mrc_hub *hub, struct mrc_subscription *subscription,
                                 int64_t now_us, struct mrc_subscriber **ret_subscriber);

/* Accepts NULL. */
void mrc_subscriber_close(struct mrc_subscriber *subscriber);

/*
 * The id of the event before the first one that will come, or `earliest`: the answer's
 * Mercure-Last-Event-ID (draft, "Reconciliation"). { NULL, 0 } if the client sent no cursor. Lives
 * as long as the subscriber.
 */
struct mrc_bytes mrc_subscriber_last_event_id(const struct mrc_subscriber *subscriber);

/* When the token expires, in microseconds since 1970; INT64_MAX: never. */
int64_t mrc_subscriber_expires_us(const struct mrc_subscriber *subscriber);

/*
 * Appends the events that are due to OUT, until OUT holds MAX_BYTES or more (the last event is
 * always whole) or there is nothing left.
 * APR_SUCCESS: OUT is full, there may be more. APR_EOF: that is all for now; wait to be woken.
 * MRC_STATUS_OVERRUN: it fell behind too far; end the stream, the client resumes by its last id.
 * APR_ENOMEM, MRC_STATUS_CORRUPT: end the stream.
 */
apr_status_t mrc_subscriber_take(struct mrc_subscriber *subscriber, size_t max_bytes,
                                 struct mrc_buf *out);

#endif
