/*
 * A stream in the dispatcher: a subscriber, the carrier to its client, and what waits in between.
 *
 *     posted                all that was missed is written              ended, for whatever reason
 *     ------> REPLAY --------------------------------------> LIVE -------------------------->
 * ENDING |                                                                               |
 *                +-------------------------------------------------------------------------------+
 *                                                                   closed and freed
 *
 * A stream in LIVE goes back to REPLAY when the ring has gone over what it has not got yet, and the
 * history has it still.
 *
 * In REPLAY the ring is the backlog: nothing more is read while the carrier is pending. In LIVE the
 * dispatcher pushes shared events into the queue; what does not fit into the backlog while the
 * carrier is pending ends the stream, but never because of one update alone.
 *
 * Everything here is for the thread of the dispatcher that has the stream.
 */
#ifndef MRC_HUB_STREAM_STREAM_H
#define MRC_HUB_STREAM_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "apr_errno.h"

#include "hub/base/list.h"
#include "hub/base/wheel.h"
#include "hub/index/index.h"
#include "hub/stream/carrier.h"
#include "hub/stream/source.h"

struct mrc_event;
struct mrc_subscriber;

enum mrc_stream_state { MRC_STREAM_REPLAY, MRC_STREAM_LIVE, MRC_STREAM_ENDING };

/* What the dispatcher has to do next with a stream that has worked. */
enum mrc_stream_work {
    MRC_STREAM_IDLE,    /* nothing: all is written, or it waits for the client */
    MRC_STREAM_BUSY,    /* let it work again, after the others */
    MRC_STREAM_READING, /* what it needs is being read: wait until the subscriber is not reading */
    MRC_STREAM_CAUGHT_UP, /* it has become LIVE: put it into the index */
    MRC_STREAM_ENDED      /* it has ended, stream->end says why */
};

#define MRC_STREAM_INLINE_EVENTS 2

/* There are as many as subscribers, and most of them idle: what is small is kept small. */
struct mrc_stream {
    struct mrc_link link;              /* in the list of those posted, ready or ended */
    struct mrc_subscriber *subscriber; /* NULL once it has left */
    struct mrc_carrier *carrier;

    union {                                              /* the queue: a reference to each event */
        struct mrc_event *few[MRC_STREAM_INLINE_EVENTS]; /* while CAP is MRC_STREAM_INLINE_EVENTS */
        struct mrc_event **many;                         /* malloc()ed */
    };
    uint32_t first, count, cap; /* in queue */
    uint32_t unsent_bytes;      /* while pending: what the kernel held for the client at SINCE_US */
    size_t offset;              /* what of the first event the carrier has got */
    size_t queued_bytes;        /* of all events in the queue */

    int64_t since_us; /* when the client last took something while pending; else, when the carrier
                         last got something */
    int64_t ends_us;  /* when the stream ends at the latest */

    /* The dispatcher's own. */
    struct mrc_source source; /* the carrier's descriptor */
    struct mrc_listener listener;
    struct mrc_timer timer;
    struct mrc_stream *all_prev, *all_next;

    enum mrc_stream_state state : 8;
    enum mrc_end end : 8; /* in ENDING: why */
    enum mrc_end ends_why : 8;
    bool pending; /* the carrier holds bytes that the client has not taken */
    bool is_ready;
    bool is_listening; /* in the index */
    uint8_t lane;      /* of the feed, while it listens */
};

/*
 * STREAM will work soon: has it fetched (hub/base/prefetch.h); and, in a later turn each, when what
 * was asked for before is there, what it points to, and what its carrier does.
 */
void mrc_stream_fetch(const struct mrc_stream *stream);
void mrc_stream_fetch_parts(const struct mrc_stream *stream);
void mrc_stream_fetch_carrier(const struct mrc_stream *stream);

/*
 * A stream in REPLAY that owns SUBSCRIBER and CARRIER. All times here are of hub/base/clock.h.
 * NULL: out of memory, they stay the caller's.
 */
struct mrc_stream *mrc_stream_create(struct mrc_subscriber *subscriber, struct mrc_carrier *carrier,
                                     int64_t now_us);

/* Frees a stream that was never posted, and closes its subscriber, but not its carrier. */
void mrc_stream_discard(struct mrc_stream *stream, enum mrc_end end);

/*
 * Adds EVENT to the queue; it takes a reference of its own. False: the stream has ended, since it
 * is pending and too much waits for it already, or since memory is short.
 */
bool mrc_stream_push(struct mrc_stream *stream, struct mrc_event *event);

/*
 * A stream in LIVE that has not got the records from number NEXT on, since the ring has gone over
 * them: it is in REPLAY again. False: the history does not have them either, it has ended.
 */
bool mrc_stream_fall_back(struct mrc_stream *stream, uint64_t next);

/* Writes what is due, a slice of it. */
enum mrc_stream_work mrc_stream_work(struct mrc_stream *stream, int64_t now_us);

/* The carrier's descriptor is writable: sends what it holds. False: the stream has ended. */
bool mrc_stream_flush(struct mrc_stream *stream, int64_t now_us);

/* When mrc_stream_tick() wants to be called next; INT64_MAX: never. */
int64_t mrc_stream_due_us(const struct mrc_stream *stream);

/*
 * Looks at the clock: ends a stream whose time has come or whose client takes nothing, adds
 * HEARTBEAT to one that was silent too long. True: there is something to write.
 */
bool mrc_stream_tick(struct mrc_stream *stream, struct mrc_event *heartbeat, int64_t now_us);

/* Ends it; the first reason counts. */
void mrc_stream_end(struct mrc_stream *stream, enum mrc_end end);

/*
 * A stream in ENDING gives its subscriber up, though its carrier may not be closed yet: the place
 * in the hub is free. Only mrc_stream_close() may follow.
 */
void mrc_stream_leave(struct mrc_stream *stream);

/*
 * Closes the carrier and the subscriber of a stream in ENDING, and frees it. FAREWELL, which may be
 * NULL, is written before, if nothing is pending.
 */
void mrc_stream_close(struct mrc_stream *stream, struct mrc_event *farewell);

#endif
