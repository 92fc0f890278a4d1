#include "hub/stream/loop.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "apr_general.h"
#include "apr_time.h"

#include "hub/base/event.h"
#include "hub/base/list.h"
#include "hub/base/mailbox.h"
#include "hub/base/wake.h"
#include "hub/base/wheel.h"
#include "hub/control/order.h"
#include "hub/control/orders.h"
#include "hub/hub/hub.h"
#include "hub/hub/revocation.h"
#include "hub/stream/answers.h"
#include "hub/stream/carrier.h"
#include "hub/stream/feed.h"
#include "hub/stream/handles.h"
#include "hub/stream/sessions.h"
#include "hub/stream/shares.h"
#include "hub/stream/source.h"
#include "hub/stream/stream.h"
#include "hub/subscriber/pages.h"
#include "hub/subscriber/subscriber.h"
#include "store/base/clock.h"
#include "store/ring/ring.h"

#define EPOLL_EVENTS     512
#define REPLAYS_PER_TURN 100 /* streams of "replaying" that write besides those of "ready" */
#define CLOSES_PER_TURN  500
#define CLOSE_WAIT_MS    100 /* between two checks whether a carrier may be closed */
#define STOP_US          ((int64_t)2000 * 1000) /* a loop that stops waits this long for carriers */
#define RETRY_MIN_MS     500
#define RETRY_SPREAD_MS  2500
#define FAREWELLS        16 /* different reconnection times */

/* What the streams of "ready" may write in one turn, and those of one hub before the next hub has
 * its turn. A write costs its bytes and WRITE_COST. */
#define WRITE_COST       8192
#define COST_PER_TURN    ((int64_t)500 * WRITE_COST)
#define COST_PER_QUANTUM ((int64_t)50 * WRITE_COST)

/* Streams in REPLAY take at most this long in one turn, because their matching may be costly. */
#define REPLAYS_US_PER_TURN ((int64_t)5000)

/* Pages are kept this long after the last replay: after a restart many clients come back within
 * seconds, and replay the same updates. */
#define PAGES_KEPT_US ((int64_t)2000 * 1000)

/* A step of the time of day that concerns the streams. */
#define CLOCK_STEP_US ((int64_t)1000 * 1000)

/* What a loop keeps of one hub, from the first stream of the hub on. */
struct loop_hub {
    struct loop_hub *next;
    struct mrc_hub *hub;
    uint64_t seen;               /* the mark of the newest order that was carried out (orders.h) */
    struct mrc_handles *handles; /* NULL: not needed yet, or no operator controls the hub */
    struct mrc_pages *pages;     /* NULL: there was no memory for them */
    struct mrc_share ready, replaying;
};

struct mrc_loop {
    struct mrc_loop_args args;
    apr_thread_t *thread;
    struct loop_hub **by_index; /* by the index of the hub; NULL: it has had no stream here */
    struct loop_hub *hubs;      /* those that have had one */
    int64_t replayed_us;        /* when a stream last replayed */
    int64_t ahead_us;           /* mrc_clock_ahead_us() after the last step of the time of day */
    int epoll_fd;
    struct mrc_wake wake; /* other threads post to it */
    struct mrc_source wake_source;
    struct mrc_source notify_source; /* of args.notify_fd */
    struct mrc_feed *feed;
    struct mrc_wheel wheel;
    struct mrc_stream *all; /* every stream that was adopted */
    struct mrc_sessions sessions;
    struct mrc_answers *answers;

    /* Streams (loop.h). The first three have is_ready set. */
    struct mrc_shares ready;     /* in LIVE, with something to write */
    struct mrc_shares replaying; /* in REPLAY when they were added; a quantum is one stream */
    struct mrc_list reading;     /* in REPLAY, and waiting for a page */
    struct mrc_list ended;       /* in ENDING, and waiting for their carrier */

    uint64_t key[2]; /* for the handles */
    struct mrc_event *heartbeat;
    struct mrc_event *farewells[FAREWELLS];
    enum mrc_loop_drain drained; /* the last drain that it has carried out */

    /* Other threads write these. */
    atomic_int draining; /* enum mrc_loop_drain */
    atomic_bool stopping;
    atomic_uint count;         /* of streams, including those that are posted */
    struct mrc_mailbox posted; /* streams */
};

static struct mrc_stream *take_stream(struct mrc_list *list)
{
    return (struct mrc_stream *)mrc_list_take(list);
}

/* ---- one stream in the loop -------------------------------------------------------------------*/

/* What the loop has of the hub of STREAM; NULL: out of memory when the stream came. */
static struct loop_hub *hub_of(const struct mrc_loop *loop, const struct mrc_stream *stream)
{
    return loop->by_index[stream->hub_index];
}

static void make_ready(struct mrc_loop *loop, struct mrc_stream *stream)
{
    struct loop_hub *hub = hub_of(loop, stream);

    if (stream->is_ready)
        return;
    stream->is_ready = true;
    if (stream->state == MRC_STREAM_REPLAY)
        mrc_shares_add(&loop->replaying, &hub->replaying, &stream->link);
    else
        mrc_shares_add(&loop->ready, &hub->ready, &stream->link);
}

static void set_timer(struct mrc_loop *loop, struct mrc_stream *stream)
{
    int64_t due_us;

    if (stream->state == MRC_STREAM_ENDING)
        return; /* the stream is freed when its carrier may be closed: a timer would outlive it */
    due_us = mrc_stream_due_us(stream);
    if (due_us == INT64_MAX)
        mrc_wheel_clear(&loop->wheel, &stream->timer);
    else if (!mrc_timer_is_set(&stream->timer) || stream->timer.due_us > due_us)
        mrc_wheel_set(&loop->wheel, &stream->timer, due_us);
}

/*
 * Takes a stream in ENDING out of the feed, clears its timer and gives back its seat in the hub,
 * because its carrier may be closed only later. If the stream is in a list of ready streams, this
 * is called again when it is taken from that list.
 */
static void retire(struct mrc_loop *loop, struct mrc_stream *stream)
{
    mrc_feed_remove(loop->feed, stream);
    mrc_wheel_clear(&loop->wheel, &stream->timer);
    if (stream->handle)
        mrc_handles_remove(hub_of(loop, stream)->handles, stream);
    if (stream->is_ready)
        return;
    mrc_stream_leave(stream);
    mrc_list_append(&loop->ended, &stream->link);
}

static void end(struct mrc_loop *loop, struct mrc_stream *stream, enum mrc_end why)
{
    if (stream->state == MRC_STREAM_ENDING)
        return;
    mrc_stream_end(stream, why);
    retire(loop, stream);
}

static void take_ready(void *ctx, struct mrc_stream *stream)
{
    make_ready(ctx, stream);
}

static void take_ended(void *ctx, struct mrc_stream *stream)
{
    retire(ctx, stream);
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
        set_timer(loop, stream);
        break;
    case MRC_STREAM_BUSY: /* its token may expire while it is busy */
        set_timer(loop, stream);
        make_ready(loop, stream);
        break;
    case MRC_STREAM_CAUGHT_UP:
        if (!mrc_subscriber_outlives_losses(stream->subscriber))
            end(loop, stream, MRC_END_OVERRUN);
        else if (mrc_feed_add(loop->feed, stream) == APR_SUCCESS)
            set_timer(loop, stream);
        else
            end(loop, stream, MRC_END_ERROR);
        break;
    case MRC_STREAM_READING:
        set_timer(loop, stream);
        stream->is_ready = true;
        mrc_list_append(&loop->reading, &stream->link);
        break;
    case MRC_STREAM_ENDED:
        retire(loop, stream);
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
    while ((stream = take_stream(&reading))) {
        bool has_ended = stream->state == MRC_STREAM_ENDING;

        if (!has_ended && now_us < stream->ends_us &&
            mrc_subscriber_is_reading(stream->subscriber)) {
            mrc_list_append(&loop->reading, &stream->link);
            continue;
        }
        stream->is_ready = false;
        if (has_ended)
            retire(loop, stream);
        else
            make_ready(loop, stream);
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
        retire(loop, stream);
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

/* ---- sockets ----------------------------------------------------------------------------------*/

static apr_status_t watch(struct mrc_loop *loop, struct mrc_source *source, int fd,
                          mrc_source_fn *on_events, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = source};

    source->on_events = on_events;
    return epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0 ? APR_FROM_OS_ERROR(errno)
                                                                    : APR_SUCCESS;
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

/* The carrier of STREAM accepts bytes again. */
static void write_more(struct mrc_loop *loop, struct mrc_stream *stream)
{
    if (stream->state == MRC_STREAM_ENDING || !stream->pending)
        return;
    if (mrc_stream_flush(stream, mrc_clock_us()))
        make_ready(loop, stream);
    else
        retire(loop, stream);
}

/* Why the socket FD of a client is broken: a client that acknowledged nothing for so long that the
 * kernel gave up has accepted nothing for the dispatch timeout. */
static enum mrc_end find_reason(int fd, uint32_t events)
{
    int error = 0;
    socklen_t len = sizeof(error);

    return (events & EPOLLERR) && getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) == 0 &&
                   error == ETIMEDOUT
               ? MRC_END_SLOW
               : MRC_END_CLIENT;
}

/* Makes the carrier read what the client sends. False: the client is gone. */
static bool read_input(struct mrc_stream *stream)
{
    struct mrc_carrier *carrier = stream->carrier;

    return !carrier->ops->read || carrier->ops->read(carrier) != MRC_CARRIER_GONE;
}

static void take_socket(struct mrc_source *source, struct mrc_loop *loop, uint32_t events)
{
    struct mrc_stream *stream =
        (struct mrc_stream *)((char *)source - offsetof(struct mrc_stream, source));

    if (stream->state == MRC_STREAM_ENDING)
        return;
    if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
        end(loop, stream, find_reason(stream->carrier->fd, events));
    else if ((events & EPOLLIN) && !read_input(stream))
        end(loop, stream, MRC_END_CLIENT);
    else if (events & EPOLLOUT)
        write_more(loop, stream);
}

static void wait_for_events(struct mrc_loop *loop, int timeout_ms)
{
    struct epoll_event events[EPOLL_EVENTS];
    int count = epoll_wait(loop->epoll_fd, events, EPOLL_EVENTS, timeout_ms);

    for (int i = 0; i < count; i++) {
        struct mrc_source *source = events[i].data.ptr;

        source->on_events(source, loop, events[i].events);
    }
}

static void remember(struct mrc_loop *loop, struct mrc_stream *stream)
{
    stream->all_prev = NULL;
    stream->all_next = loop->all;
    if (loop->all)
        loop->all->all_prev = stream;
    loop->all = stream;
}

static void forget(struct mrc_loop *loop, struct mrc_stream *stream)
{
    mrc_answers_forget(loop->answers, stream);
    if (stream->all_prev)
        stream->all_prev->all_next = stream->all_next;
    else
        loop->all = stream->all_next;
    if (stream->all_next)
        stream->all_next->all_prev = stream->all_prev;
}

static void wake_for_reading(void *ctx)
{
    mrc_loop_post_wake(ctx);
}

/* Remembers HUB, whose first stream has come. The orders so far concern no stream but that one, for
 * which take_old_orders() reads them. NULL: out of memory. */
static struct loop_hub *add_hub(struct mrc_loop *loop, struct mrc_hub *hub)
{
    struct loop_hub *added = calloc(1, sizeof(*added));

    if (!added)
        return NULL;
    added->hub = hub;
    added->seen = mrc_ring_control(mrc_hub_ring(hub));
    added->next = loop->hubs;
    loop->hubs = added;
    loop->by_index[mrc_hub_get_index(hub)] = added;
    return added;
}

/* Makes STREAM replay with the pages of its hub, which it shares. False: out of memory. */
static bool share_pages(struct mrc_loop *loop, struct mrc_stream *stream)
{
    struct loop_hub *hub = hub_of(loop, stream);

    if (!hub)
        hub = add_hub(loop, mrc_subscriber_get_hub(stream->subscriber));
    if (hub && !hub->pages) {
        hub->pages = mrc_pages_create(hub->hub, loop->args.reader, wake_for_reading, loop);
        if (hub->pages)
            mrc_pages_set_orders(hub->pages, hub->seen);
    }
    mrc_subscriber_read_with(stream->subscriber, hub ? hub->pages : NULL);
    return hub && hub->pages;
}

/* Forgets the pages if no stream has replayed for a while. */
static void forget_pages(struct mrc_loop *loop)
{
    int64_t now_us = mrc_clock_us();

    if (mrc_shares_get(&loop->replaying) || loop->reading.first)
        loop->replayed_us = now_us;
    if (now_us - loop->replayed_us < PAGES_KEPT_US)
        return;
    for (struct loop_hub *hub = loop->hubs; hub; hub = hub->next) {
        if (hub->pages)
            mrc_pages_forget(hub->pages);
    }
}

/* ---- orders -----------------------------------------------------------------------------------*/

/* One order that is being carried out. */
struct task {
    struct mrc_loop *loop;
    const struct loop_hub *hub;
    const struct mrc_order *order;
    struct mrc_stream *only; /* NULL: it is for all streams of the hub */
};

static void obey(void *ctx, struct mrc_stream *stream)
{
    const struct task *task = ctx;

    if (stream->state != MRC_STREAM_ENDING &&
        mrc_subscriber_get_hub(stream->subscriber) == task->hub->hub &&
        mrc_subscriber_obeys(stream->subscriber, task->order))
        end(task->loop, stream, mrc_order_end(task->order));
}

/* An order that the handles do not cover is rare, so it may look at each stream. */
static void carry_out(void *ctx, const struct mrc_order *order)
{
    struct task *task = ctx;
    struct mrc_handles *handles = task->hub->handles;

    task->order = order;
    if (task->only) {
        obey(task, task->only);
        return;
    }
    if (handles && mrc_handles_find(handles, order, obey, task))
        return;
    for (struct mrc_stream *stream = task->loop->all; stream; stream = stream->all_next)
        obey(task, stream);
}

/* Ends the streams for which some orders are lost. */
static void end_uncertain(const struct task *task)
{
    static const struct mrc_order everything = {.kind = MRC_ORDER_DISCONNECT,
                                                .issued_before_us = INT64_MAX};

    carry_out((void *)(uintptr_t)task, &everything);
}

static void take_orders_of(struct mrc_loop *loop, struct loop_hub *hub)
{
    const struct mrc_ring *ring = mrc_hub_ring(hub->hub);
    uint64_t mark = mrc_ring_control(ring);
    struct task task = {.loop = loop, .hub = hub};

    if (mark == hub->seen)
        return;
    if (mrc_orders_read(ring, hub->seen, mark, carry_out, &task) != APR_SUCCESS)
        end_uncertain(&task);
    hub->seen = mark;
    if (hub->pages)
        mrc_pages_set_orders(hub->pages, mark);
}

static void take_orders(struct mrc_loop *loop)
{
    for (struct loop_hub *hub = loop->hubs; hub; hub = hub->next)
        take_orders_of(loop, hub);
}

/*
 * Prepares STREAM, which is new, for orders, and carries out those that were given since its
 * subscriber was opened. False: out of memory.
 */
static bool take_old_orders(struct mrc_loop *loop, struct mrc_stream *stream)
{
    struct loop_hub *hub = hub_of(loop, stream);
    struct task task = {.loop = loop, .hub = hub, .only = stream};

    if (mrc_hub_get_spec(hub->hub)->is_controlled) {
        if (!hub->handles)
            hub->handles = mrc_handles_create(loop->key);
        if (!hub->handles || mrc_handles_add(hub->handles, stream) != APR_SUCCESS)
            return false;
    }
    if (mrc_orders_read(mrc_hub_ring(hub->hub), mrc_subscriber_get_opened(stream->subscriber),
                        hub->seen, carry_out, &task) != APR_SUCCESS)
        end_uncertain(&task);
    if (stream->state != MRC_STREAM_ENDING &&
        mrc_revocation_has(hub->hub, mrc_subscriber_get_token(stream->subscriber), apr_time_now()))
        end(loop, stream, MRC_END_REVOKED);
    return true;
}

/* ---- new streams ------------------------------------------------------------------------------*/

/* Watches the socket of STREAM, and reads what came before. */
static bool watch_stream(struct mrc_loop *loop, struct mrc_stream *stream, enum mrc_end *ret_end)
{
    uint32_t input = stream->carrier->ops->read ? EPOLLIN : 0;

    *ret_end = MRC_END_ERROR;
    if (stream->carrier->fd < 0) /* it is part of a session */
        return true;
    if (watch(loop, &stream->source, stream->carrier->fd, take_socket,
              EPOLLOUT | EPOLLRDHUP | EPOLLET | input) != APR_SUCCESS)
        return false;
    *ret_end = MRC_END_CLIENT;
    return read_input(stream);
}

static void adopt_one(struct mrc_loop *loop, struct mrc_stream *stream)
{
    enum mrc_end why;

    stream->carrier->thread = loop->thread;
    remember(loop, stream);
    mrc_stream_follow_clock(stream, loop->ahead_us); /* it may have begun before the last step */
    if (!share_pages(loop, stream) || !take_old_orders(loop, stream))
        end(loop, stream, MRC_END_ERROR);
    else if (!watch_stream(loop, stream, &why))
        end(loop, stream, why);
    else if (loop->drained != MRC_LOOP_DRAIN_NOT)
        end(loop, stream, MRC_END_DRAINING);
    else if (stream->state != MRC_STREAM_ENDING)
        make_ready(loop, stream);
}

/* Takes the streams that were posted. LAST: none can be posted from now on. */
static void adopt(struct mrc_loop *loop, bool last)
{
    struct mrc_list posted =
        last ? mrc_mailbox_close(&loop->posted) : mrc_mailbox_take(&loop->posted);
    struct mrc_stream *stream;

    /* From here on, every order that the loop has not carried out is newer than the new streams. */
    if (posted.first)
        take_orders(loop);
    while ((stream = take_stream(&posted)))
        adopt_one(loop, stream);
}

/* ---- time and end -----------------------------------------------------------------------------*/

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
            make_ready(loop, stream);
        else if (stream->state == MRC_STREAM_ENDING)
            retire(loop, stream);
        else
            set_timer(loop, stream);
    }
}

static uint32_t random_below(uint32_t bound)
{
    uint32_t random = 0;

    apr_generate_random_bytes((unsigned char *)&random, sizeof(random));
    return random % bound;
}

/* Ends a stream that has ended for its client, once. False: it was done before. */
static bool finish_one(const struct mrc_loop *loop, struct mrc_stream *stream)
{
    bool may_return = stream->end == MRC_END_DRAINING || stream->end == MRC_END_DISCONNECTED ||
                      stream->end == MRC_END_OVERRUN;
    struct mrc_event *farewell = may_return ? loop->farewells[random_below(FAREWELLS)] : NULL;

    return mrc_stream_finish(stream, farewell);
}

/* Closes one stream that has ended. False: its carrier may not be closed yet. */
static bool close_one(struct mrc_loop *loop, struct mrc_stream *stream, int64_t now_us, bool force)
{
    if (!force && !stream->carrier->ops->may_close(stream->carrier, now_us))
        return false;
    if (stream->carrier->fd >= 0)
        epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, stream->carrier->fd, NULL);
    forget(loop, stream);
    mrc_stream_close(stream);
    atomic_fetch_sub(&loop->count, 1);
    return true;
}

/*
 * Finishes and closes some of the streams that have ended. True: there are more, which may be
 * finished or closed now.
 */
static bool close_ended(struct mrc_loop *loop, bool force)
{
    struct mrc_list later = {NULL, NULL};
    struct mrc_stream *stream;
    bool has_gone_on = false, more;
    int64_t now_us;

    if (!loop->ended.first)
        return false;
    now_us = mrc_clock_us();
    for (int i = 0; i < CLOSES_PER_TURN && (stream = take_stream(&loop->ended)); i++) {
        bool lingers = !force && mrc_stream_lingers(stream, now_us);
        bool has_finished = !lingers && finish_one(loop, stream);
        bool has_closed = !lingers && close_one(loop, stream, now_us, force);

        has_gone_on = has_gone_on || has_finished || has_closed;
        if (!has_closed)
            mrc_list_append(&later, &stream->link);
    }
    more = has_gone_on && loop->ended.first;
    mrc_list_append_all(&loop->ended, &later);
    return more;
}

static void drain_one(struct mrc_loop *loop, struct mrc_stream *stream, int64_t now_us,
                      bool graceful)
{
    if (!graceful) {
        end(loop, stream, MRC_END_DRAINING);
        return;
    }
    if (stream->state == MRC_STREAM_ENDING)
        return; /* a timer would outlive it */
    if (stream->ends_us < now_us + MRC_LOOP_DRAIN_US)
        return;
    stream->ends_us = now_us + (int64_t)random_below((uint32_t)MRC_LOOP_DRAIN_US);
    stream->ends_why = MRC_END_DRAINING;
    set_timer(loop, stream);
}

static void drain_all(struct mrc_loop *loop, enum mrc_loop_drain drain)
{
    int64_t now_us = mrc_clock_us();

    loop->drained = drain;
    for (struct mrc_stream *stream = loop->all; stream; stream = stream->all_next)
        drain_one(loop, stream, now_us, drain == MRC_LOOP_DRAIN_GRACEFULLY);
    mrc_sessions_drain(&loop->sessions, drain == MRC_LOOP_DRAIN_GRACEFULLY);
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
        set_timer(loop, stream);
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

    wait_for_events(loop, wait_ms(loop, *busy));
    follow_clock(loop);
    mrc_sessions_run_calls(&loop->sessions, false);
    adopt(loop, false);
    drain = (enum mrc_loop_drain)atomic_load(&loop->draining);
    if (drain != loop->drained)
        drain_all(loop, drain);
    expire_timers(loop);
    mrc_sessions_expire(&loop->sessions, mrc_clock_us());
    collect_readings(loop);
    forget_pages(loop);
    take_orders(loop); /* before the updates after them are written */
    work_ready(loop);
    *busy = mrc_feed_pull(loop->feed);
    if (close_ended(loop, false))
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
        end(loop, stream, MRC_END_DRAINING);
    collect_readings(loop);
    while (has_work(loop))
        work_ready(loop);
    while (loop->ended.first)
        close_ended(loop, true);
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
    take_orders(loop);
    adopt_one(loop, stream);
}

void mrc_loop_stream_blocked(struct mrc_loop *loop, struct mrc_stream *stream)
{
    if (stream->state == MRC_STREAM_ENDING || stream->pending)
        return;
    mrc_stream_block(stream, mrc_clock_us());
    set_timer(loop, stream);
}

void mrc_loop_stream_writable(struct mrc_loop *loop, struct mrc_stream *stream)
{
    write_more(loop, stream);
}

void mrc_loop_stream_gone(struct mrc_loop *loop, struct mrc_stream *stream)
{
    end(loop, stream, MRC_END_CLIENT);
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
    for (unsigned i = 0; i < FAREWELLS; i++) {
        loop->farewells[i] = mrc_event_create_retry(RETRY_MIN_MS + i * RETRY_SPREAD_MS / FAREWELLS);
        if (!loop->farewells[i])
            return APR_ENOMEM;
    }
    return loop->heartbeat ? APR_SUCCESS : APR_ENOMEM;
}

static apr_status_t open_descriptors(apr_pool_t *pool, struct mrc_loop *loop)
{
    apr_status_t status;

    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (loop->epoll_fd < 0)
        return APR_FROM_OS_ERROR(errno);
    status = mrc_wake_open(&loop->wake, pool);
    if (status == APR_SUCCESS)
        status = watch(loop, &loop->wake_source, loop->wake.fd, take_wake, EPOLLIN | EPOLLET);
    if (status == APR_SUCCESS && loop->args.notify_fd >= 0)
        status =
            watch(loop, &loop->notify_source, loop->args.notify_fd, take_notification, EPOLLIN);
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
    loop->by_index = apr_pcalloc(pool, sizeof(struct loop_hub *) * (args->hubs_count + 1));
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
    while (loop->hubs) {
        struct loop_hub *hub = loop->hubs;

        loop->hubs = hub->next;
        mrc_pages_free(hub->pages);
        mrc_handles_free(hub->handles);
        free(hub);
    }
    mrc_answers_close(loop->answers);
    mrc_feed_close(loop->feed);
    mrc_sessions_free(&loop->sessions);
    mrc_event_unref(loop->heartbeat);
    for (unsigned i = 0; i < FAREWELLS; i++)
        mrc_event_unref(loop->farewells[i]);
    if (loop->epoll_fd >= 0)
        close(loop->epoll_fd);
    /* The mailbox and its wake-up stay, because a stream may be posted too late. */
}
