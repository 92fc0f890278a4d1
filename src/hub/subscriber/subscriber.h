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
 * differ in nothing but where they begin. A durable history is read for what the ring has not, also
 * by one in LIVE that the ring has gone over. A subscriber belongs to one thread at a time.
 */
#ifndef MRC_HUB_SUBSCRIBER_SUBSCRIBER_H
#define MRC_HUB_SUBSCRIBER_SUBSCRIBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "apr_errno.h"

#include "core/base/bytes.h"
#include "core/base/err.h"
#include "hub/hub/hub.h"
#include "hub/stream/carrier.h"

struct mrc_buf;
struct mrc_hub;
struct mrc_matcher;
struct mrc_event;
struct mrc_pages;
struct mrc_subscriber;
struct mrc_token;
struct mrc_topics;
struct mrc_update;

/* What a subscription asks for. */
struct mrc_subscription {
    struct mrc_matcher **matchers; /* malloc()ed array; the matchers are of mrc_hub_patterns() */
    size_t matchers_count;
    struct mrc_token *token;      /* NULL: anonymous; the subscriber takes the caller's reference */
    struct mrc_hub_client client; /* whom it is counted for */
    bool has_cursor;
    struct mrc_bytes cursor; /* the last event id of the client; empty: given, but empty */
};

/* Gives back what SUBSCRIPTION holds of HUB, and its token. */
void mrc_subscription_clear(struct mrc_hub *hub, struct mrc_subscription *subscription);

/*
 * Opens a subscriber; SUBSCRIPTION's matchers and token are its own from now on, also on failure.
 * From here on nothing is missed: the position is taken after the hub was told that this child
 * listens. APR_ENOMEM, and what mrc_hub_join() refuses with.
 */
apr_status_t mrc_subscriber_open(struct mrc_hub *hub, struct mrc_subscription *subscription,
                                 int64_t now_us, struct mrc_subscriber **ret_subscriber);

/*
 * The subscriber is to be served: its subscriptions become active, are listed and told of, if the
 * hub does that (presence.h, also for the errors). Once, before the client hears anything; waits
 * for the ring's lock like a publisher. The end is told when the subscriber is closed.
 */
apr_status_t mrc_subscriber_announce(struct mrc_subscriber *subscriber);

/* The stream has ended for the reason END. Accepts NULL. */
void mrc_subscriber_close(struct mrc_subscriber *subscriber, enum mrc_end end);

/*
 * What mrc_subscriber_last_event_id() would say of a subscriber that came with CURSOR, without one:
 * a text to be free()d. APR_ENOMEM, and what else the ring answers.
 */
apr_status_t mrc_subscriber_peek(struct mrc_hub *hub, struct mrc_bytes cursor, int64_t now_us,
                                 char **ret_id);

/*
 * The subscriber's own name, `urn:uuid:` and a random UUID: drawn for each connection, nothing that
 * a client says gets into it (draft, "Subscription Events"). RET_ID has room for
 * MRC_UPDATE_ID_BYTES of core/protocol/update.h.
 */
void mrc_subscriber_get_id(const struct mrc_subscriber *subscriber, char *ret_id);

/*
 * The id of the event before the first one that will come, or `earliest`: the answer's
 * Mercure-Last-Event-ID (draft, "Reconciliation"). { NULL, 0 } if the client sent no cursor, or if
 * the subscriber rests. Lives until then.
 */
struct mrc_bytes mrc_subscriber_last_event_id(const struct mrc_subscriber *subscriber);

/*
 * When the stream, which begins at NOW_US, has to end, if nothing else ends it: before the token
 * expires, or after a lifetime that is drawn for it: each call draws another one. Both times in
 * microseconds since 1970; INT64_MAX: never. RET_END gets the reason.
 */
int64_t mrc_subscriber_draw_end(const struct mrc_subscriber *subscriber, int64_t now_us,
                                enum mrc_end *ret_end);

struct mrc_hub *mrc_subscriber_get_hub(const struct mrc_subscriber *subscriber);

/* Its token, which lives as long as it; NULL: it is anonymous. */
const struct mrc_token *mrc_subscriber_get_token(const struct mrc_subscriber *subscriber);

/* What it listens to; lives as long as the subscriber. */
struct mrc_matcher *const *mrc_subscriber_get_matchers(const struct mrc_subscriber *subscriber,
                                                       size_t *ret_count);

/*
 * Whether it may take long to tell if it receives an update: because of what it listens with
 * (mrc_matcher_is_costly()), or because of what its token grants.
 */
bool mrc_subscriber_is_costly(const struct mrc_subscriber *subscriber);

/* The position in the ring of what it has not been given yet. */
uint64_t mrc_subscriber_get_position(const struct mrc_subscriber *subscriber);

/* The number in the history of what it has not been given yet, as far as its own reading goes. */
uint64_t mrc_subscriber_get_next(const struct mrc_subscriber *subscriber);

/*
 * From now on it reads through PAST (past.h), which must outlive it, as others do; without one,
 * mrc_subscriber_take() reads for it alone, and may wait for the disk.
 */
void mrc_subscriber_read_with(struct mrc_subscriber *subscriber, struct mrc_pages *past);

/* Whether the reader has not finished what was asked of it. */
bool mrc_subscriber_is_reading(const struct mrc_subscriber *subscriber);

/*
 * Its client is not ready for what was asked of the reader, which others wait for then: the next
 * mrc_subscriber_take() asks again.
 */
void mrc_subscriber_give_back(struct mrc_subscriber *subscriber);

/*
 * It has not been given the records from number NEXT on, and the ring has gone over them: the next
 * mrc_subscriber_take() reads them from the history. MRC_STATUS_OVERRUN: there is nothing but the
 * ring.
 */
apr_status_t mrc_subscriber_fall_back(struct mrc_subscriber *subscriber, uint64_t next);

/*
 * Whether it may read UPDATE, which is routed to it: private updates need a grant. TOPICS are its,
 * and only needed if it is private. RET_MAY_READ is untouched if MRC_ENOMEM is returned.
 */
enum mrc_err mrc_subscriber_may_read(const struct mrc_subscriber *subscriber,
                                     const struct mrc_update *update, struct mrc_topics *topics,
                                     bool *ret_may_read);

/* Gets an event of which it may keep a reference. An error ends the taking. */
typedef apr_status_t mrc_subscriber_give_fn(void *ctx, struct mrc_event *event);

/*
 * Gives the events that are due with GIVE(CTX), several together as one, until they are MAX_BYTES
 * or more (the last update is always whole), many records were read, or there is nothing left.
 * APR_SUCCESS: there may be more, also if nothing was given. APR_EOF: that is all for now; wait to
 * be woken. APR_EAGAIN: the rest is being read, see mrc_subscriber_read_with(). MRC_STATUS_OVERRUN:
 * it fell behind too far; end the stream, the client resumes by its last id. APR_ENOMEM,
 * MRC_STATUS_CORRUPT (of a file), or an error of GIVE: end the stream.
 */
apr_status_t mrc_subscriber_take(struct mrc_subscriber *subscriber, size_t max_bytes,
                                 mrc_subscriber_give_fn *give, void *ctx);

/* GIVE for a CTX that is a struct mrc_buf: appends the event to it. */
apr_status_t mrc_subscriber_give_bytes(void *ctx, struct mrc_event *event);

/*
 * There is nothing to take for now, and others will tell when it has to read by itself again: gives
 * back what it reads with, which the next mrc_subscriber_take() makes anew.
 */
void mrc_subscriber_rest(struct mrc_subscriber *subscriber);

/*
 * What mrc_subscriber_take() has given last is written now, at NOW_US since 1970: counts how long
 * that took, for what was published since the subscriber was opened. Of several updates the oldest
 * decides.
 */
void mrc_subscriber_count_written(struct mrc_subscriber *subscriber, int64_t now_us);

#endif
