#include "hub/stream/feed.h"

#include <stdint.h>
#include <stdlib.h>

#include "apr_general.h"
#include "apr_time.h"

#include "core/protocol/update.h"
#include "core/topic/topic.h"
#include "hub/base/event.h"
#include "hub/hub/activity.h"
#include "hub/hub/hub.h"
#include "hub/hub/numbers.h"
#include "hub/index/index.h"
#include "hub/stream/stream.h"
#include "hub/subscriber/subscriber.h"
#include "store/base/clock.h"
#include "store/base/status.h"
#include "store/history/history.h"
#include "store/ring/ring.h"

#define RECORDS_PER_PULL 256 /* of one ring, before the streams that receive them write */
#define BYTES_PER_PULL   (512 * 1024)

/* In one pull, matching in the costly lanes of all hubs together takes at most this long. */
#define COSTLY_US_PER_PULL ((int64_t)1000)

enum { LANE_QUICK, LANE_COSTLY, LANES };

/* One record on its way to the streams that get it. */
struct delivery {
    struct mrc_feed *feed;
    struct lane *lane;
    struct mrc_update update;
    struct mrc_topics topics;      /* of a private update, for the grants of tokens */
    struct mrc_event *event;       /* made for the first stream that gets it */
    unsigned received;             /* the number of streams that have received it */
    int64_t *left_us;              /* see mrc_index_go_on() */
    const struct mrc_token *asked; /* of a private update: the last token that was checked */
    bool is_granted;               /* whether that token grants the update */
};

/* One lane of a hub: streams that get one record after the other. The fields from CURSOR to TAKEN
 * are undefined while no stream listens. */
struct lane {
    struct mrc_index *index; /* made with the first stream */
    unsigned listening;      /* streams in the index */
    uint64_t cursor;         /* position in the ring of the next record to read */
    uint64_t next;           /* the number of that record in the history */
    uint64_t taken;          /* the number in the ring of the next record to finish */
    uint64_t settled;        /* position: a replay may have given its stream earlier records */
    uint64_t gap;            /* the value of mrc_hub_get_gap() that was seen last */
    uint64_t losses;         /* the same of mrc_hub_get_losses() */
    struct mrc_ring_record record;
    bool is_open; /* some streams that must get RECORD do not have it yet */
    struct delivery delivery;
};

/* A hub from its first stream on. */
struct feed_hub {
    struct mrc_hub *hub;
    size_t index;
    struct lane lanes[LANES];
};

struct mrc_feed {
    struct mrc_feed_args args;
    struct feed_hub **by_index; /* by the index of the hub; NULL: it has had no stream */
    struct feed_hub **hubs;     /* those that have had one */
    size_t hubs_count;
    size_t first_costly; /* the hub whose costly lane has the next turn */
    uint64_t key[2];     /* for the indexes */
};

/* The hub of STREAM, which was added at some time. */
static struct feed_hub *hub_of(struct mrc_feed *feed, const struct mrc_stream *stream)
{
    return feed->by_index[stream->hub_index];
}

/* The hub of STREAM, which is new. NULL: out of memory. */
static struct feed_hub *obtain_hub(struct mrc_feed *feed, const struct mrc_stream *stream)
{
    struct feed_hub *hub = hub_of(feed, stream);

    if (hub)
        return hub;
    hub = calloc(1, sizeof(*hub));
    if (!hub)
        return NULL;
    hub->hub = mrc_subscriber_get_hub(stream->subscriber);
    hub->index = stream->hub_index;
    feed->by_index[stream->hub_index] = hub;
    feed->hubs[feed->hubs_count++] = hub;
    return hub;
}

static struct lane *lane_of(struct mrc_feed *feed, const struct mrc_stream *stream)
{
    return &hub_of(feed, stream)->lanes[stream->lane];
}

static void report_ready(struct mrc_feed *feed, struct mrc_stream *stream)
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

/* Reports how far the slower lane has come: its lag is that of the feed. */
static void report_taken(struct mrc_feed *feed, const struct feed_hub *hub)
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
 * Whether STREAM may read the update. The answer for a token is kept, because the next stream often
 * has the same token. For a public update the subscriber is not accessed, which saves a cache miss.
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

    /* The replay of the stream has given it this record already (feed.h). */
    if (lane->record.pos < lane->settled &&
        lane->record.pos < mrc_subscriber_get_position(stream->subscriber))
        return;
    if (may_read(delivery, stream, &is_readable) != APR_SUCCESS) {
        mrc_stream_end(stream, MRC_END_ERROR);
        report_ready(delivery->feed, stream);
        return;
    }
    if (!is_readable)
        return;
    if (!delivery->event) {
        delivery->event = mrc_event_create_of(&delivery->update);
        if (delivery->event) /* converts the time of day to store/base/clock.h */
            mrc_event_set_accepted(delivery->event,
                                   lane->record.view.time_us - mrc_clock_ahead_us());
    }
    if (!delivery->event)
        mrc_stream_end(stream, MRC_END_ERROR);
    else if (mrc_stream_push(stream, delivery->event))
        delivery->received++;
    /* A stream that has ended stays in the index until the loop takes it from its list of ready
     * streams, because the index is being searched now. */
    report_ready(delivery->feed, stream);
}

static bool listens_in(struct mrc_feed *feed, const struct lane *lane,
                       const struct mrc_stream *stream)
{
    return stream->is_listening && lane_of(feed, stream) == lane;
}

/* Ends all streams of LANE, because they have missed records. Their clients reconnect with their
 * last event id. */
static void end_listeners(struct mrc_feed *feed, const struct lane *lane, enum mrc_end why)
{
    for (struct mrc_stream *stream = *feed->args.streams, *next; stream; stream = next) {
        next = stream->all_next;
        if (listens_in(feed, lane, stream))
            end(feed, stream, why);
    }
}

/* Makes all streams of LANE replay the records that they have missed in the ring; ends them if the
 * history does not have these records. */
static void replay_listeners(struct mrc_feed *feed, const struct lane *lane)
{
    uint64_t from = lane->next;

    for (struct mrc_stream *stream = *feed->args.streams, *next; stream; stream = next) {
        next = stream->all_next;
        if (!listens_in(feed, lane, stream))
            continue;
        if (mrc_stream_fall_back(stream, from)) {
            mrc_feed_remove(feed, stream);
            report_ready(feed, stream);
        } else {
            feed->args.on_end(feed->args.ctx, stream);
        }
    }
}

static void close_record(const struct feed_hub *hub, struct lane *lane)
{
    struct delivery *delivery = &lane->delivery;

    mrc_numbers_count(mrc_hub_numbers(hub->hub), MRC_COUNTER_DELIVERIES, delivery->received);
    mrc_activity_count_receivers(mrc_hub_activity(hub->hub), delivery->update.topics,
                                 delivery->update.topics_count, delivery->received);
    mrc_event_unref(delivery->event);
    mrc_topics_clear(&delivery->topics);
    mrc_update_clear(&delivery->update);
    lane->is_open = false;
}

/* Opens the record that was read. A record that cannot be decoded is skipped. */
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
    mrc_activity_sample(mrc_hub_activity(hub->hub));
    mrc_index_begin(lane->index, delivery->update.topics, delivery->update.topics_count);
}

/* Gives the open record to the streams that must get it, as far as LEFT_US allows. */
static void deliver_record(struct mrc_feed *feed, const struct feed_hub *hub, struct lane *lane,
                           int64_t *left_us)
{
    apr_status_t status;

    lane->delivery.left_us = left_us;
    status = mrc_index_go_on(lane->index, left_us, deliver, &lane->delivery);
    if (APR_STATUS_IS_INCOMPLETE(status)) {
        /* Before the next call, streams may leave and free their tokens and matchers. */
        lane->delivery.asked = NULL;
        mrc_topics_forget(&lane->delivery.topics);
        return;
    }
    close_record(hub, lane);
    if (status != APR_SUCCESS)
        end_listeners(feed, lane, MRC_END_ERROR); /* some streams may have missed it */
}

/* ---- streams come and go ----------------------------------------------------------------------*/

/* Streams whose matching may take long are in the costly lane, which may lag behind. */
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
    struct feed_hub *hub = obtain_hub(feed, stream);
    uint64_t position = mrc_subscriber_get_position(stream->subscriber);
    struct mrc_matcher *const *matchers;
    struct lane *lane;
    size_t count;

    if (!hub)
        return APR_ENOMEM;
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
        report_taken(feed, hub);
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
    if (lane->is_open) { /* no stream is left that needs the record */
        mrc_index_stop(lane->index);
        close_record(hub, lane);
    }
    report_taken(feed, hub);
}

/* While a record is open, the stream may or may not have it. */
uint64_t mrc_feed_get_next(struct mrc_feed *feed, const struct mrc_stream *stream)
{
    const struct lane *lane = lane_of(feed, stream);
    uint64_t replayed = mrc_subscriber_get_next(stream->subscriber);

    if (lane->is_open)
        return 0;
    return replayed > lane->next ? replayed : lane->next;
}

/* ---- rings ------------------------------------------------------------------------------------*/

/* Ends the streams of LANE that have missed updates of other machines, or may have. */
static void end_gapped(struct mrc_feed *feed, const struct feed_hub *hub, struct lane *lane)
{
    uint64_t unused, losses = mrc_hub_get_losses(hub->hub, &unused);
    uint64_t gap = mrc_hub_get_gap(hub->hub);

    if (gap == lane->gap && losses == lane->losses)
        return;
    lane->gap = gap;
    lane->losses = losses;
    for (struct mrc_stream *stream = *feed->args.streams, *next; stream; stream = next) {
        next = stream->all_next;
        if (listens_in(feed, lane, stream) && !mrc_subscriber_outlives_losses(stream->subscriber))
            end(feed, stream, MRC_END_OVERRUN);
    }
}

/* Reads the next record, and opens it unless it is a control record, which the loop finds by itself
 * (orders.h). Statuses are those of mrc_ring_read(). */
static apr_status_t read_record(struct mrc_feed *feed, const struct feed_hub *hub,
                                struct lane *lane)
{
    apr_status_t status = mrc_ring_read(mrc_hub_ring(hub->hub), &lane->cursor, &lane->record);

    if (status != APR_SUCCESS || lane->record.view.is_control)
        return status;
    lane->next = mrc_history_number(mrc_hub_history(hub->hub), lane->record.view.seq) + 1;
    end_gapped(feed, hub, lane); /* this record may come after the gap */
    if (lane->listening > 0)
        open_record(feed, hub, lane);
    return APR_SUCCESS;
}

/* Reads the next records of a ring, as far as LEFT_US allows. True: there are more. */
static bool pull(struct mrc_feed *feed, struct feed_hub *hub, struct lane *lane, int64_t *left_us)
{
    /* Checked before the read: a ring that is superseded gets no more records. */
    bool is_superseded = mrc_ring_is_superseded(mrc_hub_ring(hub->hub));
    size_t bytes = 0;

    for (int i = 0; i < RECORDS_PER_PULL && bytes < BYTES_PER_PULL; i++) {
        apr_status_t status = lane->is_open ? APR_SUCCESS : read_record(feed, hub, lane);

        if (status == APR_EOF)
            end_gapped(feed, hub, lane);
        if (status == APR_EOF) {
            /* Records of this pull are written before the streams end. */
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
            return false; /* all streams of the lane have ended */
        report_taken(feed, hub);
    }
    return true;
}

/* Whether streams of HUB have something to write, and get the next records only after that. */
static bool is_busy(const struct mrc_feed *feed, const struct feed_hub *hub)
{
    return feed->args.is_busy(feed->args.ctx, hub->index);
}

/* Serves one hub after the other while there is time. The next pull begins with the hub after the
 * last one served. */
static bool pull_costly(struct mrc_feed *feed)
{
    size_t count = feed->hubs_count, first = feed->first_costly;
    int64_t left_us = COSTLY_US_PER_PULL;
    bool more = false;

    for (size_t i = 0; i < count; i++) {
        struct feed_hub *hub = feed->hubs[(first + i) % count];
        struct lane *lane = &hub->lanes[LANE_COSTLY];

        if (lane->listening == 0 || is_busy(feed, hub))
            continue;
        if (left_us <= 0)
            return true; /* there may be more */
        if (pull(feed, hub, lane, &left_us))
            more = true;
        feed->first_costly = (first + i + 1) % count;
    }
    return more;
}

bool mrc_feed_pull(struct mrc_feed *feed)
{
    bool more = pull_costly(feed);

    for (size_t i = 0; i < feed->hubs_count; i++) {
        struct feed_hub *hub = feed->hubs[i];
        struct lane *lane = &hub->lanes[LANE_QUICK];

        if (lane->listening > 0 && !is_busy(feed, hub) && pull(feed, hub, lane, NULL))
            more = true;
    }
    return more;
}

/* ---- open and close ---------------------------------------------------------------------------*/

apr_status_t mrc_feed_open(apr_pool_t *pool, const struct mrc_feed_args *args,
                           struct mrc_feed **ret_feed)
{
    struct mrc_feed *feed = apr_pcalloc(pool, sizeof(*feed));
    apr_status_t status;

    feed->args = *args;
    feed->by_index = apr_pcalloc(pool, sizeof(*feed->by_index) * (args->hubs_count + 1));
    feed->hubs = apr_pcalloc(pool, sizeof(*feed->hubs) * (args->hubs_count + 1));
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
    for (size_t i = 0; i < feed->hubs_count; i++) {
        for (int j = 0; j < LANES; j++) {
            mrc_index_free(feed->hubs[i]->lanes[j].index);
            mrc_ring_record_free(&feed->hubs[i]->lanes[j].record);
        }
        free(feed->hubs[i]);
    }
}
