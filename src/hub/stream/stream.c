#include "hub/stream/stream.h"

#include <stdlib.h>
#include <string.h>

#include "apr_time.h"

#include "core/base/buf.h"
#include "hub/base/event.h"
#include "hub/base/prefetch.h"
#include "hub/hub/hub.h"
#include "hub/hub/numbers.h"
#include "hub/subscriber/subscriber.h"
#include "store/base/clock.h"
#include "store/base/status.h"

/* A stream writes at most this often before the other streams have their turn. */
#define WRITES_PER_TURN 4

/* This much of a carrier is fetched ahead; most carriers are not larger. */
#define CARRIER_BYTES ((size_t)2 * MRC_FETCH_LINE_BYTES)

#define MS_US ((int64_t)1000)

/*
 * The kernel says when something was acknowledged, to within a step of its clock, which is shorter
 * than this.
 */
#define CLOCK_STEP_US ((int64_t)10 * 1000)

/* An event with a position has fewer bytes. */
#define POSITION_BYTES_MAX 256

/* Adds N to the number of streams with this kind of carrier. */
static void count_stream(const struct mrc_stream *stream, int64_t n)
{
    struct mrc_numbers *numbers = mrc_hub_numbers(mrc_subscriber_get_hub(stream->subscriber));

    mrc_numbers_gauge_add(numbers, (enum mrc_gauge)(MRC_GAUGE_STREAMS + stream->kind), n);
}

struct mrc_stream *mrc_stream_create(struct mrc_subscriber *subscriber, struct mrc_carrier *carrier,
                                     int64_t now_us)
{
    struct mrc_stream *stream = calloc(1, sizeof(*stream));
    enum mrc_end ends_why;

    if (!stream)
        return NULL;
    mrc_hub_begin(mrc_subscriber_get_hub(subscriber));
    stream->subscriber = subscriber;
    stream->hub_index = (uint32_t)mrc_hub_get_index(mrc_subscriber_get_hub(subscriber));
    stream->carrier = carrier;
    stream->kind = carrier->ops->kind;
    count_stream(stream, 1);
    stream->cap = MRC_STREAM_INLINE_EVENTS;
    stream->since_us = now_us;
    stream->ends_us =
        mrc_subscriber_draw_end(subscriber, now_us, apr_time_now() - now_us, &ends_why);
    stream->ends_why = ends_why;
    return stream;
}

/* Closes the subscriber, once. */
static void leave(struct mrc_stream *stream, enum mrc_end end)
{
    if (!stream->subscriber)
        return;
    count_stream(stream, -1);
    mrc_subscriber_close(stream->subscriber, end);
    stream->subscriber = NULL;
}

void mrc_stream_discard(struct mrc_stream *stream, enum mrc_end end)
{
    leave(stream, end);
    free(stream);
}

static const struct mrc_hub_limits *limits_of(const struct mrc_stream *stream)
{
    return mrc_hub_get_limits(mrc_subscriber_get_hub(stream->subscriber));
}

/* ---- ahead of time ----------------------------------------------------------------------------*/

void mrc_stream_fetch(const struct mrc_stream *stream)
{
    mrc_prefetch(stream, sizeof(*stream));
}

void mrc_stream_fetch_parts(const struct mrc_stream *stream)
{
    mrc_prefetch(stream->carrier, CARRIER_BYTES);
    mrc_prefetch(stream->subscriber, MRC_FETCH_LINE_BYTES);
}

void mrc_stream_fetch_carrier(const struct mrc_stream *stream)
{
    const struct mrc_carrier_ops *ops = stream->carrier->ops;

    if (ops->fetch)
        ops->fetch(stream->carrier);
}

/* ---- the queue --------------------------------------------------------------------------------*/

static struct mrc_event **queue_of(struct mrc_stream *stream)
{
    return stream->cap > MRC_STREAM_INLINE_EVENTS ? stream->many : stream->few;
}

static struct mrc_event *first_of(struct mrc_stream *stream)
{
    return queue_of(stream)[stream->first];
}

static void free_queue(struct mrc_stream *stream)
{
    if (stream->cap > MRC_STREAM_INLINE_EVENTS)
        free(stream->many);
    stream->cap = MRC_STREAM_INLINE_EVENTS;
}

static bool grow_queue(struct mrc_stream *stream)
{
    uint32_t new_cap = stream->cap * 2;
    struct mrc_event **queue = queue_of(stream), **grown;

    if (stream->first > 0) {
        memmove(queue, queue + stream->first, stream->count * sizeof(*queue));
        stream->first = 0;
        return true;
    }
    grown = new_cap > stream->cap ? malloc(new_cap * sizeof(*grown)) : NULL;
    if (!grown)
        return false;
    memcpy(grown, queue, stream->count * sizeof(*grown));
    free_queue(stream);
    stream->many = grown;
    stream->cap = new_cap;
    return true;
}

/* Whether LEN more bytes may wait. The first event is in flight, and may have any size. */
static bool has_room(struct mrc_stream *stream, size_t len)
{
    return stream->count == 0 ||
           stream->queued_bytes - mrc_event_bytes(first_of(stream)).len + len <=
               limits_of(stream)->backlog_bytes;
}

bool mrc_stream_push(struct mrc_stream *stream, struct mrc_event *event)
{
    size_t len = mrc_event_bytes(event).len;

    /* A stream that is not pending has no backlog: it only has not had its turn since the last
     * pull. And the client of a pending stream may have accepted everything in the meantime. */
    if (stream->pending && !has_room(stream, len) &&
        (!mrc_stream_flush(stream, mrc_clock_us()) || stream->pending)) {
        mrc_stream_end(stream, MRC_END_SLOW);
        return false;
    }
    if (stream->first + stream->count == stream->cap && !grow_queue(stream)) {
        mrc_stream_end(stream, MRC_END_ERROR);
        return false;
    }
    queue_of(stream)[stream->first + stream->count++] = mrc_event_ref(event);
    stream->queued_bytes += len;
    return true;
}

static void pop(struct mrc_stream *stream)
{
    struct mrc_event *event = first_of(stream);

    stream->queued_bytes -= mrc_event_bytes(event).len;
    stream->offset = 0;
    stream->first++;
    stream->count--;
    mrc_event_unref(event);
    if (stream->count > 0)
        return;
    stream->first = 0;
    free_queue(stream);
}

/* ---- writing ----------------------------------------------------------------------------------*/

/* Fills the pieces of one write from the queue, which is not empty, as far as there is room. */
static size_t cut_pieces(struct mrc_stream *stream,
                         struct mrc_piece pieces[MRC_CARRIER_WRITE_PIECES])
{
    struct mrc_event *const *queue = queue_of(stream) + stream->first;
    size_t room = MRC_CARRIER_WRITE_BYTES;
    size_t offset = stream->offset;
    size_t n = 0;

    do {
        struct mrc_event *event = queue[n];
        size_t len = mrc_event_bytes(event).len - offset;

        if (len > room)
            len = room;
        pieces[n++] = (struct mrc_piece){event, offset, len};
        room -= len;
        offset = 0;
    } while (n < stream->count && n < MRC_CARRIER_WRITE_PIECES && room > 0);
    return n;
}

/* Counts the dispatch time of each update whose last byte the carrier has taken. */
static void count_dispatch(const struct mrc_stream *stream, const struct mrc_piece *pieces,
                           size_t count)
{
    struct mrc_numbers *numbers = mrc_hub_numbers(mrc_subscriber_get_hub(stream->subscriber));
    struct mrc_numbers_times times = {.count = 0};
    int64_t now_us = mrc_clock_us();

    for (size_t i = 0; i < count; i++) {
        int64_t accepted_us = mrc_event_accepted_us(pieces[i].event);

        if (!accepted_us || pieces[i].offset + pieces[i].len < mrc_event_bytes(pieces[i].event).len)
            continue;
        if (!mrc_numbers_times_add(&times, now_us - accepted_us)) {
            mrc_numbers_count_times(numbers, &times);
            mrc_numbers_times_add(&times, now_us - accepted_us);
        }
    }
    mrc_numbers_count_times(numbers, &times);
}

/* Removes the bytes that the carrier has taken from the queue. */
static void forget_pieces(struct mrc_stream *stream, const struct mrc_piece *pieces, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        stream->offset = pieces[i].offset + pieces[i].len;
        if (stream->offset == mrc_event_bytes(pieces[i].event).len)
            pop(stream);
    }
}

static uint32_t unsent_bytes(const struct mrc_stream *stream)
{
    const struct mrc_carrier_ops *ops = stream->carrier->ops;
    size_t unsent = ops->unsent_bytes ? ops->unsent_bytes(stream->carrier) : 0;

    return unsent < UINT32_MAX ? (uint32_t)unsent : UINT32_MAX;
}

/*
 * A client that vanishes without a word acknowledges nothing more, and its stream is not pending
 * while the kernel has room for a few heartbeats. So a stream is watched from its first byte that
 * is not acknowledged. A client that reads slowly still acknowledges, at the latest when the kernel
 * asks whether it has room again.
 */
static void watch(struct mrc_stream *stream, int64_t since_us)
{
    stream->is_watched = true;
    stream->watched_ms = (uint32_t)(since_us / MS_US);
}

int64_t mrc_stream_watch_us(const struct mrc_hub_limits *limits, int64_t silence_us, int64_t now_us)
{
    int64_t heartbeat_us = limits->heartbeat_us;

    return heartbeat_us && heartbeat_us < silence_us ? now_us - silence_us + heartbeat_us : now_us;
}

/* When the watch has begun. NEAR_US: a time within three weeks of it. */
static int64_t watched_us(const struct mrc_stream *stream, int64_t near_us)
{
    int32_t before_ms = (int32_t)((uint32_t)(near_us / MS_US) - stream->watched_ms);

    return (near_us / MS_US - before_ms) * MS_US;
}

static int64_t watch_due_us(const struct mrc_stream *stream)
{
    return watched_us(stream, stream->since_us) + limits_of(stream)->dispatch_timeout_us;
}

/*
 * Whether the client has acknowledged something since the watch began, or has nothing to
 * acknowledge. If it has, the bytes that it has to acknowledge now may be new, so the watch begins
 * again: now, or when a heartbeat after that acknowledgement was due, if that is earlier. By then
 * there were bytes to acknowledge. So a client that vanishes is found within the dispatch timeout
 * and the time between two heartbeats.
 */
static bool has_acknowledged(struct mrc_stream *stream, int64_t now_us)
{
    int64_t silence_us = stream->carrier->ops->silence_us(stream->carrier);

    if (silence_us && now_us - silence_us + CLOCK_STEP_US < watched_us(stream, now_us))
        return false;
    stream->is_watched = false;
    if (silence_us)
        watch(stream, mrc_stream_watch_us(limits_of(stream), silence_us, now_us));
    return true;
}

static void take_state(struct mrc_stream *stream, enum mrc_carrier_state state, int64_t now_us)
{
    if (state == MRC_CARRIER_GONE)
        mrc_stream_end(stream, MRC_END_CLIENT);
    stream->pending = state == MRC_CARRIER_PENDING;
    stream->since_us = now_us;
    if (stream->pending) {
        stream->is_watched = false;
        stream->unsent_bytes = unsent_bytes(stream);
    } else if (stream->carrier->ops->silence_us && !stream->is_watched) {
        watch(stream, now_us);
    }
}

/*
 * Whether the client of a pending stream has accepted bytes since the last check. The socket
 * becomes writable only when the client has accepted many, which may take a slow client long.
 */
static bool took_something(struct mrc_stream *stream, int64_t now_us)
{
    uint32_t unsent = unsent_bytes(stream);

    if (unsent >= stream->unsent_bytes)
        return false;
    stream->unsent_bytes = unsent;
    stream->since_us = now_us;
    return true;
}

static void write_some(struct mrc_stream *stream, int64_t now_us)
{
    struct mrc_piece pieces[MRC_CARRIER_WRITE_PIECES];
    size_t count = cut_pieces(stream, pieces);
    enum mrc_carrier_state state = stream->carrier->ops->write(stream->carrier, pieces, count);

    if (state != MRC_CARRIER_GONE)
        count_dispatch(stream, pieces, count);
    forget_pieces(stream, pieces, count);
    take_state(stream, state, now_us);
}

bool mrc_stream_fall_back(struct mrc_stream *stream, uint64_t next)
{
    if (stream->state != MRC_STREAM_LIVE)
        return stream->state == MRC_STREAM_REPLAY;
    if (mrc_subscriber_fall_back(stream->subscriber, next) != APR_SUCCESS) {
        mrc_stream_end(stream, MRC_END_OVERRUN);
        return false;
    }
    stream->state = MRC_STREAM_REPLAY;
    return true;
}

static apr_status_t take_event(void *ctx, struct mrc_event *event)
{
    return mrc_stream_push(ctx, event) ? APR_SUCCESS : APR_ENOMEM;
}

/* Puts the next events that the stream has missed into the queue. True: there is something to
 * write. */
static bool replay_some(struct mrc_stream *stream)
{
    apr_status_t status =
        mrc_subscriber_take(stream->subscriber, MRC_CARRIER_WRITE_BYTES, take_event, stream);

    if (status != APR_SUCCESS && status != APR_EOF && status != APR_EAGAIN) {
        mrc_stream_end(stream, status == MRC_STATUS_OVERRUN ? MRC_END_OVERRUN : MRC_END_ERROR);
    } else if (status == APR_EOF && stream->count == 0) {
        stream->state = MRC_STREAM_LIVE;
        mrc_subscriber_rest(stream->subscriber);
    }
    return stream->count > 0;
}

enum mrc_stream_work mrc_stream_work(struct mrc_stream *stream, int64_t now_us)
{
    if (now_us >= stream->ends_us) /* the timer may be late */
        mrc_stream_end(stream, stream->ends_why);
    for (int turn = 0; turn < WRITES_PER_TURN; turn++) {
        if (stream->state == MRC_STREAM_ENDING)
            return MRC_STREAM_ENDED;
        if (stream->pending) { /* nothing to do until the client accepts more */
            mrc_subscriber_give_back(stream->subscriber);
            return MRC_STREAM_IDLE;
        }
        if (stream->count == 0) {
            if (stream->state == MRC_STREAM_LIVE)
                return stream->is_listening ? MRC_STREAM_IDLE : MRC_STREAM_CAUGHT_UP;
            if (!replay_some(stream)) {
                if (stream->state == MRC_STREAM_LIVE)
                    return MRC_STREAM_CAUGHT_UP; /* at once, because the ring may overtake it */
                if (mrc_subscriber_is_reading(stream->subscriber))
                    return MRC_STREAM_READING;
                continue;
            }
        }
        /* The updates may have come after an order to end, which the next turn carries out. */
        if (stream->state == MRC_STREAM_REPLAY && mrc_subscriber_has_orders(stream->subscriber))
            return MRC_STREAM_BUSY;
        write_some(stream, now_us);
    }
    return stream->state == MRC_STREAM_ENDING ? MRC_STREAM_ENDED : MRC_STREAM_BUSY;
}

bool mrc_stream_flush(struct mrc_stream *stream, int64_t now_us)
{
    if (stream->pending && stream->state != MRC_STREAM_ENDING)
        take_state(stream, stream->carrier->ops->flush(stream->carrier), now_us);
    return stream->state != MRC_STREAM_ENDING;
}

void mrc_stream_block(struct mrc_stream *stream, int64_t now_us)
{
    take_state(stream, MRC_CARRIER_PENDING, now_us);
}

/* ---- time and end -----------------------------------------------------------------------------*/

/* When a pending stream is checked, or another one gets a heartbeat. */
static int64_t heartbeat_due_us(const struct mrc_stream *stream)
{
    const struct mrc_hub_limits *limits = limits_of(stream);

    if (stream->pending)
        return stream->since_us + limits->dispatch_timeout_us;
    return limits->heartbeat_us ? stream->since_us + limits->heartbeat_us : INT64_MAX;
}

int64_t mrc_stream_due_us(const struct mrc_stream *stream)
{
    int64_t due_us = heartbeat_due_us(stream);

    if (stream->is_watched && watch_due_us(stream) < due_us)
        due_us = watch_due_us(stream);
    return due_us < stream->ends_us ? due_us : stream->ends_us;
}

void mrc_stream_follow_clock(struct mrc_stream *stream, int64_t ahead_us)
{
    int64_t expires_us;

    if (stream->state == MRC_STREAM_ENDING)
        return;
    expires_us = mrc_subscriber_expires_us(stream->subscriber, ahead_us);
    if (expires_us >= stream->ends_us)
        return;
    stream->ends_us = expires_us;
    stream->ends_why = MRC_END_EXPIRED;
}

/* The event that tells the client its position; NULL: it does not want one, or it is not known. */
static struct mrc_event *create_position(const struct mrc_stream *stream, uint64_t next)
{
    struct mrc_event *event = NULL;
    struct mrc_buf block;

    if (next == 0 || !mrc_subscriber_wants_positions(stream->subscriber))
        return NULL;
    mrc_buf_init(&block, POSITION_BYTES_MAX);
    if (mrc_subscriber_add_position(stream->subscriber, next, apr_time_now(), &block) &&
        !mrc_buf_error(&block))
        event = mrc_event_create(mrc_buf_bytes(&block));
    mrc_buf_free(&block);
    return event;
}

bool mrc_stream_tick(struct mrc_stream *stream, struct mrc_event *heartbeat, uint64_t next,
                     int64_t now_us)
{
    struct mrc_event *position;
    bool is_pushed;

    if (stream->state == MRC_STREAM_ENDING || now_us < mrc_stream_due_us(stream))
        return false;
    if (now_us >= stream->ends_us) {
        mrc_stream_end(stream, stream->ends_why);
        return false;
    }
    if (stream->pending) {
        if (!took_something(stream, now_us))
            mrc_stream_end(stream, MRC_END_SLOW);
        return false;
    }
    if (stream->is_watched && now_us >= watch_due_us(stream) && !has_acknowledged(stream, now_us)) {
        mrc_stream_end(stream, MRC_END_SLOW);
        return false;
    }
    if (now_us < heartbeat_due_us(stream))
        return false;
    position = create_position(stream, next);
    is_pushed = mrc_stream_push(stream, position ? position : heartbeat);
    mrc_event_unref(position);
    return is_pushed;
}

void mrc_stream_end(struct mrc_stream *stream, enum mrc_end end)
{
    if (stream->state == MRC_STREAM_ENDING)
        return;
    stream->state = MRC_STREAM_ENDING;
    stream->end = end;
    stream->ends_us = 0;
}

void mrc_stream_leave(struct mrc_stream *stream)
{
    leave(stream, stream->end);
}

static bool may_linger(enum mrc_end end)
{
    return end == MRC_END_LIFETIME || end == MRC_END_DRAINING || end == MRC_END_DISCONNECTED;
}

bool mrc_stream_lingers(struct mrc_stream *stream, int64_t now_us)
{
    enum mrc_carrier_state state;

    /* A session (fd < 0) sends the bytes of its streams itself. */
    if (!stream->pending || stream->carrier->fd < 0 || !may_linger(stream->end))
        return false;
    if (stream->ends_us == 0)
        stream->ends_us = now_us + MRC_STREAM_LINGER_US;
    if (now_us >= stream->ends_us)
        return false;
    state = stream->carrier->ops->flush(stream->carrier);
    if (state == MRC_CARRIER_GONE)
        stream->end = MRC_END_CLIENT;
    stream->pending = state == MRC_CARRIER_PENDING;
    return stream->pending;
}

static void write_farewell(struct mrc_stream *stream, struct mrc_event *farewell)
{
    struct mrc_piece piece = {farewell, 0, mrc_event_bytes(farewell).len};
    enum mrc_carrier_state state = stream->carrier->ops->write(stream->carrier, &piece, 1);

    if (state == MRC_CARRIER_GONE)
        stream->end = MRC_END_CLIENT;
    stream->pending = state == MRC_CARRIER_PENDING;
}

bool mrc_stream_finish(struct mrc_stream *stream, struct mrc_event *farewell)
{
    const struct mrc_carrier_ops *ops = stream->carrier->ops;

    if (stream->is_finished)
        return false;
    stream->is_finished = true;
    if (farewell && !stream->pending && stream->offset == 0)
        write_farewell(stream, farewell);
    if (ops->finish && !stream->pending && stream->end != MRC_END_CLIENT)
        ops->finish(stream->carrier);
    return true;
}

void mrc_stream_close(struct mrc_stream *stream)
{
    stream->carrier->ops->close(stream->carrier, stream->end);
    while (stream->count > 0)
        pop(stream);
    mrc_stream_discard(stream, stream->end);
}
