#include "hub/feed.h"

#include <stdint.h>

#include "apr_general.h"
#include "apr_time.h"

#include "core/topic.h"
#include "core/update.h"
#include "hub/clock.h"
#include "hub/event.h"
#include "hub/hub.h"
#include "hub/index.h"
#include "hub/stream.h"
#include "hub/subscriber.h"
#include "store/history.h"
#include "store/ring.h"
#include "store/status.h"

#define RECORDS_PER_PULL 256 /* of one ring, before those who receive them write */
#define BYTES_PER_PULL   (512 * 1024)

/* What a feed has of one hub. */
struct feed_hub {
    struct mrc_hub *hub;
    struct mrc_index *index; /* made with the first stream */
    unsigned listening;      /* streams in the index */
    uint64_t cursor;         /* what has not been pulled yet; of no meaning while none listens */
    uint64_t next;           /* its number in the history; the same */
    uint64_t settled;        /* position: what is before it some may have got from their replay */
    struct mrc_ring_record record;
};

struct mrc_feed {
    struct mrc_feed_args args;
    struct feed_hub *hubs;
    uint64_t key[2]; /* of the indexes */
};

static struct feed_hub *hub_of(struct mrc_feed *feed, const struct mrc_stream *stream)
{
    return &feed->hubs[mrc_hub_get_index(mrc_subscriber_get_hub(stream->subscriber))];
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

/* ---- who listens ------------------------------------------------------------------------------*/

apr_status_t mrc_feed_add(struct mrc_feed *feed, struct mrc_stream *stream)
{
    struct feed_hub *hub = hub_of(feed, stream);
    struct mrc_matcher *const *matchers;
    size_t count;

    if (!hub->index)
        hub->index = mrc_index_create(feed->key);
    matchers = mrc_subscriber_get_matchers(stream->subscriber, &count);
    if (!hub->index || mrc_index_add(hub->index, &stream->listener, matchers, count) != APR_SUCCESS)
        return APR_ENOMEM;
    if (hub->listening++ == 0) {
        struct mrc_ring_stats stats;

        hub->cursor = mrc_subscriber_get_position(stream->subscriber);
        hub->next = mrc_subscriber_get_next(stream->subscriber);
        mrc_ring_stats(mrc_hub_ring(hub->hub), &stats);
        mrc_hub_set_taken(hub->hub, feed->args.number, stats.last_seq + 1);
    }
    if (mrc_subscriber_get_position(stream->subscriber) > hub->settled)
        hub->settled = mrc_subscriber_get_position(stream->subscriber);
    stream->is_listening = true;
    return APR_SUCCESS;
}

void mrc_feed_remove(struct mrc_feed *feed, struct mrc_stream *stream)
{
    struct feed_hub *hub;

    if (!stream->is_listening)
        return;
    hub = hub_of(feed, stream);
    mrc_index_remove(hub->index, &stream->listener);
    stream->is_listening = false;
    if (--hub->listening == 0)
        mrc_hub_set_taken(hub->hub, feed->args.number, 0);
}

/* ---- one record -------------------------------------------------------------------------------*/

/* One record on its way to those who receive it. */
struct delivery {
    struct mrc_feed *feed;
    struct feed_hub *hub;
    struct mrc_update update;
    struct mrc_topics topics; /* for private updates: whether somebody may read them */
    struct mrc_event *event;  /* made for the first who receives it */
    unsigned received;
};

static void deliver(struct mrc_listener *listener, void *ctx)
{
    struct delivery *delivery = ctx;
    struct mrc_stream *stream =
        (struct mrc_stream *)((char *)listener - offsetof(struct mrc_stream, listener));
    bool may_read;

    /* Its replay has given it this one already. */
    if (delivery->hub->record.pos < delivery->hub->settled &&
        delivery->hub->record.pos < mrc_subscriber_get_position(stream->subscriber))
        return;
    if (mrc_subscriber_may_read(stream->subscriber, &delivery->update, &delivery->topics,
                                &may_read)) {
        mrc_stream_end(stream, MRC_END_ERROR);
        tell_ready(delivery->feed, stream);
        return;
    }
    if (!may_read)
        return;
    if (!delivery->event) {
        delivery->event = mrc_event_create_of(&delivery->update);
        if (delivery->event) /* from the time of day to hub/clock.h */
            mrc_event_set_accepted(delivery->event,
                                   mrc_clock_us() - apr_time_now() + delivery->hub->record.time_us);
    }
    if (!delivery->event)
        mrc_stream_end(stream, MRC_END_ERROR);
    else if (mrc_stream_push(stream, delivery->event))
        delivery->received++;
    /* A stream that has ended stays in the index until it is taken from the list of those ready,
     * since the index is being walked. */
    tell_ready(delivery->feed, stream);
}

/* Everybody who listens has missed something: they come back with their last id. */
static void end_listeners(struct mrc_feed *feed, const struct feed_hub *hub, enum mrc_end why)
{
    for (struct mrc_stream *stream = *feed->args.streams, *next; stream; stream = next) {
        next = stream->all_next;
        if (stream->is_listening && hub_of(feed, stream) == hub)
            end(feed, stream, why);
    }
}

/* Those who listen have missed something in the ring: it comes from the history, if that has it. */
static void replay_listeners(struct mrc_feed *feed, const struct feed_hub *hub)
{
    for (struct mrc_stream *stream = *feed->args.streams, *next; stream; stream = next) {
        next = stream->all_next;
        if (!stream->is_listening || hub_of(feed, stream) != hub)
            continue;
        if (mrc_stream_fall_back(stream, hub->next)) {
            mrc_feed_remove(feed, stream);
            tell_ready(feed, stream);
        } else {
            feed->args.on_end(feed->args.ctx, stream);
        }
    }
}

static void deliver_record(struct mrc_feed *feed, struct feed_hub *hub)
{
    struct delivery delivery = {.feed = feed, .hub = hub};
    apr_status_t status;

    switch (mrc_update_decode(hub->record.id, hub->record.payload, &delivery.update)) {
    case MRC_OK:
        break;
    case MRC_ENOMEM:
        end_listeners(feed, hub, MRC_END_ERROR);
        return;
    default:
        mrc_hub_tell_unreadable(hub->hub, hub->record.seq);
        return;
    }
    status = APR_SUCCESS;
    if (delivery.update.is_private &&
        mrc_topics_init(&delivery.topics, delivery.update.topics, delivery.update.topics_count))
        status = APR_ENOMEM;
    if (status == APR_SUCCESS)
        status = mrc_index_collect(hub->index, delivery.update.topics, delivery.update.topics_count,
                                   deliver, &delivery);
    if (status != APR_SUCCESS)
        end_listeners(feed, hub, MRC_END_ERROR); /* who was not found has missed it */
    mrc_hub_count(hub->hub, MRC_COUNTER_DELIVERIES, delivery.received);
    mrc_event_unref(delivery.event);
    mrc_topics_clear(&delivery.topics);
    mrc_update_clear(&delivery.update);
}

/* Pulls the next records of a ring. True: there are more. */
static bool pull(struct mrc_feed *feed, struct feed_hub *hub)
{
    struct mrc_ring *ring = mrc_hub_ring(hub->hub);
    bool is_superseded = mrc_ring_is_superseded(ring); /* asked first: nothing comes after it */
    size_t bytes = 0;

    for (int i = 0; i < RECORDS_PER_PULL && bytes < BYTES_PER_PULL; i++) {
        apr_status_t status = mrc_ring_read(ring, &hub->cursor, &hub->record);

        if (status == APR_EOF) {
            /* What was pulled just now is written first. */
            if (is_superseded && i == 0)
                end_listeners(feed, hub, MRC_END_DRAINING);
            return is_superseded && i > 0;
        }
        if (status == MRC_STATUS_OVERRUN) {
            replay_listeners(feed, hub);
            return false;
        }
        if (status != APR_SUCCESS) {
            end_listeners(feed, hub, MRC_END_OVERRUN);
            return false;
        }
        hub->next = mrc_history_number(mrc_hub_history(hub->hub), hub->record.seq) + 1;
        deliver_record(feed, hub);
        bytes += hub->record.payload.len;
        if (hub->listening > 0)
            mrc_hub_set_taken(hub->hub, feed->args.number, hub->record.seq + 1);
    }
    return true;
}

bool mrc_feed_pull(struct mrc_feed *feed)
{
    bool more = false;

    for (size_t i = 0; i < feed->args.hubs_count; i++) {
        struct feed_hub *hub = &feed->hubs[i];

        if (hub->listening > 0 && pull(feed, hub))
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
        mrc_index_free(feed->hubs[i].index);
        mrc_ring_record_free(&feed->hubs[i].record);
    }
}
