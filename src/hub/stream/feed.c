#include "hub/stream/feed.h"

#include <stdint.h>

#include "apr_general.h"
#include "apr_time.h"

#include "core/protocol/update.h"
#include "core/topic/topic.h"
#include "hub/base/clock.h"
#include "hub/base/event.h"
#include "hub/hub/hub.h"
#include "hub/hub/numbers.h"
#include "hub/index/index.h"
#include "hub/stream/stream.h"
#include "hub/subscriber/subscriber.h"
#include "store/base/status.h"
#include "store/history/history.h"
#include "store/ring/ring.h"

#define RECORDS_PER_PULL 256 /* of one ring, before those who receive them write */
#define BYTES_PER_PULL   (512 * 1024)

/* How long matching in the costly lanes of all hubs may take before others have their turn. */
#define COSTLY_US_PER_PULL ((int64_t)1000)

enum { LANE_QUICK, LANE_COSTLY, LANES };

/* One record on its way to those who receive it. */
struct delivery {
    struct mrc_feed *feed;
    struct lane *lane;
    struct mrc_update update;
    struct mrc_topics topics; /* for private updates: whether somebody may read them */
    struct mrc_event *event;  /* made for the first who receives it */
    unsigned received;
    int64_t *left_us;              /* see mrc_index_go_on() */
    const struct mrc_token *asked; /* of a private update: the last token that was asked */
    bool is_granted;               /* and what it said */
};

/* Streams of one hub, all of which are told of one record after the other. */
struct lane {
    struct mrc_index *index; /* made with the first stream */
    unsigned listening;      /* streams in the index */
    uint64_t cursor;         /* what has not been pulled yet; of no meaning while none listens */
    uint64_t next;           /* its number in the history; the same */
    uint64_t taken;          /* the number in the ring of what is not done yet; the same */
    uint64_t settled;        /* position: what is before it some may have got from their replay */
    struct mrc_ring_record record;
    bool is_open; /* not everybody has been told of the record */
    struct delivery delivery;
};

/* What a feed has of one hub. */
struct feed_hub {
    struct mrc_hub *hub;
    struct lane lanes[LANES];
};

struct mrc_feed {
    struct mrc_feed_args args;
    struct feed_hub *hubs;
    size_t first_costly; /* the hub whose costly lane has its turn */
    uint64_t key[2];     /* of the indexes */
};

static struct feed_hub *hub_of(struct mrc_feed *feed, const struct mrc_stream *stream)
{
    return &feed->hubs[mrc_hub_get_index(mrc_subscriber_get_hub(stream->subscriber))];
}

static struct lane *lane_of(struct mrc_feed *feed, const struct mrc_stream *stream)
{
    return &hub_of(feed, stream)->lanes[stream->lane];
}

static void tell_ready(struct mrc_feed *feed, struct mrc_stream *stream)
{
    feed->args.on_ready(feed->args.ctx, stream);
}

static void end(struct mrc_feed *feed, struct mrc_stream *stream, enum mrc_end why)
{
    if (stream->state == MRC_STREAM_ENDING)
        return;
    mrc_stream_end(stream, why);
    feed->args.on_end(feed->args.ctx, stream);
}

/* The lag of the slower lane is that of the feed. */
static void tell_taken(struct mrc_feed *feed, const struct feed_hub *hub)
{
    uint64_t least = 0;

    for (int i = 0; i < LANES; i++) {
        const struct lane *lane = &hub->lanes[i];

        if (lane->listening > 0 && (!least || lane->taken < least))
            least = lane->taken;
    }
    mrc_numbers_set_taken(mrc_hub_numbers(hub->hub), feed->args.number, least);
}

/* ---- one record -------------------------------------------------------------------------------*/

/*
 * Whether STREAM may read the update. Streams with the same token follow each other often; of a
 * public update nothing of a subscriber is looked at.
 */
static apr_status_t may_read(struct delivery *delivery, const struct mrc_stream *stream,
                             bool *ret_may_read)
{
    const struct mrc_token *token;
    apr_status_t status;
    int64_t since_us;

    if (!delivery->update.is_private) {
        *ret_may_read = true;
        return APR_SUCCESS;
    }
    token = mrc_subscriber_get_token(stream->subscriber);
    if (token && token == delivery->asked) {
        *ret_may_read = delivery->is_granted;
        return APR_SUCCESS;
    }
    since_us = delivery->left_us ? mrc_clock_us() : 0;
    status = mrc_subscriber_may_read(stream->subscriber, &delivery->update, &delivery->topics,
                                     &delivery->is_granted);
    delivery->asked = status == APR_SUCCESS ? token : NULL;
    if (status == APR_SUCCESS)
        *ret_may_read = delivery->is_granted;
    if (since_us)
        *delivery->left_us -= mrc_clock_us() - since_us;
    return status;
}

static void deliver(struct mrc_listener *listener, void *ctx)
{
    struct delivery *delivery = ctx;
    const struct lane *lane = delivery->lane;
    struct mrc_stream *stream =
        (struct mrc_stream *)((char *)listener - offsetof(struct mrc_stream, listener));
    bool is_readable = false;

    /* Its replay has given it this one already. */
    if (lane->record.pos < lane->settled &&
        lane->record.pos < mrc_subscriber_get_position(stream->subscriber))
        return;
    if (may_read(delivery, stream, &is_readable) != APR_SUCCESS) {
        mrc_stream_end(stream, MRC_END_ERROR);
        tell_ready(delivery->feed, stream);
        return;
    }
    if (!is_readable)
        return;
    if (!delivery->event) {
        delivery->event = mrc_event_create_of(&delivery->update);
        if (delivery->event) /* from the time of day to hub/base/clock.h */
            mrc_event_set_accepted(delivery->event,
                                   mrc_clock_us() - apr_time_now() + lane->record.view.time_us);
    }
    if (!delivery->event)
        mrc_stream_end(stream, MRC_END_ERROR);
    else if (mrc_stream_push(stream, delivery->event))
        delivery->received++;
    /* A stream that has ended stays in the index until it is taken from the list of those ready,
     * since the index is being walked. */
    tell_ready(delivery->feed, stream);
}

static bool listens_in(struct mrc_feed *feed, const struct lane *lane,
                       const struct mrc_stream *stream)
{
    return stream->is_listening && lane_of(feed, stream) == lane;
}

/* Everybody who listens has missed something: they come back with their last id. */
static void end_listeners(struct mrc_feed *feed, const struct lane *lane, enum mrc_end why)
{
    for (struct mrc_stream *stream = *feed->args.streams, *next; stream; stream = next) {
        next = stream->all_next;
        if (listens_in(feed, lane, stream))
            end(feed, stream, why);
    }
}

/* Those who listen have missed something in the ring: it comes from the history, if that has it. */
static void replay_listeners(struct mrc_feed *feed, const struct lane *lane)
{
    uint64_t from = lane->next;

    for (struct mrc_stream *stream = *feed->args.streams, *next; stream; stream = next) {
        next = stream->all_next;
        if (!listens_in(feed, lane, stream))
            continue;
        if (mrc_stream_fall_back(stream, from)) {
            mrc_feed_remove(feed, stream);
            tell_ready(feed, stream);
        } else {
            feed->args.on_end(feed->args.ctx, stream);
        }
    }
}

static void close_record(const struct feed_hub *hub, struct lane *lane)
{
    struct delivery *delivery = &lane->delivery;

    mrc_numbers_count(mrc_hub_numbers(hub->hub), MRC_COUNTER_DELIVERIES, delivery->received);
    mrc_event_unref(delivery->event);
    mrc_topics_clear(&delivery->topics);
    mrc_update_clear(&delivery->update);
    lane->is_open = false;
}

/* Begins with the record that was read; if it cannot be read as an update, it is done. */
static void open_record(struct mrc_feed *feed, const struct feed_hub *hub, struct lane *lane)
{
    struct delivery *delivery = &lane->delivery;

    *delivery = (struct delivery){.feed = feed, .lane = lane};
    switch (mrc_update_decode(lane->record.view.id, lane->record.view.payload, &delivery->update)) {
    case MRC_OK:
        break;
    case MRC_ENOMEM:
        end_listeners(feed, lane, MRC_END_ERROR);
        return;
    default:
        mrc_hub_report_unreadable(hub->hub, lane->record.view.seq);
        return;
    }
    if (delivery->update.is_private && mrc_topics_init(&delivery->topics, delivery->update.topics,
                                                       delivery->update.topics_count)) {
        mrc_update_clear(&delivery->update);
        end_listeners(feed, lane, MRC_END_ERROR);
        return;
    }
    lane->is_open = true;
    mrc_index_begin(lane->index, delivery->update.topics, delivery->update.topics_count);
}

/* Tells those who receive the record that is open, for as long as LEFT_US says. */
static void deliver_record(struct mrc_feed *feed, const struct feed_hub *hub, struct lane *lane,
                           int64_t *left_us)
{
    apr_status_t status;

    lane->delivery.left_us = left_us;
    status = mrc_index_go_on(lane->index, left_us, deliver, &lane->delivery);
    if (APR_STATUS_IS_INCOMPLETE(status)) {
        /* Tokens may be freed before it goes on, with the matchers that the topics have met. */
        lane->delivery.asked = NULL;
        mrc_topics_forget(&lane->delivery.topics);
        return;
    }
    close_record(hub, lane);
    if (status != APR_SUCCESS)
        end_listeners(feed, lane, MRC_END_ERROR); /* who was not found has missed it */
}

/* ---- who listens ------------------------------------------------------------------------------*/

/*
 * Those whose matching may take long have a lane of their own, which may be behind: they hold up
 * each other, and nobody else.
 */
static int choose_lane(const struct feed_hub *hub, const struct mrc_stream *stream)
{
    const struct mrc_index *quick = hub->lanes[LANE_QUICK].index;
    struct mrc_matcher *const *matchers;
    size_t count;

    matchers = mrc_subscriber_get_matchers(stream->subscriber, &count);
    return mrc_subscriber_is_costly(stream->subscriber) ||
                   (quick && mrc_index_is_crowded(quick, matchers, count))
               ? LANE_COSTLY
               : LANE_QUICK;
}

apr_status_t mrc_feed_add(struct mrc_feed *feed, struct mrc_stream *stream)
{
    struct feed_hub *hub = hub_of(feed, stream);
    uint64_t position = mrc_subscriber_get_position(stream->subscriber);
    struct mrc_matcher *const *matchers;
    struct lane *lane;
    size_t count;

    stream->lane = (uint8_t)choose_lane(hub, stream);
    lane = lane_of(feed, stream);
    if (!lane->index)
        lane->index = mrc_index_create(feed->key);
    matchers = mrc_subscriber_get_matchers(stream->subscriber, &count);
    if (!lane->index ||
        mrc_index_add(lane->index, &stream->listener, matchers, count) != APR_SUCCESS)
        return APR_ENOMEM;
    if (lane->listening++ == 0) {
        struct mrc_ring_stats stats;

        lane->cursor = position;
        lane->next = mrc_subscriber_get_next(stream->subscriber);
        mrc_ring_stats(mrc_hub_ring(hub->hub), &stats);
        lane->taken = stats.last_seq + 1;
        tell_taken(feed, hub);
    }
    if (position > lane->settled)
        lane->settled = position;
    stream->is_listening = true;
    return APR_SUCCESS;
}

void mrc_feed_remove(struct mrc_feed *feed, struct mrc_stream *stream)
{
    struct feed_hub *hub;
    struct lane *lane;

    if (!stream->is_listening)
        return;
    hub = hub_of(feed, stream);
    lane = lane_of(feed, stream);
    mrc_index_remove(lane->index, &stream->listener);
    stream->is_listening = false;
    if (--lane->listening > 0)
        return;
    if (lane->is_open) { /* for nobody */
        mrc_index_stop(lane->index);
        close_record(hub, lane);
    }
    tell_taken(feed, hub);
}

/* ---- rings ------------------------------------------------------------------------------------*/

/* Reads the next record and begins with it. APR_EOF, and what else the ring answers. */
static apr_status_t read_record(struct mrc_feed *feed, const struct feed_hub *hub,
                                struct lane *lane)
{
    apr_status_t status = mrc_ring_read(mrc_hub_ring(hub->hub), &lane->cursor, &lane->record);

    if (status != APR_SUCCESS)
        return status;
    lane->next = mrc_history_number(mrc_hub_history(hub->hub), lane->record.view.seq) + 1;
    open_record(feed, hub, lane);
    return APR_SUCCESS;
}

/* Pulls the next records of a ring, for as long as LEFT_US says. True: there are more. */
static bool pull(struct mrc_feed *feed, struct feed_hub *hub, struct lane *lane, int64_t *left_us)
{
    /* Asked first: nothing comes after it. */
    bool is_superseded = mrc_ring_is_superseded(mrc_hub_ring(hub->hub));
    size_t bytes = 0;

    for (int i = 0; i < RECORDS_PER_PULL && bytes < BYTES_PER_PULL; i++) {
        apr_status_t status = lane->is_open ? APR_SUCCESS : read_record(feed, hub, lane);

        if (status == APR_EOF) {
            /* What was pulled just now is written first. */
            if (is_superseded && i == 0)
                end_listeners(feed, lane, MRC_END_DRAINING);
            return is_superseded && i > 0;
        }
        if (status == MRC_STATUS_OVERRUN) {
            replay_listeners(feed, lane);
            return false;
        }
        if (status != APR_SUCCESS) {
            end_listeners(feed, lane, MRC_END_OVERRUN);
            return false;
        }
        if (lane->is_open)
            deliver_record(feed, hub, lane, left_us);
        if (lane->is_open)
            return true; /* the time is up */
        bytes += lane->record.view.payload.len;
        lane->taken = lane->record.view.seq + 1;
        if (lane->listening == 0)
            return false; /* they have all been ended */
        tell_taken(feed, hub);
    }
    return true;
}

/* Each hub has its turn, and more of it than its share only if there is time left. */
static bool pull_costly(struct mrc_feed *feed)
{
    size_t count = feed->args.hubs_count, first = feed->first_costly;
    int64_t left_us = COSTLY_US_PER_PULL;
    bool more = false;

    for (size_t i = 0; i < count; i++) {
        struct feed_hub *hub = &feed->hubs[(first + i) % count];
        struct lane *lane = &hub->lanes[LANE_COSTLY];

        if (lane->listening == 0)
            continue;
        if (left_us <= 0)
            return true; /* perhaps */
        if (pull(feed, hub, lane, &left_us))
            more = true;
        feed->first_costly = (first + i + 1) % count;
    }
    return more;
}

bool mrc_feed_pull(struct mrc_feed *feed)
{
    bool more = pull_costly(feed);

    for (size_t i = 0; i < feed->args.hubs_count; i++) {
        struct feed_hub *hub = &feed->hubs[i];
        struct lane *lane = &hub->lanes[LANE_QUICK];

        if (lane->listening > 0 && pull(feed, hub, lane, NULL))
            more = true;
    }
    return more;
}

/* ---- its beginning and end --------------------------------------------------------------------*/

apr_status_t mrc_feed_open(apr_pool_t *pool, const struct mrc_feed_args *args,
                           struct mrc_feed **ret_feed)
{
    struct mrc_feed *feed = apr_pcalloc(pool, sizeof(*feed));
    apr_status_t status;

    feed->args = *args;
    feed->hubs = apr_pcalloc(pool, sizeof(*feed->hubs) * (args->hubs_count + 1));
    for (size_t i = 0; i < args->hubs_count; i++)
        feed->hubs[i].hub = args->hubs[i];
    status = apr_generate_random_bytes((unsigned char *)feed->key, sizeof(feed->key));
    if (status != APR_SUCCESS)
        return status;
    *ret_feed = feed;
    return APR_SUCCESS;
}

void mrc_feed_close(struct mrc_feed *feed)
{
    if (!feed)
        return;
    for (size_t i = 0; i < feed->args.hubs_count; i++) {
        for (int j = 0; j < LANES; j++) {
            mrc_index_free(feed->hubs[i].lanes[j].index);
            mrc_ring_record_free(&feed->hubs[i].lanes[j].record);
        }
    }
}
