/*
 * The memory of one live stream. There are tens of thousands of streams, so a change that makes
 * them larger fails here. The carriers belong to the layer of httpd, and have assertions of their
 * own (httpd/carrier/detached.c, httpd/log/record.c).
 */
#include <stdio.h>

#include "failing_alloc.h"
#include "hub/stream/carrier.h"
#include "hub/stream/feed.h"
#include "hub/stream/stream.h"
#include "hub_unit.h"

#define STREAMS 1000

/* Limits for the bytes of one stream, as malloc() counts them. */
#define SHARED_TOPIC_BYTES 430 /* all listen to the same topic */
#define OWN_TOPIC_BYTES    490 /* each listens to a topic of its own */
#define SECOND_TOPIC_BYTES 210 /* a second topic of its own */
#define CAUGHT_UP_BYTES    4   /* that a stream keeps of a replay */

static const struct mrc_hub_spec spec = {.limits.backlog_bytes = 1000};

static enum mrc_carrier_state no_write(struct mrc_carrier *carrier, const struct mrc_piece *pieces,
                                       size_t count)
{
    return MRC_CARRIER_READY;
}

static bool no_gate(struct mrc_carrier *carrier, int64_t now_us)
{
    return true;
}

static void no_close(struct mrc_carrier *carrier, enum mrc_end end)
{
}

static const struct mrc_carrier_ops ops = {
    .write = no_write, .may_close = no_gate, .close = no_close};

static struct hub_place place;
static struct mrc_feed *feed;
static struct mrc_stream *list; /* of all streams of a loop; not used here */
static struct mrc_stream *streams[STREAMS];
static struct mrc_carrier carriers[STREAMS];

static void ignore(void *ctx, struct mrc_stream *stream)
{
}

static void setup(void)
{
    struct mrc_feed_args args = {
        .hubs_count = 1,
        .streams = &list,
        .on_ready = ignore,
        .on_end = ignore,
    };

    place = hub_place_open(4 << 20, &spec);
    ck_assert_int_eq(mrc_feed_open(place.pool, &args, &feed), APR_SUCCESS);
}

static void teardown(void)
{
    mrc_feed_close(feed);
    hub_place_close(&place);
}

/* Used instead of ck_assert(), whose allocations would be counted. */
static void need(bool is_true)
{
    if (!is_true)
        abort();
}

/* The topics of the streams of a test, and their cursor. */
struct shape {
    unsigned topics;
    bool own; /* each stream has topics of its own */
    const char *cursor;
};

static struct mrc_subscriber *subscribe(const struct shape *shape, unsigned number)
{
    struct mrc_subscription subscription = {
        .matchers = calloc(100, sizeof(struct mrc_matcher *)),
        .matchers_count = shape->topics,
        .has_cursor = shape->cursor != NULL,
    };
    struct mrc_subscriber *subscriber = NULL;
    char topic[64];

    for (unsigned i = 0; i < shape->topics; i++) {
        snprintf(topic, sizeof(topic), "https://example.com/books/%05u/%u", shape->own ? number : 0,
                 i);
        need(!mrc_patterns_get(mrc_hub_patterns(place.hub), MRC_MATCHER_EXACT, mrc_bytes_of(topic),
                               NULL, NULL, &subscription.matchers[i]));
    }
    if (shape->cursor)
        subscription.cursor = mrc_bytes_of(shape->cursor);
    need(!mrc_subscriber_open(place.hub, &subscription, apr_time_now(), &subscriber));
    return subscriber;
}

/* A stream that has caught up and listens. */
static struct mrc_stream *open_stream(const struct shape *shape, unsigned number)
{
    struct mrc_stream *stream;

    carriers[number] = (struct mrc_carrier){.ops = &ops, .fd = -1};
    stream = mrc_stream_create(subscribe(shape, number), &carriers[number], 0);
    need(stream != NULL);
    while (mrc_stream_work(stream, 0) != MRC_STREAM_CAUGHT_UP)
        need(stream->state == MRC_STREAM_REPLAY);
    need(!mrc_feed_add(feed, stream));
    return stream;
}

static void close_stream(struct mrc_stream *stream)
{
    mrc_feed_remove(feed, stream);
    mrc_stream_end(stream, MRC_END_CLIENT);
    mrc_stream_close(stream);
}

/* The bytes of one stream of SHAPE, the mean of many. */
static long bytes_of(const struct shape *shape)
{
    long before = alloc_bytes, bytes;

    for (unsigned i = 0; i < STREAMS; i++)
        streams[i] = open_stream(shape, i);
    bytes = (alloc_bytes - before) / STREAMS;
    for (unsigned i = 0; i < STREAMS; i++)
        close_stream(streams[i]);
    return bytes;
}

START_TEST(a_stream_on_a_shared_topic)
{
    ck_assert_int_le(bytes_of(&(struct shape){.topics = 1}), SHARED_TOPIC_BYTES);
}
END_TEST

START_TEST(a_stream_on_a_topic_of_its_own)
{
    long one = bytes_of(&(struct shape){.topics = 1, .own = true});
    long two = bytes_of(&(struct shape){.topics = 2, .own = true});

    ck_assert_int_le(one, OWN_TOPIC_BYTES);
    ck_assert_int_le(two - one, SECOND_TOPIC_BYTES);
}
END_TEST

START_TEST(a_replay_gives_its_memory_back)
{
    long live = bytes_of(&(struct shape){.topics = 1});

    hub_publish(place.hub, "urn:1", "https://example.com/books/00000/0", "missed");
    hub_publish(place.hub, "urn:2", "https://example.com/books/00000/0", "missed, too");
    ck_assert_int_le(bytes_of(&(struct shape){.topics = 1, .cursor = "urn:1"}) - live,
                     CAUGHT_UP_BYTES);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("footprint");
    TCase *tcase = tcase_create("footprint");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, a_stream_on_a_shared_topic);
    tcase_add_test(tcase, a_stream_on_a_topic_of_its_own);
    tcase_add_test(tcase, a_replay_gives_its_memory_back);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
