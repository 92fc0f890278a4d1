#include "hub/stream/ending.h"

#include <stdatomic.h>
#include <sys/epoll.h>

#include "apr_general.h"

#include "hub/stream/answers.h"
#include "hub/stream/carrier.h"
#include "hub/stream/feed.h"
#include "hub/stream/handles.h"
#include "hub/stream/loop_state.h"
#include "store/base/clock.h"

#define CLOSES_PER_TURN 500

void mrc_ending_retire(struct mrc_loop *loop, struct mrc_stream *stream)
{
    mrc_feed_remove(loop->feed, stream);
    mrc_wheel_clear(&loop->wheel, &stream->timer);
    if (stream->handle)
        mrc_handles_remove(mrc_loop_hub_of(loop, stream)->handles, stream);
    if (stream->is_ready)
        return;
    mrc_stream_leave(stream);
    mrc_list_append(&loop->ended, &stream->link);
}

void mrc_ending_begin(struct mrc_loop *loop, struct mrc_stream *stream, enum mrc_end why)
{
    if (stream->state == MRC_STREAM_ENDING)
        return;
    mrc_stream_end(stream, why);
    mrc_ending_retire(loop, stream);
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
    struct mrc_event *farewell =
        may_return ? loop->farewells[random_below(MRC_LOOP_FAREWELLS)] : NULL;

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

bool mrc_ending_close(struct mrc_loop *loop, bool force)
{
    struct mrc_list later = {NULL, NULL};
    struct mrc_stream *stream;
    bool has_gone_on = false, more;
    int64_t now_us;

    if (!loop->ended.first)
        return false;
    now_us = mrc_clock_us();
    for (int i = 0; i < CLOSES_PER_TURN && (stream = mrc_loop_take_stream(&loop->ended)); i++) {
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
        mrc_ending_begin(loop, stream, MRC_END_DRAINING);
        return;
    }
    if (stream->state == MRC_STREAM_ENDING)
        return; /* a timer would outlive it */
    if (stream->ends_us < now_us + MRC_LOOP_DRAIN_US)
        return;
    stream->ends_us = now_us + (int64_t)random_below((uint32_t)MRC_LOOP_DRAIN_US);
    stream->ends_why = MRC_END_DRAINING;
    mrc_loop_set_timer(loop, stream);
}

void mrc_ending_drain(struct mrc_loop *loop, enum mrc_loop_drain drain)
{
    int64_t now_us = mrc_clock_us();

    loop->drained = drain;
    for (struct mrc_stream *stream = loop->all; stream; stream = stream->all_next)
        drain_one(loop, stream, now_us, drain == MRC_LOOP_DRAIN_GRACEFULLY);
    mrc_sessions_drain(&loop->sessions, drain == MRC_LOOP_DRAIN_GRACEFULLY);
}
