#include "hub/stream/stream.h"

#include <semaphore.h>
#include <stdlib.h>

#include "core/base/buf.h"
#include "hub/base/event.h"
#include "hub/stream/carrier.h"
#include "hub/subscriber/pages.h"
#include "hub/subscriber/reader.h"
#include "hub_unit.h"

#define SECOND INT64_C(1000000)
#define NOW    (1000 * SECOND) /* of store/base/clock.h; the tests pass any time */

/* ---- a carrier that does as it is told --------------------------------------------------------*/

struct fake {
    struct mrc_carrier carrier;   /* the first member */
    enum mrc_carrier_state state; /* that write() and flush() return */
    struct mrc_buf out;           /* everything that was written */
    unsigned writes, flushes, finishes, closes;
    size_t most_bytes, most_pieces; /* of one write */
    enum mrc_end end;
};

static struct fake *of(struct mrc_carrier *carrier)
{
    return (struct fake *)carrier;
}

static enum mrc_carrier_state fake_write(struct mrc_carrier *carrier,
                                         const struct mrc_piece *pieces, size_t count)
{
    struct fake *fake = of(carrier);
    size_t bytes = 0;

    ck_assert_uint_gt(count, 0);
    ck_assert_uint_eq(fake->finishes + fake->closes, 0);
    for (size_t i = 0; i < count; i++) {
        struct mrc_bytes event = mrc_event_bytes(pieces[i].event);

        ck_assert_uint_gt(pieces[i].len, 0);
        ck_assert_uint_le(pieces[i].offset + pieces[i].len, event.len);
        mrc_buf_add(&fake->out, event.ptr + pieces[i].offset, pieces[i].len);
        bytes += pieces[i].len;
    }
    fake->writes++;
    fake->most_bytes = bytes > fake->most_bytes ? bytes : fake->most_bytes;
    fake->most_pieces = count > fake->most_pieces ? count : fake->most_pieces;
    return fake->state;
}

static enum mrc_carrier_state fake_flush(struct mrc_carrier *carrier)
{
    of(carrier)->flushes++;
    return of(carrier)->state;
}

static bool fake_may_close(struct mrc_carrier *carrier, int64_t now_us)
{
    return true;
}

static void fake_close(struct mrc_carrier *carrier, enum mrc_end end)
{
    of(carrier)->closes++;
    of(carrier)->end = end;
}

static void fake_finish(struct mrc_carrier *carrier)
{
    ck_assert_uint_eq(of(carrier)->closes, 0);
    of(carrier)->finishes++;
    mrc_buf_add_char(&of(carrier)->out, '.');
}

static const struct mrc_carrier_ops fake_ops = {
    .kind = MRC_CARRIER_SUSPENDED,
    .write = fake_write,
    .flush = fake_flush,
    .may_close = fake_may_close,
    .close = fake_close,
    .finish = fake_finish,
};

/* ---- a stream over it -------------------------------------------------------------------------*/

static const struct mrc_hub_spec spec = {
    .limits.heartbeat_us = 20 * SECOND,
    .limits.dispatch_timeout_us = 5 * SECOND,
    .limits.backlog_bytes = 1000,
};

static struct hub_place place;
static struct fake fake;
static struct mrc_stream *stream;

/* A hub with POLICY, without updates. */
static void open_hub(const struct mrc_hub_spec *the_spec)
{
    place = hub_place_open(4 << 20, the_spec);
}

static void setup(void)
{
    open_hub(&spec);
}

/* A stream of all updates after CURSOR (NULL: from now on). */
static void open_stream(const char *cursor)
{
    struct mrc_subscriber *subscriber = hub_subscribe(place.hub, hub_all(), cursor);

    fake = (struct fake){.carrier = {.ops = &fake_ops, .fd = -1}, .state = MRC_CARRIER_READY};
    mrc_buf_init(&fake.out, SIZE_MAX);
    stream = mrc_stream_create(subscriber, &fake.carrier, NOW);
    ck_assert_ptr_nonnull(stream);
}

/* A stream in LIVE: it has nothing to replay. */
static void open_live(void)
{
    open_stream(NULL);
    ck_assert_int_eq(mrc_stream_work(stream, NOW), MRC_STREAM_CAUGHT_UP);
    stream->is_listening = true; /* as the feed does */
}

static void close_stream(enum mrc_end end, struct mrc_event *farewell)
{
    mrc_stream_end(stream, end);
    ck_assert(mrc_stream_finish(stream, farewell));
    ck_assert(!mrc_stream_finish(stream, farewell));
    mrc_stream_close(stream);
    ck_assert_uint_eq(fake.closes, 1);
    mrc_buf_free(&fake.out);
    hub_place_close(&place);
}

static struct mrc_event *event_of(char c, size_t len)
{
    char *text = malloc(len);
    struct mrc_event *event;

    memset(text, c, len);
    event = mrc_event_create((struct mrc_bytes){text, len});
    free(text);
    return event;
}

/* Pushes an event of LEN bytes C. */
static bool push(char c, size_t len)
{
    struct mrc_event *event = event_of(c, len);
    bool pushed = mrc_stream_push(stream, event);

    mrc_event_unref(event);
    return pushed;
}

static enum mrc_stream_work work(void)
{
    return mrc_stream_work(stream, NOW);
}

/* Fails unless exactly this was written: "a10 b3" stands for ten bytes a and three bytes b. */
static void ck_assert_written(const char *runs)
{
    struct mrc_bytes out = mrc_buf_bytes(&fake.out);
    struct mrc_buf got;

    mrc_buf_init(&got, SIZE_MAX);
    for (size_t i = 0, from = 0; i < out.len; i++) {
        if (i + 1 == out.len || out.ptr[i + 1] != out.ptr[i]) {
            mrc_buf_printf(&got, "%s%c%zu", from ? " " : "", out.ptr[i], i + 1 - from);
            from = i + 1;
        }
    }
    ck_assert_bytes_eq(mrc_buf_bytes(&got), runs);
    mrc_buf_free(&got);
}

/* ---- the queue --------------------------------------------------------------------------------*/

START_TEST(pushed_events_are_written)
{
    open_live();
    ck_assert_int_eq(work(), MRC_STREAM_IDLE);
    ck_assert_uint_eq(fake.writes, 0);
    ck_assert(push('a', 10));
    ck_assert(push('b', 20));
    ck_assert(push('c', 30)); /* more than the queue has room for at first */
    ck_assert_int_eq(work(), MRC_STREAM_IDLE);
    ck_assert_uint_eq(fake.writes, 1); /* all events in one write */
    ck_assert_written("a10 b20 c30");
    ck_assert(push('d', 1));
    ck_assert_int_eq(work(), MRC_STREAM_IDLE);
    ck_assert_written("a10 b20 c30 d1");
    close_stream(MRC_END_CLIENT, NULL);
    ck_assert_int_eq(fake.end, MRC_END_CLIENT);
}
END_TEST

/*
 * While a stream is pending, one event of any size may wait, and in addition as much as the
 * backlog.
 */
START_TEST(the_backlog_limits_all_but_the_event_in_flight)
{
    open_live();
    fake.state = MRC_CARRIER_PENDING;
    ck_assert(push('a', 1));
    ck_assert_int_eq(work(), MRC_STREAM_IDLE);
    ck_assert(stream->pending);
    ck_assert(push('b', 100000)); /* far more than the backlog, but alone */
    ck_assert(push('c', 600));
    ck_assert(push('d', 400)); /* exactly the backlog */
    ck_assert_int_eq(stream->state, MRC_STREAM_LIVE);
    ck_assert(!push('e', 1));
    ck_assert_int_eq(stream->state, MRC_STREAM_ENDING);
    ck_assert_int_eq(stream->end, MRC_END_SLOW);
    ck_assert_int_eq(work(), MRC_STREAM_ENDED);
    ck_assert_written("a1");
    close_stream(MRC_END_SLOW, NULL);
}
END_TEST

/* The loop may not know yet that the client has taken everything: the carrier is asked before the
 * stream ends. */
START_TEST(a_client_that_has_taken_everything_is_not_slow)
{
    open_live();
    fake.state = MRC_CARRIER_PENDING;
    ck_assert(push('a', 1));
    ck_assert_int_eq(work(), MRC_STREAM_IDLE);
    ck_assert(push('b', 1));
    ck_assert(push('c', 1000));
    ck_assert_uint_eq(fake.flushes, 0);
    fake.state = MRC_CARRIER_READY;
    ck_assert(push('d', 1000));
    ck_assert_uint_eq(fake.flushes, 1);
    ck_assert(!stream->pending);
    ck_assert_int_eq(work(), MRC_STREAM_IDLE);
    ck_assert_written("a1 b1 c1000 d1000");
    close_stream(MRC_END_CLIENT, NULL);
}
END_TEST

/* The same question finds a client that is gone. */
START_TEST(a_client_that_is_gone_is_not_slow)
{
    open_live();
    fake.state = MRC_CARRIER_PENDING;
    ck_assert(push('a', 1));
    ck_assert_int_eq(work(), MRC_STREAM_IDLE);
    ck_assert(push('b', 1001));
    ck_assert(push('c', 1000));
    fake.state = MRC_CARRIER_GONE;
    ck_assert(!push('d', 1));
    ck_assert_int_eq(stream->end, MRC_END_CLIENT);
    close_stream(MRC_END_CLIENT, NULL);
}
END_TEST

/* The rest of an event that is partly written is the event in flight. */
START_TEST(the_rest_of_a_large_event_is_in_flight)
{
    open_live();
    ck_assert(push('a', MRC_CARRIER_WRITE_BYTES + 500));
    fake.state = MRC_CARRIER_PENDING;
    ck_assert_int_eq(work(), MRC_STREAM_IDLE);
    ck_assert_uint_eq(stream->offset, MRC_CARRIER_WRITE_BYTES);
    ck_assert(push('b', 1000));
    ck_assert(!push('c', 1));
    close_stream(MRC_END_SLOW, NULL);
}
END_TEST

/* A client that takes everything may get any number of updates at once. */
START_TEST(a_burst_does_not_end_a_ready_stream)
{
    open_live();
    for (int i = 0; i < 10; i++)
        ck_assert(push((char)('a' + i), 1000));
    ck_assert_int_eq(work(), MRC_STREAM_IDLE);
    ck_assert_uint_eq(mrc_buf_bytes(&fake.out).len, 10000);
    ck_assert(push('y', 1));
    ck_assert(push('z', 5000000));
    while (work() == MRC_STREAM_BUSY)
        ;
    ck_assert_uint_eq(mrc_buf_bytes(&fake.out).len, 5010001);
    close_stream(MRC_END_CLIENT, NULL);
}
END_TEST

START_TEST(queues_wrap_and_keep_order)
{
    struct mrc_hub_spec wide = spec;
    uint64_t random = 7;
    unsigned pushed = 0, seen = 0;

    wide.limits.backlog_bytes = SIZE_MAX / 2;
    open_hub(&wide);
    open_live();
    for (int round = 0; round < 300; round++) {
        unsigned n = hub_random_below(&random, 600);

        for (unsigned i = 0; i < n; i++, pushed++) {
            char text[16];
            struct mrc_event *event;

            snprintf(text, sizeof(text), "%08u", pushed);
            event = mrc_event_create(mrc_bytes_of(text));
            ck_assert(mrc_stream_push(stream, event));
            mrc_event_unref(event);
        }
        fake.state = hub_random_below(&random, 3) ? MRC_CARRIER_PENDING : MRC_CARRIER_READY;
        while (work() == MRC_STREAM_BUSY)
            ;
        fake.state = MRC_CARRIER_READY;
        ck_assert(mrc_stream_flush(stream, NOW));
    }
    while (work() == MRC_STREAM_BUSY)
        ;
    ck_assert_uint_le(fake.most_pieces, MRC_CARRIER_WRITE_PIECES);
    for (struct mrc_bytes out = mrc_buf_bytes(&fake.out); seen < pushed; seen++) {
        char text[16];

        snprintf(text, sizeof(text), "%08u", seen);
        ck_assert_mem_eq(out.ptr + 8 * (size_t)seen, text, 8);
    }
    ck_assert_uint_eq(mrc_buf_bytes(&fake.out).len, 8 * (size_t)pushed);
    ck_assert_uint_eq(stream->queued_bytes, 0);
    close_stream(MRC_END_CLIENT, NULL);
}
END_TEST

/* ---- writing ----------------------------------------------------------------------------------*/

START_TEST(a_write_has_limits)
{
    open_live();
    for (int i = 0; i < MRC_CARRIER_WRITE_PIECES + 1; i++)
        ck_assert(push('a', 1));
    ck_assert_int_eq(work(), MRC_STREAM_IDLE);
    ck_assert_uint_eq(fake.writes, 2);
    ck_assert_uint_eq(fake.most_pieces, MRC_CARRIER_WRITE_PIECES);
    ck_assert(push('b', MRC_CARRIER_WRITE_BYTES - 1));
    ck_assert(push('c', 2)); /* one byte fits */
    ck_assert_int_eq(work(), MRC_STREAM_IDLE);
    ck_assert_uint_eq(fake.writes, 4);
    ck_assert_uint_eq(fake.most_bytes, MRC_CARRIER_WRITE_BYTES);
    ck_assert_written("a257 b32735 c2");
    close_stream(MRC_END_CLIENT, NULL);
}
END_TEST

/* A large event takes several turns, so that other streams have turns in between. */
START_TEST(a_large_event_is_written_in_slices)
{
    const size_t len = 10 * MRC_CARRIER_WRITE_BYTES + 7;
    unsigned turns = 1;

    open_live();
    ck_assert(push('a', len));
    ck_assert(push('b', 3));
    while (work() == MRC_STREAM_BUSY)
        turns++;
    ck_assert_uint_gt(turns, 1);
    ck_assert_uint_eq(fake.writes, 11);
    ck_assert_uint_eq(fake.most_bytes, MRC_CARRIER_WRITE_BYTES);
    ck_assert_written("a327367 b3");
    close_stream(MRC_END_CLIENT, NULL);
}
END_TEST

START_TEST(nothing_is_written_while_pending)
{
    open_live();
    fake.state = MRC_CARRIER_PENDING;
    ck_assert(push('a', 5));
    ck_assert_int_eq(work(), MRC_STREAM_IDLE);
    ck_assert(push('b', 5));
    ck_assert_int_eq(work(), MRC_STREAM_IDLE);
    ck_assert_uint_eq(fake.writes, 1);
    ck_assert(mrc_stream_flush(stream, NOW)); /* some was sent, not everything */
    ck_assert(stream->pending);
    ck_assert_int_eq(work(), MRC_STREAM_IDLE);
    ck_assert_uint_eq(fake.writes, 1);
    fake.state = MRC_CARRIER_READY;
    ck_assert(mrc_stream_flush(stream, NOW));
    ck_assert_uint_eq(fake.flushes, 2);
    ck_assert(mrc_stream_flush(stream, NOW)); /* the stream is not pending */
    ck_assert_uint_eq(fake.flushes, 2);
    ck_assert_int_eq(work(), MRC_STREAM_IDLE);
    ck_assert_written("a5 b5");
    close_stream(MRC_END_CLIENT, NULL);
}
END_TEST

START_TEST(a_client_that_is_gone_ends_the_stream)
{
    open_live();
    fake.state = MRC_CARRIER_PENDING;
    ck_assert(push('a', 5));
    ck_assert_int_eq(work(), MRC_STREAM_IDLE);
    fake.state = MRC_CARRIER_GONE;
    ck_assert(!mrc_stream_flush(stream, NOW));
    ck_assert(!mrc_stream_flush(stream, NOW));
    ck_assert_uint_eq(fake.flushes, 1);
    ck_assert_int_eq(stream->end, MRC_END_CLIENT);
    ck_assert(push('b', 5)); /* nobody gets it */
    ck_assert_int_eq(work(), MRC_STREAM_ENDED);
    ck_assert_written("a5");
    close_stream(MRC_END_DRAINING, NULL);
    ck_assert_int_eq(fake.end, MRC_END_CLIENT); /* the first reason counts */
}
END_TEST

START_TEST(a_write_finds_that_the_client_is_gone)
{
    open_live();
    fake.state = MRC_CARRIER_GONE;
    ck_assert(push('a', 5));
    ck_assert_int_eq(work(), MRC_STREAM_ENDED);
    ck_assert_int_eq(stream->end, MRC_END_CLIENT);
    close_stream(MRC_END_SLOW, NULL);
    ck_assert_int_eq(fake.end, MRC_END_CLIENT);
}
END_TEST

/* ---- replay -----------------------------------------------------------------------------------*/

/* The number of events that were written. */
static unsigned events_written(void)
{
    struct mrc_bytes out = mrc_buf_bytes(&fake.out);
    unsigned n = 0;

    for (size_t i = 0; i + 3 < out.len; i++)
        n += memcmp(out.ptr + i, "\nid:", 4) == 0 || (i == 0 && memcmp(out.ptr, "id:", 3) == 0);
    return n;
}

static void publish_many(unsigned from, unsigned n, size_t data_bytes)
{
    char *data = calloc(1, data_bytes + 1);
    char id[32];

    memset(data, 'x', data_bytes);
    for (unsigned i = from; i < from + n; i++) {
        snprintf(id, sizeof(id), "id-%u", i);
        hub_publish(place.hub, id, "https://example.com/a", data);
    }
    free(data);
}

START_TEST(replays_and_is_live_then)
{
    setup();
    publish_many(0, 200, 3000);
    open_stream("earliest");
    while (work() == MRC_STREAM_BUSY)
        ;
    ck_assert_int_eq(stream->state, MRC_STREAM_LIVE);
    ck_assert_uint_eq(events_written(), 200);
    ck_assert_uint_eq(hub_counter(&place, MRC_COUNTER_DELIVERIES), 200);
    ck_assert_uint_eq(mrc_subscriber_get_position(stream->subscriber),
                      mrc_ring_head(mrc_hub_ring(place.hub)));
    ck_assert_uint_le(fake.most_bytes, MRC_CARRIER_WRITE_BYTES);
    ck_assert_int_eq(work(), MRC_STREAM_CAUGHT_UP); /* the result stays until the stream listens */
    stream->is_listening = true;
    ck_assert_int_eq(work(), MRC_STREAM_IDLE);
    close_stream(MRC_END_CLIENT, NULL);
}
END_TEST

/*
 * A stream that has caught up listens from that moment on, in whichever turn that is. It must not
 * first write anything that is due meanwhile, such as a heartbeat, because then it might have to
 * wait for its client.
 */
START_TEST(a_stream_that_has_caught_up_listens_at_once)
{
    setup();
    for (unsigned n = 0; n <= 1024; n += 128) {
        struct mrc_subscriber *subscriber;
        enum mrc_stream_work done;

        open_stream(NULL);
        mrc_stream_discard(stream, MRC_END_REFUSED);
        subscriber =
            hub_subscribe(place.hub, hub_matcher(MRC_MATCHER_EXACT, "another", NULL), "earliest");
        stream = mrc_stream_create(subscriber, &fake.carrier, NOW);
        while ((done = work()) == MRC_STREAM_BUSY)
            ck_assert_int_eq(stream->state, MRC_STREAM_REPLAY);
        ck_assert_int_eq(done, MRC_STREAM_CAUGHT_UP);
        mrc_stream_end(stream, MRC_END_CLIENT);
        mrc_stream_close(stream);
        publish_many(n, 128, 1);
    }
    hub_place_close(&place);
}
END_TEST

/* In a replay the ring is the backlog: nothing more is read while the client reads nothing. */
START_TEST(replay_waits_for_the_client)
{
    setup();
    publish_many(0, 100, 3000);
    open_stream("earliest");
    fake.state = MRC_CARRIER_PENDING;
    for (int i = 0; i < 10; i++)
        ck_assert_int_eq(work(), MRC_STREAM_IDLE);
    ck_assert_uint_eq(fake.writes, 1);
    ck_assert_uint_lt(events_written(), 20);
    publish_many(100, 1, 10); /* during the replay */
    fake.state = MRC_CARRIER_READY;
    ck_assert(mrc_stream_flush(stream, NOW));
    while (work() == MRC_STREAM_BUSY)
        ;
    ck_assert_uint_eq(events_written(), 101);
    close_stream(MRC_END_CLIENT, NULL);
}
END_TEST

static void wait_in_reader(void *ctx)
{
    while (sem_wait(ctx) < 0)
        ;
}

static void no_wake(void *ctx)
{
}

/*
 * The reader holds a limited number of bytes, so a stream whose client reads nothing gives back its
 * page. A heartbeat that is due meanwhile is enough to make the stream wait for the client.
 */
START_TEST(a_client_that_takes_nothing_does_not_block_the_reader)
{
    const struct mrc_hub_spec durable = {
        .limits.heartbeat_us = 20 * SECOND,
        .limits.dispatch_timeout_us = 5 * SECOND,
        .limits.backlog_bytes = 1000,
        .history_dir = store_dir(),
        .history_sync = MRC_HISTORY_SYNC_NONE,
    };
    struct mrc_event *heartbeat = event_of('\n', 1);
    struct mrc_reading *blocking;
    struct mrc_reader *reader;
    struct mrc_place oldest;
    struct mrc_pages *past;
    sem_t released;

    if (!mrc_history_has_lmdb())
        return;
    sem_init(&released, 0, 0);
    open_hub(&durable);
    publish_many(0, 10, 3000);
    ck_assert_int_eq(mrc_reader_start(place.pool, &reader), APR_SUCCESS);
    past = mrc_pages_create(place.hub, reader, no_wake, NULL);
    ck_assert_int_eq(mrc_history_oldest(mrc_hub_history(place.hub), apr_time_now(), &oldest),
                     APR_SUCCESS);
    blocking =
        mrc_reader_ask(reader, mrc_hub_history(place.hub), &oldest, 1, wait_in_reader, &released);
    open_stream("earliest");
    mrc_subscriber_read_with(stream->subscriber, past);
    ck_assert_int_eq(work(), MRC_STREAM_READING);
    fake.state = MRC_CARRIER_PENDING;
    ck_assert(mrc_stream_tick(stream, heartbeat, 0, NOW + 20 * SECOND));
    sem_post(&released);
    while (mrc_subscriber_is_reading(stream->subscriber))
        apr_sleep(1000);
    mrc_reading_abandon(blocking);
    ck_assert_uint_gt(mrc_reader_held_bytes(reader), 0);
    ck_assert_int_eq(work(), MRC_STREAM_IDLE);
    ck_assert_written("\n1");
    ck_assert_uint_eq(mrc_reader_held_bytes(reader), 0);
    fake.state = MRC_CARRIER_READY;
    ck_assert(mrc_stream_flush(stream, NOW));
    while (events_written() < 10) {
        work();
        apr_sleep(1000);
    }
    mrc_stream_end(stream, MRC_END_CLIENT);
    mrc_stream_close(stream);
    ck_assert(mrc_reader_stop(reader));
    mrc_pages_free(past);
    mrc_event_unref(heartbeat);
    mrc_buf_free(&fake.out);
    hub_place_close(&place);
}
END_TEST

/* In one turn of its loop, a stream may work several times, before orders are carried out. */
START_TEST(a_replay_waits_until_orders_are_carried_out)
{
    const struct mrc_ring *ring;
    struct mrc_pages *past;

    setup();
    ring = mrc_hub_ring(place.hub);
    past = mrc_pages_create(place.hub, NULL, no_wake, NULL);
    ck_assert_ptr_nonnull(past);
    mrc_pages_set_orders(past, mrc_ring_control(ring));
    open_stream(NULL);
    mrc_subscriber_read_with(stream->subscriber, past);
    ck_assert_int_eq(mrc_hub_order(place.hub, mrc_bytes_of("order"), apr_time_now()), APR_SUCCESS);
    publish_many(0, 1, 10);
    for (int i = 0; i < 10; i++)
        ck_assert_int_eq(work(), MRC_STREAM_BUSY);
    ck_assert_uint_eq(fake.writes, 0);
    mrc_pages_set_orders(past, mrc_ring_control(ring));
    while (work() == MRC_STREAM_BUSY)
        ;
    ck_assert_uint_eq(events_written(), 1);
    mrc_stream_end(stream, MRC_END_CLIENT);
    mrc_stream_close(stream);
    mrc_pages_free(past);
    mrc_buf_free(&fake.out);
    hub_place_close(&place);
}
END_TEST

START_TEST(replay_begins_after_the_cursor)
{
    setup();
    publish_many(0, 10, 10);
    open_stream("id-6");
    while (work() == MRC_STREAM_BUSY)
        ;
    ck_assert_uint_eq(events_written(), 3);
    ck_assert_mem_eq(mrc_buf_bytes(&fake.out).ptr, "id: id-7\n", 9);
    close_stream(MRC_END_CLIENT, NULL);
}
END_TEST

/* A turn is short even if nothing that it reads is for the client. */
START_TEST(a_turn_of_replay_reads_a_slice)
{
    struct mrc_subscriber *subscriber;
    uint64_t first, after;
    unsigned turns = 1;

    setup();
    publish_many(0, 20000, 1);
    open_stream("earliest");
    subscriber = stream->subscriber;
    mrc_stream_discard(stream, MRC_END_REFUSED);
    subscriber =
        hub_subscribe(place.hub, hub_matcher(MRC_MATCHER_EXACT, "another", NULL), "earliest");
    stream = mrc_stream_create(subscriber, &fake.carrier, NOW);
    first = mrc_subscriber_get_position(subscriber);
    ck_assert_int_eq(work(), MRC_STREAM_BUSY);
    after = mrc_subscriber_get_position(subscriber);
    ck_assert_uint_gt(after, first);
    ck_assert_uint_lt(after, mrc_ring_head(mrc_hub_ring(place.hub)) / 4);
    while (work() == MRC_STREAM_BUSY)
        turns++;
    ck_assert_int_eq(stream->state, MRC_STREAM_LIVE);
    ck_assert_uint_eq(fake.writes, 0);
    ck_assert_uint_gt(turns, 4);
    close_stream(MRC_END_CLIENT, NULL);
}
END_TEST

START_TEST(a_replay_that_is_overrun_ends)
{
    setup();
    publish_many(0, 10, 1000);
    open_stream("earliest");
    publish_many(10, 20000, 1000);
    ck_assert_int_eq(work(), MRC_STREAM_ENDED);
    ck_assert_int_eq(stream->end, MRC_END_OVERRUN);
    ck_assert_uint_eq(fake.writes, 0);
    close_stream(MRC_END_OVERRUN, NULL);
}
END_TEST

/* ---- time -------------------------------------------------------------------------------------*/

START_TEST(a_silent_stream_has_heartbeats)
{
    struct mrc_event *heartbeat = event_of('h', 2);

    open_live();
    ck_assert_int_eq(mrc_stream_due_us(stream), NOW + 20 * SECOND);
    ck_assert(!mrc_stream_tick(stream, heartbeat, 0, NOW + 20 * SECOND - 1));
    ck_assert(mrc_stream_tick(stream, heartbeat, 0, NOW + 20 * SECOND));
    ck_assert_int_eq(mrc_stream_work(stream, NOW + 21 * SECOND), MRC_STREAM_IDLE);
    ck_assert_written("h2");
    ck_assert_int_eq(mrc_stream_due_us(stream), NOW + 41 * SECOND); /* after the write */
    ck_assert(push('a', 1));
    ck_assert_int_eq(mrc_stream_work(stream, NOW + 30 * SECOND), MRC_STREAM_IDLE);
    ck_assert_int_eq(mrc_stream_due_us(stream), NOW + 50 * SECOND);
    mrc_event_unref(heartbeat); /* the stream has references of its own */
    close_stream(MRC_END_CLIENT, NULL);
}
END_TEST

/* A stream in LIVE whose client wants positions, as events or not. */
static void open_live_with_positions(bool as_events)
{
    struct mrc_subscription subscription = {
        .matchers = malloc(sizeof(struct mrc_matcher *)),
        .matchers_count = 1,
        .wants_positions = true,
        .positions_are_events = as_events,
    };
    struct mrc_subscriber *subscriber;

    subscription.matchers[0] = hub_own_matcher(place.hub, hub_all());
    ck_assert_int_eq(mrc_subscriber_open(place.hub, &subscription, apr_time_now(), &subscriber),
                     APR_SUCCESS);
    fake = (struct fake){.carrier = {.ops = &fake_ops, .fd = -1}, .state = MRC_CARRIER_READY};
    mrc_buf_init(&fake.out, SIZE_MAX);
    stream = mrc_stream_create(subscriber, &fake.carrier, NOW);
    ck_assert_ptr_nonnull(stream);
    ck_assert_int_eq(mrc_stream_work(stream, NOW), MRC_STREAM_CAUGHT_UP);
    stream->is_listening = true; /* as the feed does */
}

/* Ticks with NEXT at NOW + SECONDS, and returns the id that the client gets. */
static const char *tick_id(struct mrc_event *heartbeat, uint64_t next, int seconds)
{
    static char id[100];

    mrc_buf_reset(&fake.out);
    ck_assert(mrc_stream_tick(stream, heartbeat, next, NOW + seconds * SECOND));
    ck_assert_int_eq(mrc_stream_work(stream, NOW + seconds * SECOND), MRC_STREAM_IDLE);
    mrc_buf_add_char(&fake.out, '\0');
    if (sscanf(mrc_buf_bytes(&fake.out).ptr, "id: %99s\n\n", id) != 1)
        return mrc_buf_bytes(&fake.out).ptr;
    ck_assert_uint_eq(mrc_buf_bytes(&fake.out).len, strlen(id) + sizeof("id: \n\n"));
    return id;
}

START_TEST(a_silent_stream_has_positions_if_its_client_wants_them)
{
    struct mrc_event *heartbeat = event_of('h', 2);
    struct mrc_subscriber *subscriber;
    const char *id;

    open_live_with_positions(false);
    ck_assert_str_eq(tick_id(heartbeat, 1, 20), "earliest");
    hub_publish(place.hub, "one", "https://example.com/a", "1");
    hub_publish(place.hub, "two", "https://example.com/a", "2");
    ck_assert_str_eq(tick_id(heartbeat, 0, 40), "hh"); /* the place is not known at the moment */
    id = tick_id(heartbeat, 2, 60);
    ck_assert_int_eq(*id, '#');
    subscriber = hub_subscribe(place.hub, hub_all(), id);
    ck_assert_bytes_eq(mrc_subscriber_last_event_id(subscriber), id);
    ck_assert_uint_eq(mrc_subscriber_get_next(subscriber), 2);
    mrc_subscriber_close(subscriber, MRC_END_CLIENT);
    mrc_event_unref(heartbeat);
    close_stream(MRC_END_CLIENT, NULL);
}
END_TEST

START_TEST(positions_are_events_if_the_client_keeps_no_other_ids)
{
    struct mrc_event *heartbeat = event_of('h', 2);

    open_live_with_positions(true);
    ck_assert_str_eq(tick_id(heartbeat, 1, 20),
                     "event: mercure-position\nid: earliest\ndata: \n\n");
    mrc_event_unref(heartbeat);
    close_stream(MRC_END_CLIENT, NULL);
}
END_TEST

START_TEST(without_heartbeats_nothing_is_due)
{
    struct mrc_hub_spec quiet = spec;

    quiet.limits.heartbeat_us = 0;
    open_hub(&quiet);
    open_live();
    ck_assert_int_eq(mrc_stream_due_us(stream), INT64_MAX);
    ck_assert(!mrc_stream_tick(stream, NULL, 0, NOW + 1000000 * SECOND));
    ck_assert_int_eq(stream->state, MRC_STREAM_LIVE);
    close_stream(MRC_END_CLIENT, NULL);
}
END_TEST

START_TEST(a_client_that_takes_nothing_is_slow)
{
    open_live();
    fake.state = MRC_CARRIER_PENDING;
    ck_assert(push('a', 1));
    ck_assert_int_eq(work(), MRC_STREAM_IDLE);
    ck_assert_int_eq(mrc_stream_due_us(stream), NOW + 5 * SECOND);
    ck_assert(!mrc_stream_tick(stream, NULL, 0, NOW + 5 * SECOND - 1));
    ck_assert_int_eq(stream->state, MRC_STREAM_LIVE);
    ck_assert(mrc_stream_flush(stream, NOW + 4 * SECOND)); /* the client takes some bytes */
    ck_assert(!mrc_stream_tick(stream, NULL, 0, NOW + 5 * SECOND));
    ck_assert_int_eq(stream->state, MRC_STREAM_LIVE);
    ck_assert(!mrc_stream_tick(stream, NULL, 0, NOW + 9 * SECOND));
    ck_assert_int_eq(stream->state, MRC_STREAM_ENDING);
    ck_assert_int_eq(stream->end, MRC_END_SLOW);
    ck_assert_int_eq(fake.flushes, 1);
    close_stream(MRC_END_CLIENT, NULL);
    ck_assert_int_eq(fake.end, MRC_END_SLOW);
}
END_TEST

static int64_t silence_us; /* of the client */

static int64_t fake_silence_us(const struct mrc_carrier *carrier)
{
    return silence_us;
}

static const struct mrc_carrier_ops silent_ops = {
    .kind = MRC_CARRIER_SUSPENDED,
    .write = fake_write,
    .flush = fake_flush,
    .may_close = fake_may_close,
    .close = fake_close,
    .silence_us = fake_silence_us,
};

/*
 * Opens a live stream that got an update at NOW; its client acknowledged its last byte a minute
 * before.
 */
static void open_watched(void)
{
    open_live();
    fake.carrier.ops = &silent_ops;
    silence_us = 60 * SECOND;
    ck_assert(push('a', 1));
    ck_assert_int_eq(work(), MRC_STREAM_IDLE);
    ck_assert(stream->is_watched);
    ck_assert_int_eq(mrc_stream_due_us(stream), NOW + 5 * SECOND);
}

static void tick_at(int64_t now_us)
{
    ck_assert(!mrc_stream_tick(stream, NULL, 0, now_us));
}

/* The kernel accepts all bytes, but the client acknowledges none. */
START_TEST(a_client_that_acknowledges_nothing_is_slow)
{
    open_watched();
    tick_at(NOW + 5 * SECOND - 1);
    ck_assert_int_eq(stream->state, MRC_STREAM_LIVE);
    ck_assert(push('b', 1)); /* later updates change nothing */
    ck_assert_int_eq(mrc_stream_work(stream, NOW + 4 * SECOND), MRC_STREAM_IDLE);
    ck_assert_int_eq(mrc_stream_due_us(stream), NOW + 5 * SECOND);
    silence_us = 65 * SECOND;
    tick_at(NOW + 5 * SECOND);
    ck_assert_int_eq(stream->state, MRC_STREAM_ENDING);
    ck_assert_int_eq(stream->end, MRC_END_SLOW);
    close_stream(MRC_END_CLIENT, NULL);
}
END_TEST

START_TEST(a_client_that_acknowledges_goes_on)
{
    struct mrc_event *heartbeat = mrc_event_create_comment();

    open_watched();
    silence_us = 1; /* it has acknowledged something just now, and not all */
    tick_at(NOW + 5 * SECOND);
    ck_assert_int_eq(mrc_stream_due_us(stream), NOW + 10 * SECOND);
    silence_us = 5 * SECOND; /* at the same moment, as far as the kernel's clock can tell */
    tick_at(NOW + 10 * SECOND);
    ck_assert_int_eq(mrc_stream_due_us(stream), NOW + 15 * SECOND);
    silence_us = 0; /* it has acknowledged all */
    tick_at(NOW + 15 * SECOND);
    ck_assert(!stream->is_watched);
    ck_assert_int_eq(mrc_stream_due_us(stream), NOW + 20 * SECOND);
    ck_assert(mrc_stream_tick(stream, heartbeat, 0, NOW + 20 * SECOND));
    silence_us = 25 * SECOND; /* then it vanishes */
    ck_assert_int_eq(mrc_stream_work(stream, NOW + 20 * SECOND), MRC_STREAM_IDLE);
    tick_at(NOW + 25 * SECOND);
    ck_assert_int_eq(stream->end, MRC_END_SLOW);
    mrc_event_unref(heartbeat);
    close_stream(MRC_END_CLIENT, NULL);
}
END_TEST

/* The client acknowledges until just after the watch has begun. */
START_TEST(a_client_that_vanishes_is_found_within_a_timeout_and_a_heartbeat)
{
    const struct mrc_hub_limits limits = {.heartbeat_us = 2 * SECOND};
    const struct mrc_hub_limits quiet = {.heartbeat_us = 0};
    struct mrc_hub_spec busy = spec;

    ck_assert_int_eq(mrc_stream_watch_us(&limits, 4 * SECOND, NOW), NOW - 2 * SECOND);
    ck_assert_int_eq(mrc_stream_watch_us(&limits, 2 * SECOND, NOW), NOW);
    ck_assert_int_eq(mrc_stream_watch_us(&limits, 1, NOW), NOW);
    ck_assert_int_eq(mrc_stream_watch_us(&quiet, 4 * SECOND, NOW), NOW);
    busy.limits.heartbeat_us = SECOND;
    open_hub(&busy);
    open_live();
    fake.carrier.ops = &silent_ops;
    ck_assert(push('a', 1));
    ck_assert_int_eq(work(), MRC_STREAM_IDLE);
    ck_assert(push('b', 1));
    ck_assert_int_eq(mrc_stream_work(stream, NOW + 9 * SECOND / 2), MRC_STREAM_IDLE);
    silence_us = 4 * SECOND;
    tick_at(NOW + 5 * SECOND);
    ck_assert_int_eq(stream->state, MRC_STREAM_LIVE);
    ck_assert(push('c', 1));
    ck_assert_int_eq(mrc_stream_work(stream, NOW + 13 * SECOND / 2), MRC_STREAM_IDLE);
    ck_assert_int_eq(mrc_stream_due_us(stream), NOW + 7 * SECOND);
    silence_us = 6 * SECOND;
    tick_at(NOW + 7 * SECOND);
    ck_assert_int_eq(stream->end, MRC_END_SLOW);
    close_stream(MRC_END_CLIENT, NULL);
}
END_TEST

/* A pending write is enough to find a client that reads nothing. */
START_TEST(a_pending_stream_is_not_watched)
{
    open_watched();
    fake.state = MRC_CARRIER_PENDING;
    ck_assert(push('b', 1));
    ck_assert_int_eq(mrc_stream_work(stream, NOW + SECOND), MRC_STREAM_IDLE);
    ck_assert(!stream->is_watched);
    ck_assert_int_eq(mrc_stream_due_us(stream), NOW + 6 * SECOND);
    fake.state = MRC_CARRIER_READY;
    ck_assert(mrc_stream_flush(stream, NOW + 2 * SECOND));
    ck_assert(stream->is_watched);
    ck_assert_int_eq(mrc_stream_due_us(stream), NOW + 7 * SECOND);
    close_stream(MRC_END_CLIENT, NULL);
}
END_TEST

/* Fails unless the stream ends at 80 to 100 % of LIFETIME_US. */
static void check_lifetime(int64_t lifetime_us)
{
    struct mrc_hub_spec mortal = spec;

    mortal.limits.lifetime_us = lifetime_us;
    mortal.limits.heartbeat_us = 0;
    open_hub(&mortal);
    open_live();
    ck_assert_int_ge(stream->ends_us, NOW + lifetime_us / 5 * 4);
    ck_assert_int_le(stream->ends_us, NOW + lifetime_us);
    ck_assert_int_eq(mrc_stream_due_us(stream), stream->ends_us);
    ck_assert(!mrc_stream_tick(stream, NULL, 0, stream->ends_us - 1));
    ck_assert_int_eq(stream->state, MRC_STREAM_LIVE);
    ck_assert(!mrc_stream_tick(stream, NULL, 0, stream->ends_us));
    ck_assert_int_eq(stream->end, MRC_END_LIFETIME);
    ck_assert(!mrc_stream_tick(stream, NULL, 0, INT64_MAX));
    close_stream(MRC_END_SLOW, NULL);
    ck_assert_int_eq(fake.end, MRC_END_LIFETIME);
}

/* Nothing is written after the end, even if no timer has fired yet. */
START_TEST(nothing_is_written_after_the_end)
{
    struct mrc_hub_spec mortal = spec;

    mortal.limits.lifetime_us = 100 * SECOND;
    open_hub(&mortal);
    publish_many(0, 200, 3000);
    open_stream("earliest");
    ck_assert_int_eq(mrc_stream_work(stream, stream->ends_us - 1), MRC_STREAM_BUSY);
    ck_assert_uint_gt(fake.writes, 0);
    fake.writes = 0;
    ck_assert_int_eq(mrc_stream_work(stream, stream->ends_us), MRC_STREAM_ENDED);
    ck_assert_uint_eq(fake.writes, 0);
    ck_assert_int_eq(stream->end, MRC_END_LIFETIME);
    close_stream(MRC_END_CLIENT, NULL);
}
END_TEST

START_TEST(a_stream_has_a_lifetime)
{
    check_lifetime(600 * SECOND);
}
END_TEST

/*
 * The spread is the same for the shortest lifetime that the directive allows: streams that begin
 * together end evenly over 80 to 100 % of it, as far as the timers of a loop can tell them apart.
 */
START_TEST(a_lifetime_of_a_second_is_spread)
{
    enum { STREAMS = 400, PARTS = 10 };
    struct mrc_hub_spec mortal = spec;
    unsigned parts[PARTS] = {0};
    int64_t ticks[STREAMS];

    mortal.limits.lifetime_us = SECOND;
    open_hub(&mortal);
    for (int i = 0; i < STREAMS; i++) {
        struct mrc_subscriber *subscriber = hub_subscribe(place.hub, hub_all(), NULL);
        enum mrc_end why;
        int64_t ends_us = mrc_subscriber_draw_end(subscriber, NOW, 0, &why) - NOW;

        ck_assert_int_eq(why, MRC_END_LIFETIME);
        ck_assert_int_ge(ends_us, SECOND / 5 * 4);
        ck_assert_int_le(ends_us, SECOND);
        parts[(ends_us - SECOND / 5 * 4) * PARTS / (SECOND / 5 + 1)]++;
        ticks[i] = (ends_us + MRC_WHEEL_TICK_US - 1) / MRC_WHEEL_TICK_US;
        mrc_subscriber_close(subscriber, MRC_END_LIFETIME);
    }
    for (int part = 0; part < PARTS; part++) /* of 40 that are expected, at least 5 */
        ck_assert_uint_ge(parts[part], 5);
    for (int64_t tick = SECOND / 5 * 4 / MRC_WHEEL_TICK_US + 1; tick <= SECOND / MRC_WHEEL_TICK_US;
         tick++) {
        unsigned count = 0;

        for (int i = 0; i < STREAMS; i++)
            count += ticks[i] == tick;
        ck_assert_uint_lt(count, STREAMS / 5);
    }
    hub_place_close(&place);
}
END_TEST

/* The longest that the directive allows: 100 years. */
START_TEST(a_lifetime_may_be_a_century)
{
    check_lifetime(INT64_C(100) * 365 * 24 * 3600 * SECOND);
}
END_TEST

/* ---- the end ----------------------------------------------------------------------------------*/

START_TEST(a_farewell_is_written_last)
{
    struct mrc_event *farewell = event_of('f', 4);

    open_live();
    ck_assert(push('a', 3));
    ck_assert_int_eq(work(), MRC_STREAM_IDLE);
    ck_assert(push('b', 3)); /* too late */
    mrc_stream_end(stream, MRC_END_DRAINING);
    ck_assert(mrc_stream_finish(stream, farewell));
    mrc_stream_close(stream);
    ck_assert_written("a3 f4 .1");
    ck_assert_int_eq(fake.end, MRC_END_DRAINING);
    ck_assert_uint_eq(hub_counter(&place, MRC_COUNTER_ENDED + MRC_END_DRAINING), 1);
    mrc_event_unref(farewell);
    mrc_buf_free(&fake.out);
    hub_place_close(&place);
}
END_TEST

START_TEST(no_farewell_in_the_middle_of_an_event)
{
    struct mrc_event *farewell = event_of('f', 4);

    open_live();
    ck_assert(push('a', 10 * MRC_CARRIER_WRITE_BYTES));
    ck_assert_int_eq(work(), MRC_STREAM_BUSY);
    ck_assert_uint_gt(stream->offset, 0);
    close_stream(MRC_END_DRAINING, farewell);
    ck_assert_uint_eq(fake.writes, 4);
    ck_assert_uint_eq(fake.finishes, 1);
    mrc_event_unref(farewell);
}
END_TEST

START_TEST(no_farewell_for_a_client_that_takes_nothing)
{
    struct mrc_event *farewell = event_of('f', 4);

    open_live();
    fake.state = MRC_CARRIER_PENDING;
    ck_assert(push('a', 1));
    ck_assert_int_eq(work(), MRC_STREAM_IDLE);
    close_stream(MRC_END_DRAINING, farewell);
    ck_assert_uint_eq(fake.writes, 1);
    ck_assert_uint_eq(fake.finishes, 0);
    mrc_event_unref(farewell);
}
END_TEST

START_TEST(a_farewell_may_find_that_the_client_is_gone)
{
    struct mrc_event *farewell = event_of('f', 4);

    open_live();
    fake.state = MRC_CARRIER_GONE;
    mrc_stream_end(stream, MRC_END_DRAINING);
    ck_assert(mrc_stream_finish(stream, farewell));
    mrc_stream_close(stream);
    ck_assert_int_eq(fake.end, MRC_END_CLIENT);
    ck_assert_uint_eq(fake.finishes, 0);
    ck_assert_uint_eq(hub_counter(&place, MRC_COUNTER_ENDED + MRC_END_CLIENT), 1);
    mrc_event_unref(farewell);
    mrc_buf_free(&fake.out);
    hub_place_close(&place);
}
END_TEST

/* The farewell fills the client's socket: the rest has to wait for close(). */
START_TEST(the_end_waits_for_a_pending_farewell)
{
    struct mrc_event *farewell = event_of('f', 4);

    open_live();
    fake.state = MRC_CARRIER_PENDING;
    close_stream(MRC_END_DRAINING, farewell);
    ck_assert_uint_eq(fake.writes, 1);
    ck_assert_uint_eq(fake.finishes, 0);
    mrc_event_unref(farewell);
}
END_TEST

START_TEST(a_client_that_is_gone_gets_no_end)
{
    open_live();
    close_stream(MRC_END_CLIENT, NULL);
    ck_assert_uint_eq(fake.finishes, 0);
}
END_TEST

START_TEST(a_stream_that_never_began)
{
    setup();
    open_stream(NULL);
    ck_assert_uint_eq(mrc_numbers_gauge(mrc_hub_numbers(place.hub), MRC_GAUGE_SUBSCRIBERS), 1);
    mrc_stream_discard(stream, MRC_END_REFUSED);
    ck_assert_uint_eq(fake.closes, 0);
    ck_assert_uint_eq(hub_counter(&place, MRC_COUNTER_ENDED + MRC_END_REFUSED), 1);
    mrc_buf_free(&fake.out);
    hub_place_close(&place);
}
END_TEST

/* ---- what takes long --------------------------------------------------------------------------*/

#define MANY 1000

/*
 * Publishes an update whose last topic matches, after many that cost a pattern as much as is
 * allowed.
 */
static void publish_expensive(void)
{
    char *text = malloc(200);
    struct mrc_bytes *topics = malloc(MANY * sizeof(*topics));
    const struct mrc_update update = {
        .topics = topics,
        .topics_count = MANY,
        .data = mrc_bytes_of("found"),
        .id = mrc_bytes_of("expensive"),
    };

    memset(text, 'a', 199);
    memcpy(text, "https://example.com/", 20);
    text[199] = '\0';
    for (size_t i = 0; i < MANY - 1; i++)
        topics[i] = mrc_bytes_of(text);
    topics[MANY - 1] = mrc_bytes_of("https://example.com/yes");
    ck_assert_int_eq(mrc_hub_publish(place.hub, &update, 1, NOW), APR_SUCCESS);
    free(topics);
    free(text);
}

/*
 * The update is matched in several slices, between which other streams have turns, and is delivered
 * once.
 */
START_TEST(an_expensive_update_is_matched_in_slices)
{
    struct mrc_matcher *pattern = hub_matcher(
        MRC_MATCHER_URLPATTERN, "https://example.com/((?:a|aa)*b|(?:a|aa)*c|yes)", NULL);
    struct mrc_subscriber *subscriber = hub_subscribe(place.hub, pattern, NULL);
    struct mrc_buf out;
    unsigned empty = 0;

    publish_expensive();
    hub_publish(place.hub, "next", "https://example.com/yes", "next");
    mrc_buf_init(&out, SIZE_MAX);
    while (mrc_subscriber_take(subscriber, SIZE_MAX, mrc_subscriber_give_bytes, &out) ==
           APR_SUCCESS)
        empty += out.len == 0;
    ck_assert_uint_gt(empty, 1);
    mrc_buf_add_char(&out, '\0');
    ck_assert_str_eq(out.ptr, "id: expensive\ndata: found\n\nid: next\ndata: next\n\n");
    mrc_buf_free(&out);
    mrc_subscriber_close(subscriber, MRC_END_CLIENT);
    hub_place_close(&place);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("stream");
    TCase *fresh = tcase_create("fresh"); /* with a hub of the usual spec */
    TCase *own = tcase_create("own");     /* each opens its hub */

    tcase_add_checked_fixture(fresh, setup, NULL);
    tcase_add_test(fresh, pushed_events_are_written);
    tcase_add_test(fresh, the_backlog_limits_all_but_the_event_in_flight);
    tcase_add_test(fresh, a_client_that_has_taken_everything_is_not_slow);
    tcase_add_test(fresh, a_client_that_is_gone_is_not_slow);
    tcase_add_test(fresh, the_rest_of_a_large_event_is_in_flight);
    tcase_add_test(fresh, a_burst_does_not_end_a_ready_stream);
    tcase_add_test(fresh, a_write_has_limits);
    tcase_add_test(fresh, a_large_event_is_written_in_slices);
    tcase_add_test(fresh, nothing_is_written_while_pending);
    tcase_add_test(fresh, a_client_that_is_gone_ends_the_stream);
    tcase_add_test(fresh, a_write_finds_that_the_client_is_gone);
    tcase_add_test(fresh, a_silent_stream_has_heartbeats);
    tcase_add_test(fresh, a_silent_stream_has_positions_if_its_client_wants_them);
    tcase_add_test(fresh, positions_are_events_if_the_client_keeps_no_other_ids);
    tcase_add_test(fresh, a_client_that_takes_nothing_is_slow);
    tcase_add_test(fresh, a_client_that_acknowledges_nothing_is_slow);
    tcase_add_test(fresh, a_client_that_acknowledges_goes_on);
    tcase_add_test(fresh, a_pending_stream_is_not_watched);
    tcase_add_test(fresh, a_farewell_is_written_last);
    tcase_add_test(fresh, no_farewell_in_the_middle_of_an_event);
    tcase_add_test(fresh, no_farewell_for_a_client_that_takes_nothing);
    tcase_add_test(fresh, a_farewell_may_find_that_the_client_is_gone);
    tcase_add_test(fresh, the_end_waits_for_a_pending_farewell);
    tcase_add_test(fresh, a_client_that_is_gone_gets_no_end);
    tcase_add_test(fresh, an_expensive_update_is_matched_in_slices);
    tcase_add_test(own, queues_wrap_and_keep_order);
    tcase_add_test(own, replays_and_is_live_then);
    tcase_add_test(own, a_stream_that_has_caught_up_listens_at_once);
    tcase_add_test(own, replay_waits_for_the_client);
    tcase_add_test(own, a_client_that_takes_nothing_does_not_block_the_reader);
    tcase_add_test(own, a_replay_waits_until_orders_are_carried_out);
    tcase_add_test(own, replay_begins_after_the_cursor);
    tcase_add_test(own, a_turn_of_replay_reads_a_slice);
    tcase_add_test(own, a_replay_that_is_overrun_ends);
    tcase_add_test(own, without_heartbeats_nothing_is_due);
    tcase_add_test(own, a_client_that_vanishes_is_found_within_a_timeout_and_a_heartbeat);
    tcase_add_test(own, nothing_is_written_after_the_end);
    tcase_add_test(own, a_stream_has_a_lifetime);
    tcase_add_test(own, a_lifetime_of_a_second_is_spread);
    tcase_add_test(own, a_lifetime_may_be_a_century);
    tcase_add_test(own, a_stream_that_never_began);
    tcase_set_timeout(fresh, 60);
    tcase_set_timeout(own, 60);
    suite_add_tcase(suite, fresh);
    suite_add_tcase(suite, own);
    return unit_run(suite);
}
