#include "hub/subscriber/subscriber.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/buf.h"
#include "core/protocol/sse.h"
#include "core/protocol/update.h"
#include "core/token/token.h"
#include "hub/base/event.h"
#include "hub/base/status.h"
#include "hub/control/order.h"
#include "hub/hub/hub.h"
#include "hub/hub/patterns.h"
#include "hub/presence/presence.h"
#include "hub/subscriber/cursor.h"
#include "hub/subscriber/filter.h"
#include "hub/subscriber/pages.h"
#include "hub/subscriber/replay.h"
#include "store/base/status.h"
#include "store/history/history.h"
#include "store/ring/ring.h"

/* A stream ends this long before its token expires: a timer fires up to a tick late, and a busy
 * loop has other streams first. */
#define EXPIRY_MARGIN_US ((int64_t)50 * 1000)

/* There are as many subscribers as streams, so state that is only needed for a while is in the
 * replay. */
struct mrc_subscriber {
    struct mrc_hub *hub;
    struct mrc_hub_seat seat;
    unsigned char random[16]; /* of its name */
    struct mrc_token *token;
    struct mrc_place place;        /* of the first record that it has not received */
    struct mrc_replay *replay;     /* NULL: it rests */
    struct mrc_pages *pages;       /* for its replays; NULL: they have their own */
    struct mrc_presence *presence; /* NULL: not announced */
    uint32_t matchers_count;
    bool has_address : 1; /* it follows the matchers */
    bool wants_positions : 1;
    bool positions_are_events : 1;
    bool has_resumed : 1; /* with a cursor that the history knew */
    uint8_t losses;       /* the low bits of mrc_hub_get_losses() that it has outlived */
    uint8_t gap;          /* the low bits of mrc_hub_get_gap() when it began */
    struct mrc_matcher *matchers[];
};

static struct mrc_filter filter_of(const struct mrc_subscriber *subscriber)
{
    return (struct mrc_filter){subscriber->matchers, subscriber->matchers_count, subscriber->token};
}

/* ---- open and close ---------------------------------------------------------------------------*/

static void put_matchers(struct mrc_hub *hub, struct mrc_matcher *const *matchers, size_t count)
{
    for (size_t i = 0; i < count; i++)
        mrc_patterns_put(mrc_hub_patterns(hub), matchers[i]);
}

void mrc_subscription_clear(struct mrc_hub *hub, struct mrc_subscription *subscription)
{
    put_matchers(hub, subscription->matchers, subscription->matchers_count);
    free(subscription->matchers);
    mrc_token_unref(subscription->token);
    *subscription = (struct mrc_subscription){0};
}

apr_status_t mrc_subscriber_peek(struct mrc_hub *hub, struct mrc_bytes cursor, int64_t now_us,
                                 char **ret_id)
{
    struct mrc_place unused;

    return mrc_cursor_find(mrc_hub_history(hub), cursor, now_us, &unused, ret_id);
}

static bool outlives_losses(void *ctx)
{
    return mrc_subscriber_outlives_losses(ctx);
}

/* False: out of memory. */
static bool begin_replay(struct mrc_subscriber *subscriber, uint64_t live_from)
{
    subscriber->replay = mrc_replay_create(subscriber->hub, subscriber->pages, live_from);
    if (subscriber->replay)
        mrc_replay_set_check(subscriber->replay, outlives_losses, subscriber);
    return subscriber->replay != NULL;
}

static apr_status_t start(struct mrc_subscriber *subscriber, bool has_cursor,
                          struct mrc_bytes cursor, int64_t now_us)
{
    struct mrc_history *history = mrc_hub_history(subscriber->hub);
    apr_status_t status;
    uint64_t unused;
    char *id = NULL;

    if (!begin_replay(subscriber, mrc_ring_head(mrc_hub_ring(subscriber->hub))))
        return APR_ENOMEM;
    subscriber->losses = (uint8_t)mrc_hub_get_losses(subscriber->hub, &unused);
    subscriber->gap = (uint8_t)mrc_hub_get_gap(subscriber->hub);
    status = mrc_hub_random(subscriber->hub, subscriber->random, sizeof(subscriber->random));
    if (status != APR_SUCCESS)
        return status;
    if (has_cursor)
        status = mrc_cursor_find(history, cursor, now_us, &subscriber->place, &id);
    else
        mrc_history_head(history, &subscriber->place);
    subscriber->has_resumed = id && cursor.len > 0 && strcmp(id, "earliest") != 0;
    mrc_replay_set_last_event_id(subscriber->replay, id);
    return status;
}

static void free_subscriber(struct mrc_subscriber *subscriber)
{
    mrc_subscriber_rest(subscriber);
    put_matchers(subscriber->hub, subscriber->matchers, subscriber->matchers_count);
    mrc_token_unref(subscriber->token);
    free(subscriber);
}

/* Moves the matchers and the token of SUBSCRIPTION to a subscriber. NULL: out of memory, and
 * SUBSCRIPTION still has them. */
static struct mrc_subscriber *create(struct mrc_hub *hub, struct mrc_subscription *subscription)
{
    size_t matchers_bytes = subscription->matchers_count * sizeof(*subscription->matchers);
    size_t address_bytes = subscription->address ? MRC_ORDER_ADDRESS_BYTES : 0;
    struct mrc_subscriber *subscriber =
        calloc(1, sizeof(*subscriber) + matchers_bytes + address_bytes);

    if (!subscriber)
        return NULL;
    if (subscription->address)
        memcpy((char *)subscriber->matchers + matchers_bytes, subscription->address,
               MRC_ORDER_ADDRESS_BYTES);
    subscriber->has_address = subscription->address != NULL;
    subscriber->hub = hub;
    subscriber->token = subscription->token;
    subscriber->matchers_count = (uint32_t)subscription->matchers_count;
    subscriber->wants_positions = subscription->wants_positions;
    subscriber->positions_are_events = subscription->positions_are_events;
    memcpy(subscriber->matchers, subscription->matchers, matchers_bytes);
    free(subscription->matchers);
    subscription->matchers = NULL;
    return subscriber;
}

/* Removes SUBSCRIBER, which has a seat and listens, from its hub. */
static void leave(struct mrc_subscriber *subscriber, enum mrc_end end)
{
    mrc_hub_unlisten(subscriber->hub, subscriber->matchers, subscriber->matchers_count);
    mrc_seats_give_back(mrc_hub_seats(subscriber->hub), &subscriber->seat, end);
}

/* The same as mrc_subscriber_open(), in a hub that has been entered for the subscriber. */
static apr_status_t open_inside(struct mrc_hub *hub, struct mrc_subscription *subscription,
                                int64_t now_us, struct mrc_subscriber **ret_subscriber)
{
    struct mrc_subscriber *subscriber = mrc_hub_has_history(hub) ? create(hub, subscription) : NULL;
    apr_status_t status;

    if (!subscriber) {
        mrc_subscription_clear(hub, subscription);
        return mrc_hub_has_history(hub) ? APR_ENOMEM : MRC_STATUS_UNREACHABLE;
    }
    status = mrc_seats_take(mrc_hub_seats(hub), &subscription->client, &subscriber->seat);
    if (status == APR_SUCCESS) {
        /* Before it takes its position, so no update is lost in between. */
        mrc_hub_listen(hub, subscriber->matchers, subscriber->matchers_count);
        status = start(subscriber, subscription->has_cursor, subscription->cursor, now_us);
        if (status != APR_SUCCESS)
            leave(subscriber, MRC_END_REFUSED);
    }
    *subscription = (struct mrc_subscription){0};
    if (status != APR_SUCCESS) {
        free_subscriber(subscriber);
        return status;
    }
    *ret_subscriber = subscriber;
    return APR_SUCCESS;
}

apr_status_t mrc_subscriber_open(struct mrc_hub *hub, struct mrc_subscription *subscription,
                                 int64_t now_us, struct mrc_subscriber **ret_subscriber)
{
    apr_status_t status;

    if (!mrc_hub_enter(hub)) {
        mrc_subscription_clear(hub, subscription);
        return MRC_STATUS_SUPERSEDED;
    }
    status = open_inside(hub, subscription, now_us, ret_subscriber);
    if (status != APR_SUCCESS)
        mrc_hub_leave(hub);
    return status;
}

apr_status_t mrc_subscriber_announce(struct mrc_subscriber *subscriber)
{
    return mrc_presence_begin(subscriber->hub, subscriber->random, subscriber->matchers,
                              subscriber->matchers_count, subscriber->token, &subscriber->presence);
}

void mrc_subscriber_close(struct mrc_subscriber *subscriber, enum mrc_end end)
{
    struct mrc_hub *hub;

    if (!subscriber)
        return;
    hub = subscriber->hub;
    mrc_presence_end(subscriber->presence);
    leave(subscriber, end);
    free_subscriber(subscriber);
    mrc_hub_leave(hub);
}

/* ---- what it is -------------------------------------------------------------------------------*/

void mrc_subscriber_get_id(const struct mrc_subscriber *subscriber, char *ret_id)
{
    mrc_update_id_make(subscriber->random, ret_id);
}

struct mrc_bytes mrc_subscriber_last_event_id(const struct mrc_subscriber *subscriber)
{
    return subscriber->replay ? mrc_replay_get_last_event_id(subscriber->replay)
                              : (struct mrc_bytes){NULL, 0};
}

bool mrc_subscriber_wants_positions(const struct mrc_subscriber *subscriber)
{
    return subscriber->wants_positions;
}

bool mrc_subscriber_add_position(const struct mrc_subscriber *subscriber, uint64_t number,
                                 int64_t now_us, struct mrc_buf *out)
{
    return mrc_cursor_add_position(subscriber->hub, number ? number : subscriber->place.next,
                                   now_us, subscriber->positions_are_events, out);
}

void mrc_subscriber_add_first_bytes(const struct mrc_subscriber *subscriber, int64_t now_us,
                                    struct mrc_buf *out)
{
    mrc_sse_add_comment(out);
    if (subscriber->wants_positions)
        mrc_subscriber_add_position(subscriber, 0, now_us, out);
}

bool mrc_subscriber_add_newest_position(struct mrc_hub *hub, int64_t now_us, bool as_event,
                                        struct mrc_buf *out)
{
    struct mrc_place place;

    mrc_history_head(mrc_hub_history(hub), &place);
    return mrc_cursor_add_position(hub, place.next, now_us, as_event, out);
}

int64_t mrc_subscriber_expires_us(const struct mrc_subscriber *subscriber, int64_t ahead_us)
{
    return subscriber->token ? mrc_token_get_exp_us(subscriber->token) - EXPIRY_MARGIN_US - ahead_us
                             : INT64_MAX;
}

/* Streams that began together end at different times: at 80 to 100 % of the lifetime. */
int64_t mrc_subscriber_draw_end(const struct mrc_subscriber *subscriber, int64_t now_us,
                                int64_t ahead_us, enum mrc_end *ret_end)
{
    int64_t lifetime_us = mrc_hub_get_limits(subscriber->hub)->lifetime_us;
    int64_t expires_us = mrc_subscriber_expires_us(subscriber, ahead_us);
    int64_t ends_us = INT64_MAX;

    *ret_end = MRC_END_LIFETIME;
    if (lifetime_us) {
        int64_t part_us = lifetime_us / 5;
        uint16_t random = 0;

        mrc_hub_random(subscriber->hub, &random, sizeof(random));
        /* In two steps: the product with a long lifetime would overflow. */
        part_us = part_us / UINT16_MAX * random + part_us % UINT16_MAX * random / UINT16_MAX;
        ends_us = now_us + lifetime_us - part_us;
    }
    if (expires_us < ends_us) {
        ends_us = expires_us;
        *ret_end = MRC_END_EXPIRED;
    }
    return ends_us;
}

struct mrc_hub *mrc_subscriber_get_hub(const struct mrc_subscriber *subscriber)
{
    return subscriber->hub;
}

const struct mrc_token *mrc_subscriber_get_token(const struct mrc_subscriber *subscriber)
{
    return subscriber->token;
}

struct mrc_token *mrc_subscriber_share_token(const struct mrc_subscriber *subscriber)
{
    return subscriber->token;
}

const unsigned char *mrc_subscriber_get_address(const struct mrc_subscriber *subscriber)
{
    return subscriber->has_address
               ? (const unsigned char *)(subscriber->matchers + subscriber->matchers_count)
               : NULL;
}

bool mrc_subscriber_obeys(const struct mrc_subscriber *subscriber, const struct mrc_order *order)
{
    char id[MRC_UPDATE_ID_BYTES];
    const struct mrc_order_target target = {
        .token = subscriber->token,
        .subscriber = id,
        .address = mrc_subscriber_get_address(subscriber),
        .matchers = subscriber->matchers,
        .matchers_count = subscriber->matchers_count,
    };

    if (order->subscriber.ptr)
        mrc_subscriber_get_id(subscriber, id);
    return mrc_order_applies(order, &target);
}

struct mrc_matcher *const *mrc_subscriber_get_matchers(const struct mrc_subscriber *subscriber,
                                                       size_t *ret_count)
{
    *ret_count = subscriber->matchers_count;
    return subscriber->matchers;
}

bool mrc_subscriber_is_costly(const struct mrc_subscriber *subscriber)
{
    const struct mrc_filter filter = filter_of(subscriber);

    return mrc_filter_is_costly(&filter);
}

apr_status_t mrc_subscriber_may_read(const struct mrc_subscriber *subscriber,
                                     const struct mrc_update *update, struct mrc_topics *topics,
                                     bool *ret_may_read)
{
    return mrc_filter_may_read(subscriber->token, update, topics, ret_may_read);
}

/* ---- where it stands --------------------------------------------------------------------------*/

uint64_t mrc_subscriber_get_position(const struct mrc_subscriber *subscriber)
{
    return subscriber->place.pos;
}

uint64_t mrc_subscriber_get_opened(const struct mrc_subscriber *subscriber)
{
    return subscriber->replay ? mrc_replay_get_live_from(subscriber->replay)
                              : subscriber->place.pos;
}

bool mrc_subscriber_has_orders(const struct mrc_subscriber *subscriber)
{
    return subscriber->pages && mrc_ring_control(mrc_hub_ring(subscriber->hub)) !=
                                    mrc_pages_get_orders(subscriber->pages);
}

uint64_t mrc_subscriber_get_next(const struct mrc_subscriber *subscriber)
{
    return subscriber->place.next;
}

bool mrc_subscriber_outlives_losses(struct mrc_subscriber *subscriber)
{
    uint64_t seq;
    uint8_t losses = (uint8_t)mrc_hub_get_losses(subscriber->hub, &seq);

    if ((uint8_t)mrc_hub_get_gap(subscriber->hub) != subscriber->gap)
        return false;
    if (losses == subscriber->losses)
        return true;
    /* It may have been before that when it resumed; then it ends without need. */
    if (subscriber->has_resumed && subscriber->place.next > seq + 1)
        return false;
    subscriber->losses = losses;
    return true;
}

apr_status_t mrc_subscriber_fall_back(struct mrc_subscriber *subscriber, uint64_t next)
{
    if (next > subscriber->place.next)
        subscriber->place.next = next;
    return mrc_history_resume(mrc_hub_history(subscriber->hub), &subscriber->place);
}

/* ---- reading by itself ------------------------------------------------------------------------*/

void mrc_subscriber_read_with(struct mrc_subscriber *subscriber, struct mrc_pages *pages)
{
    subscriber->pages = pages;
    if (subscriber->replay)
        mrc_replay_read_with(subscriber->replay, pages);
}

bool mrc_subscriber_is_reading(const struct mrc_subscriber *subscriber)
{
    return subscriber->replay && mrc_replay_is_reading(subscriber->replay);
}

void mrc_subscriber_give_back(struct mrc_subscriber *subscriber)
{
    if (subscriber->replay)
        mrc_replay_give_back(subscriber->replay);
}

void mrc_subscriber_rest(struct mrc_subscriber *subscriber)
{
    mrc_replay_free(subscriber->replay);
    subscriber->replay = NULL;
}

apr_status_t mrc_subscriber_take(struct mrc_subscriber *subscriber, size_t max_bytes,
                                 mrc_subscriber_give_fn *give, void *ctx)
{
    const struct mrc_filter filter = filter_of(subscriber);

    /* Without a replay it was live: all further updates are newer than its opening. */
    if (!subscriber->replay && !begin_replay(subscriber, subscriber->place.pos))
        return APR_ENOMEM;
    return mrc_replay_take(subscriber->replay, &filter, &subscriber->place, max_bytes, give, ctx);
}

apr_status_t mrc_subscriber_give_bytes(void *ctx, struct mrc_event *event)
{
    struct mrc_buf *out = ctx;

    mrc_buf_add_bytes(out, mrc_event_bytes(event));
    return mrc_status_of(mrc_buf_error(out));
}

void mrc_subscriber_count_written(struct mrc_subscriber *subscriber, int64_t now_us)
{
    if (subscriber->replay)
        mrc_replay_count_written(subscriber->replay, now_us);
}
