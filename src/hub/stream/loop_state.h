/*
 * The state of a loop, shared by its files (loop.h): loop, loop_hub, sockets and ending.
 *
 * All functions are for the thread of the loop.
 */
#ifndef MRC_HUB_STREAM_LOOP_STATE_H
#define MRC_HUB_STREAM_LOOP_STATE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "apr_thread_proc.h"

#include "hub/base/list.h"
#include "hub/base/mailbox.h"
#include "hub/base/wake.h"
#include "hub/base/wheel.h"
#include "hub/stream/loop_args.h"
#include "hub/stream/sessions.h"
#include "hub/stream/shares.h"
#include "hub/stream/source.h"
#include "hub/stream/stream.h"

struct mrc_answers;
struct mrc_event;
struct mrc_feed;
struct mrc_handles;
struct mrc_pages;

#define MRC_LOOP_FAREWELLS 16 /* different reconnection times */

/* What a loop keeps of one hub, from the first stream of the hub on. */
struct mrc_loop_hub {
    struct mrc_loop_hub *next;
    struct mrc_hub *hub;
    uint64_t seen; /* the mark of the newest order that was carried out (hub/control/orders.h) */
    struct mrc_handles *handles; /* NULL: not needed yet, or no operator controls the hub */
    struct mrc_pages *pages;     /* NULL: there was no memory for them */
    struct mrc_share ready, replaying;
};

struct mrc_loop {
    struct mrc_loop_args args;
    apr_thread_t *thread;
    struct mrc_loop_hub **by_index; /* by the index of the hub; NULL: it has had no stream here */
    struct mrc_loop_hub *hubs;      /* those that have had one */
    int64_t replayed_us;            /* when a stream last replayed */
    int64_t ahead_us; /* mrc_clock_ahead_us() after the last step of the time of day */
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
    struct mrc_event *farewells[MRC_LOOP_FAREWELLS];
    enum mrc_loop_drain drained; /* the last drain that it has carried out */

    /* Other threads write these. */
    atomic_int draining; /* enum mrc_loop_drain */
    atomic_bool stopping;
    atomic_uint count;         /* of streams, including those that are posted */
    struct mrc_mailbox posted; /* streams */
};

/* The first stream of LIST, which it leaves. NULL: the list is empty. */
static inline struct mrc_stream *mrc_loop_take_stream(struct mrc_list *list)
{
    return (struct mrc_stream *)mrc_list_take(list);
}

/* What the loop has of the hub of STREAM; NULL: out of memory when the stream came. */
static inline struct mrc_loop_hub *mrc_loop_hub_of(const struct mrc_loop *loop,
                                                   const struct mrc_stream *stream)
{
    return loop->by_index[stream->hub_index];
}

/* Puts STREAM into "ready" or "replaying", unless it is in a list of streams that work or read. */
static inline void mrc_loop_make_ready(struct mrc_loop *loop, struct mrc_stream *stream)
{
    struct mrc_loop_hub *hub = mrc_loop_hub_of(loop, stream);

    if (stream->is_ready)
        return;
    stream->is_ready = true;
    if (stream->state == MRC_STREAM_REPLAY)
        mrc_shares_add(&loop->replaying, &hub->replaying, &stream->link);
    else
        mrc_shares_add(&loop->ready, &hub->ready, &stream->link);
}

/* Sets the timer of STREAM to the time at which it is due. A timer that fires earlier stays. */
static inline void mrc_loop_set_timer(struct mrc_loop *loop, struct mrc_stream *stream)
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

#endif
