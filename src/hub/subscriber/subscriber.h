/* clang-format off */
/*
 * One subscriber: what it listens to, what it may read, and where it is in the order of the hub's
 * updates.
 *
 *     open                has read all that it missed
 *     -----> REPLAY ------------------------------------> LIVE
 *              |  ^                                         |
 *              |  +-----------------------------------------+
 *              |        the ring has overwritten updates    |
 *              |        that it has not been given          |
 *              |                                            |
 *              +--------> closed <--------------------------+
 *                              for any enum mrc_end
 *
 *     REPLAY    It reads by itself (replay.h): the ring or, with a durable history, first the disk
 *               and then the ring.
 *     LIVE      The dispatcher gives it each update of the ring that passes its filter (filter.h),
 *               and it has no replay.
 *
 * A subscriber with its own thread (hub/stream/waiters.h) stays in REPLAY, and reads whenever it is
 * woken. A subscriber belongs to one thread at a time.
 */
/* clang-format on */
#ifndef MRC_HUB_SUBSCRIBER_SUBSCRIBER_H
#define MRC_HUB_SUBSCRIBER_SUBSCRIBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "apr_errno.h"

#include "core/base/bytes.h"
#include "hub/base/end.h"
#include "hub/hub/seats.h"

struct mrc_buf;
struct mrc_event;
struct mrc_hub;
struct mrc_matcher;
struct mrc_order;
struct mrc_pages;
struct mrc_subscriber;
struct mrc_token;
struct mrc_topics;
struct mrc_update;

/* The subscription that a client asks for. */
struct mrc_subscription {
    struct mrc_matcher **matchers; /* from mrc_patterns_get(), in an array from malloc() */
    size_t matchers_count;
    struct mrc_token *token;      /* NULL: anonymous; the subscriber takes over the reference */
    struct mrc_hub_client client; /* the client that the seat is counted for */
    bool has_cursor;
    struct mrc_bytes cursor;      /* the client's last event id; may be empty */
    const unsigned char *address; /* of the client, of MRC_ORDER_ADDRESS_BYTES; NULL: not kept */
    bool positions_are_events;    /* all positions come in the form of mrc_sse_add_id_event() */
    bool wants_positions; /* the client gets the position of its stream while it is silent */
};

/* Gives the matchers of SUBSCRIPTION back to HUB, and releases its token. */
void mrc_subscription_clear(struct mrc_hub *hub, struct mrc_subscription *subscription);

/*
 * Opens a subscriber, which takes over the matchers and the token of SUBSCRIPTION, even on failure.
 * The subscriber misses no update from now on, because the hub knows its matchers before it takes
 * its position. APR_ENOMEM, MRC_STATUS_SUPERSEDED: the child has ended, and the statuses of
 * mrc_seats_take().
 */
apr_status_t mrc_subscriber_open(struct mrc_hub *hub, struct mrc_subscription *subscription,
                                 int64_t now_us, struct mrc_subscriber **ret_subscriber);

/*
 * Lists and announces the subscriptions as active, if the hub keeps a list (presence.h, also for
 * the errors). Call it once, before the client gets a byte. It waits for the ring's lock as a
 * publisher does. Their end is announced when the subscriber is closed.
 */
apr_status_t mrc_subscriber_announce(struct mrc_subscriber *subscriber);

/* Closes the subscriber of a stream that ended for the reason END. Accepts NULL. */
void mrc_subscriber_close(struct mrc_subscriber *subscriber, enum mrc_end end);

/*
 * The id that mrc_subscriber_last_event_id() would return for a subscriber with CURSOR, without
 * opening one. The caller free()s it. APR_ENOMEM, and errors of the history.
 */
apr_status_t mrc_subscriber_peek(struct mrc_hub *hub, struct mrc_bytes cursor, int64_t now_us,
                                 char **ret_id);

/*
 * The name of the subscriber: `urn:uuid:` and a random UUID, new for each connection, which no
 * client can influence (draft, "Subscription Events"). RET_ID has room for MRC_UPDATE_ID_BYTES of
 * core/protocol/update.h.
 */
void mrc_subscriber_get_id(const struct mrc_subscriber *subscriber, char *ret_id);

/*
 * The id of the event before the first one that the subscriber will get, or `earliest`: the value
 * of the response field Mercure-Last-Event-ID (draft, "Reconciliation"). { NULL, 0 }: the client
 * sent no cursor, or mrc_subscriber_rest() was called. It lives until then.
 */
struct mrc_bytes mrc_subscriber_last_event_id(const struct mrc_subscriber *subscriber);

/* Whether its client gets positions. */
bool mrc_subscriber_wants_positions(const struct mrc_subscriber *subscriber);

/*
 * Appends a block to OUT that tells the client its position (cursor.h): the client has been given
 * everything before record NUMBER of the history. NUMBER 0: everything that mrc_subscriber_take()
 * has given. False: the position is not known, and nothing is appended.
 */
bool mrc_subscriber_add_position(const struct mrc_subscriber *subscriber, uint64_t number,
                                 int64_t now_us, struct mrc_buf *out);

/* Appends the first bytes of the stream to OUT: a comment line, and the position if the client
 * wants positions. The subscriber has not been given any event. */
void mrc_subscriber_add_first_bytes(const struct mrc_subscriber *subscriber, int64_t now_us,
                                    struct mrc_buf *out);

/* Appends a block to OUT that tells a client the position after the newest update of HUB; AS_EVENT
 * as in cursor.h. False: as above. */
bool mrc_subscriber_add_newest_position(struct mrc_hub *hub, int64_t now_us, bool as_event,
                                        struct mrc_buf *out);

/* When its token expires, less a margin, by store/base/clock.h, of which the time of day is
 * AHEAD_US ahead; INT64_MAX: it has none. */
int64_t mrc_subscriber_expires_us(const struct mrc_subscriber *subscriber, int64_t ahead_us);

/*
 * The latest end of the stream, which begins at NOW_US: before its token expires, or after a random
 * part of the hub's lifetime; each call draws a new one. Times as above; INT64_MAX: never. RET_END
 * gets the reason.
 */
int64_t mrc_subscriber_draw_end(const struct mrc_subscriber *subscriber, int64_t now_us,
                                int64_t ahead_us, enum mrc_end *ret_end);

struct mrc_hub *mrc_subscriber_get_hub(const struct mrc_subscriber *subscriber);

/* Its token, which lives as long as the subscriber; NULL: it is anonymous. */
const struct mrc_token *mrc_subscriber_get_token(const struct mrc_subscriber *subscriber);

/* The same token, for a caller that takes a reference of its own. */
struct mrc_token *mrc_subscriber_share_token(const struct mrc_subscriber *subscriber);

/* The address of its client, of MRC_ORDER_ADDRESS_BYTES; NULL: the subscription had none. */
const unsigned char *mrc_subscriber_get_address(const struct mrc_subscriber *subscriber);

/* Whether ORDER (hub/control/order.h) applies to it. */
bool mrc_subscriber_obeys(const struct mrc_subscriber *subscriber, const struct mrc_order *order);

/* Its matchers, which live as long as the subscriber. */
struct mrc_matcher *const *mrc_subscriber_get_matchers(const struct mrc_subscriber *subscriber,
                                                       size_t *ret_count);

/* Whether it may take long to decide if it gets an update (mrc_filter_is_costly()). */
bool mrc_subscriber_is_costly(const struct mrc_subscriber *subscriber);

/* The position in the ring of the first record that it has not been given. */
uint64_t mrc_subscriber_get_position(const struct mrc_subscriber *subscriber);

/*
 * The position in the ring of the first record after it was opened; only until
 * mrc_subscriber_rest() was called. All orders from there on are for this subscriber, too.
 */
uint64_t mrc_subscriber_get_opened(const struct mrc_subscriber *subscriber);

/* Whether the ring has an order that the owner of its pages has not carried out yet. Updates that
 * mrc_subscriber_take() has given may be newer than this order. */
bool mrc_subscriber_has_orders(const struct mrc_subscriber *subscriber);

/* The number in the history of the first record that it has not been given; only updated while it
 * reads by itself. */
uint64_t mrc_subscriber_get_next(const struct mrc_subscriber *subscriber);

/*
 * Makes it read with PAGES (pages.h), which must outlive it and which other subscribers share.
 * Without them mrc_subscriber_take() reads for this subscriber alone, and may wait for the disk.
 */
void mrc_subscriber_read_with(struct mrc_subscriber *subscriber, struct mrc_pages *pages);

/* Whether the page that it waits for is still being read. */
bool mrc_subscriber_is_reading(const struct mrc_subscriber *subscriber);

/*
 * Gives up the page that it waits for, because its client accepts nothing now and others need the
 * room. The next mrc_subscriber_take() asks for the page again.
 */
void mrc_subscriber_give_back(struct mrc_subscriber *subscriber);

/*
 * False: it must end, because of what the engine has lost (mrc_hub_get_losses()), or what this
 * machine has missed since it began (mrc_hub_get_gap()). Call this before it gets a record that was
 * read after that was found.
 */
bool mrc_subscriber_outlives_losses(struct mrc_subscriber *subscriber);

/*
 * Call it when the ring has overwritten records, from number NEXT on, that the subscriber has not
 * been given: the next mrc_subscriber_take() reads them from the history. MRC_STATUS_OVERRUN: the
 * history does not have them.
 */
apr_status_t mrc_subscriber_fall_back(struct mrc_subscriber *subscriber, uint64_t next);

/* Whether it may read UPDATE, which is routed to it (mrc_filter_may_read()). */
apr_status_t mrc_subscriber_may_read(const struct mrc_subscriber *subscriber,
                                     const struct mrc_update *update, struct mrc_topics *topics,
                                     bool *ret_may_read);

/* Receives one event, and may keep a reference to it. An error ends mrc_subscriber_take(). */
typedef apr_status_t mrc_subscriber_give_fn(void *ctx, struct mrc_event *event);

/*
 * Calls GIVE(CTX) with the next events of the subscriber, several joined into one, until they have
 * MAX_BYTES or more (the last one is never cut), or many records were read, or there are no more.
 *
 * APR_SUCCESS: there may be more, even if nothing was given. APR_EOF: there are no more for now;
 * call it again after a wake-up. APR_EAGAIN: a page is being read (mrc_subscriber_read_with()).
 * MRC_STATUS_OVERRUN: the history has dropped the next record; end the stream, and the client
 * resumes with its last event id. APR_ENOMEM, MRC_STATUS_CORRUPT (of a file), or an error of GIVE:
 * end the stream.
 */
apr_status_t mrc_subscriber_take(struct mrc_subscriber *subscriber, size_t max_bytes,
                                 mrc_subscriber_give_fn *give, void *ctx);

/* A GIVE function whose CTX is a struct mrc_buf: appends the event to the buffer. */
apr_status_t mrc_subscriber_give_bytes(void *ctx, struct mrc_event *event);

/*
 * Frees its replay, because the dispatcher gives it all further updates. The next
 * mrc_subscriber_take() makes a new replay.
 */
void mrc_subscriber_rest(struct mrc_subscriber *subscriber);

/* Counts the dispatch time of the updates that the last mrc_subscriber_take() gave, which are
 * written at NOW_US since 1970 (mrc_replay_count_written()). */
void mrc_subscriber_count_written(struct mrc_subscriber *subscriber, int64_t now_us);

#endif
