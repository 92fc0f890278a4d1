/*
 * Shared by the tests of the hub layer: a hub on a real segment in a private directory,
 * subscribers, updates, and reproducible random numbers.
 */
#ifndef MRC_TESTS_HUB_UNIT_H
#define MRC_TESTS_HUB_UNIT_H

#include "core/protocol/update.h"
#include "core/topic/matcher.h"
#include "hub/hub/hub.h"
#include "hub/hub/numbers.h"
#include "hub/hub/patterns.h"
#include "hub/subscriber/subscriber.h"
#include "store/history/history.h"
#include "store/hub/segment.h"
#include "store/regions/staging.h"
#include "store/shm/notify.h"
#include "store/shm/segment.h"
#include "store_unit.h"

#include "apr_strings.h"
#include "apr_time.h"

/* ---- random numbers ---------------------------------------------------------------------------*/

/* xorshift64*: the same seed gives the same numbers on every machine. */
static inline uint64_t hub_random(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * UINT64_C(0x2545f4914f6cdd1d);
}

static inline unsigned hub_random_below(uint64_t *state, unsigned bound)
{
    return (unsigned)((hub_random(state) >> 32) % bound);
}

/* ---- a hub ------------------------------------------------------------------------------------*/

#define HUB_SLOTS 2
#define HUB_SLOT  1

struct hub_place {
    const char *dir;
    apr_pool_t *pool;
    struct mrc_notify *notify;
    struct mrc_hub_segment *segment;
    struct mrc_hub *hub;
};

/* Opens a hub with the limits, the directory, the transport, roster and census of SPEC, a ring of
 * RING_BYTES, and a history without further bounds. */
static inline struct hub_place hub_place_open(uint64_t ring_bytes, const struct mrc_hub_spec *spec)
{
    struct hub_place place = {.dir = store_dir(), .pool = store_pool()};
    struct mrc_hub_spec *copy = apr_pmemdup(place.pool, spec, sizeof(*copy));
    struct mrc_error error = {""};

    copy->shape = (struct mrc_hub_shape){
        .key = "hub",
        .ring_bytes = ring_bytes,
        .body_max_bytes = ring_bytes / 4,
        .staging_bytes =
            spec->history_dir || spec->transport
                ? (uint32_t)mrc_staging_bytes(MRC_STAGING_SLOTS, MRC_STAGING_DATA_BYTES, 0)
                : 0,
        .roster_subscribers = spec->shape.roster_subscribers,
        .census_streams = spec->shape.census_streams,
        .is_controlled = spec->shape.is_controlled,
        .has_link = spec->transport != NULL,
    };

    ck_assert_msg(mrc_notify_create(place.pool, HUB_SLOTS, &error, &place.notify) == APR_SUCCESS,
                  "%s", error.text);
    ck_assert_msg(mrc_hub_segment_create(place.pool, place.dir, "hub", &copy->shape, HUB_SLOTS,
                                         store_budget(), &error, &place.segment) == APR_SUCCESS,
                  "%s", error.text);
    place.hub = mrc_hub_open(place.pool, place.segment, place.notify, HUB_SLOT, 0, copy,
                             MRC_HISTORY_OPEN_WAIT_US, &error);
    ck_assert_msg(place.hub != NULL, "%s", error.text);
    return place;
}

static inline void hub_place_close(const struct hub_place *place)
{
    ck_assert_uint_eq(mrc_numbers_gauge(mrc_hub_numbers(place->hub), MRC_GAUGE_SUBSCRIBERS), 0);
    ck_assert_uint_eq(mrc_numbers_gauge(mrc_hub_numbers(place->hub), MRC_GAUGE_PATTERNS), 0);
    ck_assert_uint_eq(mrc_numbers_gauge(mrc_hub_numbers(place->hub), MRC_GAUGE_PATTERN_BYTES), 0);
    ck_assert_uint_eq(mrc_interests_listeners(mrc_hub_segment_interests(place->segment), HUB_SLOT),
                      0);
    mrc_hub_close(place->hub);
    mrc_hub_segment_close(place->segment);
    mrc_notify_close(place->notify);
    mrc_segment_remove(place->dir, "hub");
    ck_assert_int_eq(rmdir(place->dir), 0);
}

static inline uint64_t hub_counter(const struct hub_place *place, unsigned counter)
{
    return mrc_counters_sum(mrc_hub_segment_counters(place->segment), counter);
}

/* ---- publishing and subscribing ---------------------------------------------------------------*/

static inline struct mrc_matcher *hub_matcher(enum mrc_matcher_type type, const char *value,
                                              const char *base)
{
    struct mrc_error error = {""};
    struct mrc_matcher *matcher;

    ck_assert_msg(mrc_matcher_create(type, mrc_bytes_of(value), base, &error, &matcher) == MRC_OK,
                  "%s: %s", value, error.text);
    return matcher;
}

/* Publishes to the COUNT topics TOPICS. */
static inline apr_status_t hub_publish_to(struct mrc_hub *hub, const char *id,
                                          const char *const *topics, size_t count,
                                          struct mrc_bytes data, bool is_private)
{
    struct mrc_bytes views[8];
    const struct mrc_update update = {
        .topics = views,
        .topics_count = count,
        .data = data,
        .id = mrc_bytes_of(id),
        .is_private = is_private,
    };

    ck_assert_uint_le(count, sizeof(views) / sizeof(views[0]));
    for (size_t i = 0; i < count; i++)
        views[i] = mrc_bytes_of(topics[i]);
    return mrc_hub_publish(hub, &update, 1, apr_time_now());
}

static inline void hub_publish(struct mrc_hub *hub, const char *id, const char *topic,
                               const char *data)
{
    ck_assert_int_eq(hub_publish_to(hub, id, &topic, 1, mrc_bytes_of(data), false), APR_SUCCESS);
}

/* The hub's matcher that is equal to MATCHER, which is freed. */
static inline struct mrc_matcher *hub_own_matcher(struct mrc_hub *hub, struct mrc_matcher *matcher)
{
    struct mrc_matcher *own = NULL;

    ck_assert_int_eq(mrc_patterns_get(mrc_hub_patterns(hub), mrc_matcher_get_type(matcher),
                                      mrc_matcher_get_value(matcher), mrc_matcher_get_base(matcher),
                                      NULL, &own),
                     MRC_OK);
    mrc_matcher_free(matcher);
    return own;
}

/* Takes ownership of MATCHER and TOKEN. CURSOR may be NULL: none. */
static inline apr_status_t hub_try_subscribe(struct mrc_hub *hub, struct mrc_matcher *matcher,
                                             const char *cursor, struct mrc_token *token,
                                             struct mrc_subscriber **ret_subscriber)
{
    struct mrc_subscription subscription = {
        .matchers = malloc(sizeof(struct mrc_matcher *)),
        .matchers_count = 1,
        .token = token,
        .has_cursor = cursor != NULL,
    };

    subscription.matchers[0] = hub_own_matcher(hub, matcher);
    if (cursor)
        subscription.cursor = mrc_bytes_of(cursor);
    return mrc_subscriber_open(hub, &subscription, apr_time_now(), ret_subscriber);
}

static inline struct mrc_subscriber *hub_subscribe(struct mrc_hub *hub, struct mrc_matcher *matcher,
                                                   const char *cursor)
{
    struct mrc_subscriber *subscriber = NULL;

    ck_assert_int_eq(hub_try_subscribe(hub, matcher, cursor, NULL, &subscriber), APR_SUCCESS);
    return subscriber;
}

/* The wildcard. */
static inline struct mrc_matcher *hub_all(void)
{
    return hub_matcher(MRC_MATCHER_EXACT, "*", NULL);
}

#endif
