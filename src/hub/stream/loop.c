#include "hub/stream/loop.h"

#include <errno.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "apr_general.h"

#include "hub/base/event.h"
#include "hub/base/list.h"
#include "hub/base/mailbox.h"
#include "hub/base/wake.h"
#include "hub/base/wheel.h"
#include "hub/stream/answers.h"
#include "hub/stream/carrier.h"
#include "hub/stream/ending.h"
#include "hub/stream/feed.h"
#include "hub/stream/loop_hub.h"
#include "hub/stream/loop_state.h"
#include "hub/stream/sessions.h"
#include "hub/stream/shares.h"
#include "hub/stream/sockets.h"
#include "hub/stream/source.h"
#include "hub/stream/stream.h"
#include "hub/subscriber/subscriber.h"
#include "store/base/clock.h"

#define REPLAYS_PER_TURN 100 /* streams of "replaying" that write besides those of "ready" */
#define CLOSE_WAIT_MS    100 /* between two checks whether a carrier may be closed */
#define STOP_US          ((int64_t)2000 * 1000) /* a loop that stops waits this long for carriers */
#define RETRY_MIN_MS     500
#define RETRY_SPREAD_MS  2500

/* What the streams of "ready" may write in one turn, and those of one hub before the next hub has
 * its turn. A write costs its bytes and WRITE_COST. */
#define WRITE_COST       8192
#define COST_PER_TURN    ((int64_t)500 * WRITE_COST)
#define COST_PER_QUANTUM ((int64_t)50 * WRITE_COST)

/* Streams in REPLAY take at most this long in one turn, because their matching may be costly. */
#define REPLAYS_US_PER_TURN ((int64_t)5000)

/* A step of the time of day that concerns the streams. */
#define CLOCK_STEP_US ((int64_t)1000 * 1000)

/* ---- streams that work ------------------------------------------------------------------------*/

static void take_ready(void *ctx, struct mrc_stream *stream)
{
    mrc_loop_make_ready(ctx, stream);
}

static void take_ended(void *ctx, struct mrc_stream *stream)
{
    mrc_ending_retire(ctx, stream);
}

/* If no stream of a hub is ready, each of its queues is empty or waits for its client. */
static bool is_busy(void *ctx, size_t hub_index)
{
    const struct mrc_loop *loop = ctx;

    return loop->by_index[hub_index]->ready.streams.first != NULL;
}

static void work(struct mrc_loop *loop, struct mrc_stream *stream, int64_t now_us)
{
    switch (mrc_stream_work(stream, now_us)) {
    case MRC_STREAM_IDLE:
        mrc_loop_set_timer(loop, stream);
        break;
    case MRC_STREAM_BUSY: /* its token may expire while it is busy */
        mrc_loop_set_timer(loop, stream);
        mrc_loop_make_ready(loop, stream);
        break;
    case MRC_STREAM_CAUGHT_UP:
        if (!mrc_subscriber_outlives_losses(stream->subscriber))
            mrc_ending_begin(loop, stream, MRC_END_OVERRUN);
        else if (mrc_feed_add(loop->feed, stream) == APR_SUCCESS)
            mrc_loop_set_timer(loop, stream);
        else
            mrc_ending_begin(loop, stream, MRC_END_ERROR);
        break;
    case MRC_STREAM_READING:
        mrc_loop_set_timer(loop, stream);
        stream->is_ready = true;
        mrc_list_append(&loop->reading, &stream->link);
        break;
    case MRC_STREAM_ENDED:
        mrc_ending_retire(loop, stream);
        break;
    }
}

/* Continues streams whose page is read, or whose time is up while the disk still reads; retires
 * those that have ended in the meantime. */
static void collect_readings(struct mrc_loop *loop)
{
    struct mrc_list reading = loop->reading;
    struct mrc_stream *stream;
    int64_t now_us;

    if (!reading.first)
        return;
    now_us = mrc_clock_us();
    loop->reading = (struct mrc_list){NULL, NULL};
    while ((stream = mrc_loop_take_stream(&reading))) {
        bool has_ended = stream->state == MRC_STREAM_ENDING;

        if (!has_ended && now_us < stream->ends_us &&
            mrc_subscriber_is_reading(stream->subscriber)) {
            mrc_list_append(&loop->reading, &stream->link);
            continue;
        }
        stream->is_ready = false;
        if (has_ended)
            mrc_ending_retire(loop, stream);
        else
            mrc_loop_make_ready(loop, stream);
    }
}

/* Fetches the memory of the next three streams of LIST, step by step, while the kernel writes for
 * the current one. */
static void fetch_ahead(const struct mrc_list *list)
{
    const struct mrc_list_link *link = list->first;

    if (link)
        mrc_stream_fetch_carrier((const struct mrc_stream *)link);
    if (link && (link = link->next))
        mrc_stream_fetch_parts((const struct mrc_stream *)link);
    if (link && (link = link->next))
        mrc_stream_fetch((const struct mrc_stream *)link);
}

/* Makes STREAM, which was taken from a list of ready streams, work. */
static void work_one(struct mrc_loop *loop, struct mrc_stream *stream, int64_t now_us)
{
    stream->is_ready = false;
    if (stream->state == MRC_STREAM_ENDING)
        mrc_ending_retire(loop, stream);
    else
        work(loop, stream, now_us);
}

/* The bytes that STREAM has written, which had QUEUED bytes in its queue and got no more. */
static int64_t written(const struct mrc_stream *stream, size_t queued)
{
    size_t left = stream->queued_bytes - stream->offset;

    return queued > left ? (int64_t)(queued - left) : 0;
}

static void work_live(struct mrc_loop *loop)
{
    int64_t now_us = mrc_clock_us(), left = COST_PER_TURN, cost;
    struct mrc_share *share;

    while (left > 0 && (share = mrc_shares_get(&loop->ready))) {
        struct mrc_stream *stream = (struct mrc_stream *)mrc_shares_take(&loop->ready, share);
        size_t queued = stream->queued_bytes - stream->offset;

        fetch_ahead(&share->streams);
        work_one(loop, stream, now_us);
        cost = WRITE_COST + written(stream, queued);
        mrc_shares_spend(&loop->ready, share, cost);
        left -= cost;
    }
}

static void work_replays(struct mrc_loop *loop)
{
    int64_t now_us = mrc_clock_us(), until_us = now_us + REPLAYS_US_PER_TURN;
    struct mrc_share *share;

    for (int i = 0; i < REPLAYS_PER_TURN && (share = mrc_shares_get(&loop->replaying)); i++) {
        if (i > 0 && mrc_clock_us() >= until_us)
            return;
        work_one(loop, (struct mrc_stream *)mrc_shares_take(&loop->replaying, share), now_us);
        mrc_shares_spend(&loop->replaying, share, 1);
    }
}

static bool has_work(const struct mrc_loop *loop)
{
    return mrc_shares_get(&loop->ready) || mrc_shares_get(&loop->replaying);
}

static void work_ready(struct mrc_loop *loop)
{
    work_live(loop);
    work_replays(loop);
}

/* ---- new streams ------------------------------------------------------------------------------*/

static void remember(struct mrc_loop *loop, struct mrc_stream *stream)
{
    stream->all_prev = NULL;
    stream->all_next = loop->all;
    if (loop->all)
        loop->all->all_prev = stream;
    loop->all = stream;
}

static void adopt_one(struct mrc_loop *loop, struct mrc_stream *stream)
{
    enum mrc_end why;

    stream->carrier->thread = loop->thread;
    remember(loop, stream);
    mrc_stream_follow_clock(stream, loop->ahead_us); /* it may have begun before the last step */
    if (!mrc_loop_hub_share_pages(loop, stream) || !mrc_loop_hub_take_old_orders(loop, stream))
        mrc_ending_begin(loop, stream, MRC_END_ERROR);
    else if (!mrc_sockets_watch_stream(loop, stream, &why))
        mrc_ending_begin(loop, stream, why);
    else if (loop->drained != MRC_LOOP_DRAIN_NOT)
        mrc_ending_begin(loop, stream, MRC_END_DRAINING);
    else if (stream->state != MRC_STREAM_ENDING)
        mrc_loop_make_ready(loop, stream);
}

/* Takes the streams that were posted. LAST: none can be posted from now on. */
static void adopt(struct mrc_loop *loop, bool last)
{
    struct mrc_list posted =
        last ? mrc_mailbox_close(&loop->posted) : mrc_mailbox_take(&loop->posted);
    struct mrc_stream *stream;

    /* From here on, every order that the loop has not carried out is newer than the new streams. */
    if (posted.first)
        mrc_loop_hub_take_orders(loop);
    while ((stream = mrc_loop_take_stream(&posted)))
        adopt_one(loop, stream);
}

/* ---- time -------------------------------------------------------------------------------------*/

static struct mrc_stream *stream_of_timer(struct mrc_timer *timer)
{
    return (struct mrc_stream *)((char *)timer - offsetof(struct mrc_stream, timer));
}

/* The number of the first record that is not in the queue of STREAM; 0: unknown. */
static uint64_t next_of(const struct mrc_loop *loop, const struct mrc_stream *stream)
{
    if (stream->state == MRC_STREAM_ENDING)
        return 0;
    return stream->is_listening ? mrc_feed_get_next(loop->feed, stream)
                                : mrc_subscriber_get_next(stream->subscriber);
}

static uint64_t find_next(const void *ctx, const struct mrc_stream *stream)
{
    return next_of(ctx, stream);
}

static void expire_timers(struct mrc_loop *loop)
{
    int64_t now_us = mrc_clock_us();
    struct mrc_timer *timer;

    while ((timer = mrc_wheel_expire(&loop->wheel, now_us))) {
        struct mrc_stream *stream = stream_of_timer(timer);

        if (mrc_stream_tick(stream, loop->heartbeat, next_of(loop, stream), now_us))
            mrc_loop_make_ready(loop, stream);
        else if (stream->state == MRC_STREAM_ENDING)
            mrc_ending_retire(loop, stream);
        else
            mrc_loop_set_timer(loop, stream);
    }
}

/* A token expires at a time of day, which is nearer after the clock was set forward. */
static void follow_clock(struct mrc_loop *loop)
{
    int64_t ahead_us = mrc_clock_ahead_us();

    if (ahead_us < loop->ahead_us + CLOCK_STEP_US && loop->ahead_us < ahead_us + CLOCK_STEP_US)
        return;
    loop->ahead_us = ahead_us;
    for (struct mrc_stream *stream = loop->all; stream; stream = stream->all_next) {
        mrc_stream_follow_clock(stream, ahead_us);
        mrc_loop_set_timer(loop, stream);
    }
}

/* ---- the loop ---------------------------------------------------------------------------------*/

static int wait_ms(struct mrc_loop *loop, bool busy)
{
    int ms = loop->args.look_ms;
    int64_t now_us;
    int timer_ms, sessions_ms;

    if (busy || has_work(loop) || mrc_sessions_have_work(&loop->sessions))
        return 0;
    if (loop->ended.first)
        ms = CLOSE_WAIT_MS;
    now_us = mrc_clock_us();
    timer_ms = mrc_wheel_wait_ms(&loop->wheel, now_us);
    if (timer_ms >= 0 && timer_ms < ms)
        ms = timer_ms;
    sessions_ms = mrc_sessions_wait_ms(&loop->sessions, now_us);
    return sessions_ms >= 0 && sessions_ms < ms ? sessions_ms : ms;
}

/* Sends what the streams of sessions have written. */
static void work_sessions(struct mrc_loop *loop)
{
    mrc_sessions_work(&loop->sessions);
    mrc_sessions_close(&loop->sessions, mrc_clock_us(), false);
}

static void turn(struct mrc_loop *loop, bool *busy)
{
    enum mrc_loop_drain drain;

    mrc_sockets_wait(loop, wait_ms(loop, *busy));
    follow_clock(loop);
    mrc_sessions_run_calls(&loop->sessions, false);
    adopt(loop, false);
    drain = (enum mrc_loop_drain)atomic_load(&loop->draining);
    if (drain != loop->drained)
        mrc_ending_drain(loop, drain);
    expire_timers(loop);
    mrc_sessions_expire(&loop->sessions, mrc_clock_us());
    collect_readings(loop);
    mrc_loop_hub_forget_pages(loop);
    mrc_loop_hub_take_orders(loop); /* before the updates after them are written */
    work_ready(loop);
    *busy = mrc_feed_pull(loop->feed);
    if (mrc_ending_close(loop, false))
        *busy = true;
    work_sessions(loop);
    if (mrc_answers_work(loop->answers))
        *busy = true;
}

/* Ends the remaining streams, spread over time in a graceful drain; waits a while for carriers that
 * may not be closed yet. */
static void run_down(struct mrc_loop *loop)
{
    bool is_graceful = atomic_load(&loop->draining) == MRC_LOOP_DRAIN_GRACEFULLY;
    int64_t until_us = mrc_clock_us() + STOP_US + (is_graceful ? MRC_LOOP_DRAIN_US : 0);
    bool busy = false;

    /* The count includes streams that are posted and in no list yet. */
    while ((atomic_load(&loop->count) > 0 || loop->sessions.all) && mrc_clock_us() < until_us)
        turn(loop, &busy);
    mrc_sessions_run_calls(&loop->sessions, true);
    adopt(loop, true);
    for (struct mrc_stream *stream = loop->all; stream; stream = stream->all_next)
        mrc_ending_begin(loop, stream, MRC_END_DRAINING);
    collect_readings(loop);
    while (has_work(loop))
        work_ready(loop);
    while (loop->ended.first)
        mrc_ending_close(loop, true);
    mrc_sessions_stop(&loop->sessions);
    mrc_answers_stop(loop->answers);
}

void mrc_loop_run(struct mrc_loop *loop, apr_thread_t *thread)
{
    bool busy = false;

    loop->thread = thread;
    while (!atomic_load(&loop->stopping))
        turn(loop, &busy);
    run_down(loop);
}

/* ---- for sessions -----------------------------------------------------------------------------*/

void mrc_loop_adopt(struct mrc_loop *loop, struct mrc_stream *stream)
{
    atomic_fetch_add(&loop->count, 1);
    mrc_loop_hub_take_orders(loop);
    adopt_one(loop, stream);
}

void mrc_loop_stream_blocked(struct mrc_loop *loop, struct mrc_stream *stream)
{
    if (stream->state == MRC_STREAM_ENDING || stream->pending)
        return;
    mrc_stream_block(stream, mrc_clock_us());
    mrc_loop_set_timer(loop, stream);
}

void mrc_loop_stream_writable(struct mrc_loop *loop, struct mrc_stream *stream)
{
    mrc_sockets_write_more(loop, stream);
}

void mrc_loop_stream_gone(struct mrc_loop *loop, struct mrc_stream *stream)
{
    mrc_ending_begin(loop, stream, MRC_END_CLIENT);
}

/* ---- from any thread --------------------------------------------------------------------------*/

void mrc_loop_post_wake(const struct mrc_loop *loop)
{
    mrc_wake_post(&loop->wake);
}

void mrc_loop_post(struct mrc_loop *loop, struct mrc_stream *stream)
{
    atomic_fetch_add(&loop->count,
                     1); /* first: the loop may end the stream at any time after the post */
    if (!mrc_mailbox_post(&loop->posted, &stream->link))
        atomic_fetch_sub(&loop->count, 1);
}

unsigned mrc_loop_post_count(const struct mrc_loop *loop)
{
    return atomic_load(&loop->count);
}

struct mrc_sessions *mrc_loop_post_sessions(struct mrc_loop *loop)
{
    return &loop->sessions;
}

unsigned mrc_loop_post_load(const struct mrc_loop *loop)
{
    return atomic_load(&loop->count) + atomic_load(&loop->sessions.count);
}

void mrc_loop_post_drain(struct mrc_loop *loop, enum mrc_loop_drain drain)
{
    atomic_store(&loop->draining, (int)drain);
    mrc_loop_post_wake(loop);
}

void mrc_loop_post_stop(struct mrc_loop *loop)
{
    int not = MRC_LOOP_DRAIN_NOT;

    atomic_compare_exchange_strong(&loop->draining, &not, MRC_LOOP_DRAIN_NOW);
    atomic_store(&loop->stopping, true);
    mrc_loop_post_wake(loop);
}

/* ---- open and close ---------------------------------------------------------------------------*/

static apr_status_t make_events(struct mrc_loop *loop)
{
    loop->heartbeat = mrc_event_create_comment();
    for (unsigned i = 0; i < MRC_LOOP_FAREWELLS; i++) {
        loop->farewells[i] =
            mrc_event_create_retry(RETRY_MIN_MS + i * RETRY_SPREAD_MS / MRC_LOOP_FAREWELLS);
        if (!loop->farewells[i])
            return APR_ENOMEM;
    }
    return loop->heartbeat ? APR_SUCCESS : APR_ENOMEM;
}

/* The wake-up is watched for its edges, which each post makes, so nothing has to be read. */
static void take_wake(struct mrc_source *source, struct mrc_loop *loop, uint32_t events)
{
    (void)source;
    (void)loop;
    (void)events;
}

static void take_notification(struct mrc_source *source, struct mrc_loop *loop, uint32_t events)
{
    (void)source;
    (void)events;
    loop->args.on_notify(loop->args.ctx);
}

static apr_status_t open_descriptors(apr_pool_t *pool, struct mrc_loop *loop)
{
    apr_status_t status;

    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (loop->epoll_fd < 0)
        return APR_FROM_OS_ERROR(errno);
    status = mrc_wake_open(&loop->wake, pool);
    if (status == APR_SUCCESS)
        status = mrc_sockets_watch(loop, &loop->wake_source, loop->wake.fd, take_wake,
                                   EPOLLIN | EPOLLET);
    if (status == APR_SUCCESS && loop->args.notify_fd >= 0)
        status = mrc_sockets_watch(loop, &loop->notify_source, loop->args.notify_fd,
                                   take_notification, EPOLLIN);
    return status;
}

static struct mrc_answers *open_answers(apr_pool_t *pool, struct mrc_loop *loop)
{
    const struct mrc_answers_args args = {
        .inquiry = loop->args.inquiry,
        .slot = loop->args.slot,
        .part = loop->args.number,
        .loops = loop->args.loops,
        .waiters = loop->args.waiters,
        .hubs = loop->args.hubs,
        .hubs_count = loop->args.hubs_count,
        .streams = &loop->all,
        .next_of = find_next,
        .ctx = loop,
    };

    return mrc_answers_create(pool, &args);
}

apr_status_t mrc_loop_open(apr_pool_t *pool, const struct mrc_loop_args *args,
                           struct mrc_loop **ret_loop)
{
    struct mrc_loop *loop = apr_pcalloc(pool, sizeof(*loop));
    const struct mrc_feed_args feed_args = {
        .hubs_count = args->hubs_count,
        .number = args->number,
        .streams = &loop->all,
        .on_ready = take_ready,
        .on_end = take_ended,
        .is_busy = is_busy,
        .ctx = loop,
    };
    apr_status_t status;

    loop->args = *args;
    loop->by_index = apr_pcalloc(pool, sizeof(struct mrc_loop_hub *) * (args->hubs_count + 1));
    loop->ready.quantum = COST_PER_QUANTUM;
    loop->replaying.quantum = 1;
    mrc_mailbox_init(&loop->posted, &loop->wake);
    mrc_wheel_init(&loop->wheel, mrc_clock_us());
    loop->ahead_us = mrc_clock_ahead_us();
    status = open_descriptors(pool, loop);
    mrc_sessions_init(&loop->sessions, loop->epoll_fd, &loop->wake, mrc_clock_us());
    if (status == APR_SUCCESS)
        status = apr_generate_random_bytes((unsigned char *)loop->key, sizeof(loop->key));
    if (status == APR_SUCCESS)
        status = mrc_feed_open(pool, &feed_args, &loop->feed);
    if (status == APR_SUCCESS)
        status = make_events(loop);
    loop->answers = open_answers(pool, loop);
    if (status != APR_SUCCESS) {
        mrc_loop_close(loop);
        return status;
    }
    *ret_loop = loop;
    return APR_SUCCESS;
}

void mrc_loop_close(struct mrc_loop *loop)
{
    if (!loop)
        return;
    mrc_loop_hub_free_all(loop);
    mrc_answers_close(loop->answers);
    mrc_feed_close(loop->feed);
    mrc_sessions_free(&loop->sessions);
    mrc_event_unref(loop->heartbeat);
    for (unsigned i = 0; i < MRC_LOOP_FAREWELLS; i++)
        mrc_event_unref(loop->farewells[i]);
    if (loop->epoll_fd >= 0)
        close(loop->epoll_fd);
    /* The mailbox and its wake-up stay, because a stream may be posted too late. */
}
