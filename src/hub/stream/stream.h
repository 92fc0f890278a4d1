/* clang-format off */
/*
 * A stream of a dispatcher loop: a subscriber, the carrier to its client, and the queue between
 * them.
 *
 *     posted             all that it missed is written
 *     ------> REPLAY -----------------------------------> LIVE
 *               |  ^                                        |
 *               |  +----------------------------------------+
 *               |       the ring has overwritten updates    |
 *               |       that it has not got, and the        |
 *               |       history has them                    |
 *               |                                           |
 *               +-----> ENDING <----------------------------+
 *                         |          for any enum mrc_end
 *                         v
 *                   closed and freed
 *
 *     subscriber --replay or feed--> queue of shared events --write--> carrier --> client
 *
 * In REPLAY the ring is the backlog: the subscriber reads no more while the carrier is pending. In
 * LIVE the feed pushes events into the queue. If an event does not fit into the backlog while the
 * carrier is pending, the stream ends, but never because of a single large event.
 *
 * All functions are for the thread of the loop that has the stream.
 */
/* clang-format on */
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
struct mrc_hub_limits;
struct mrc_handle;
struct mrc_subscriber;

enum mrc_stream_state { MRC_STREAM_REPLAY, MRC_STREAM_LIVE, MRC_STREAM_ENDING };

/* The next step of the loop for a stream that has worked. */
enum mrc_stream_work {
    MRC_STREAM_IDLE,      /* none: everything is written, or the stream waits for the client */
    MRC_STREAM_BUSY,      /* let the stream work again, after the other streams */
    MRC_STREAM_READING,   /* wait until its page is read: until the subscriber is not reading */
    MRC_STREAM_CAUGHT_UP, /* add the stream to the feed: it is LIVE now */
    MRC_STREAM_ENDED      /* close the stream; stream->end says why it has ended */
};

#define MRC_STREAM_INLINE_EVENTS 2

/* An ended stream waits this long for its client to accept bytes: less than a stopping loop waits
 * for its carriers. */
#define MRC_STREAM_LINGER_US ((int64_t)1000 * 1000)

/* There are as many streams as subscribers, and most of them are idle, so a stream is small
 * (tests/unit/hub/stream/test_footprint.c). */
struct mrc_stream {
    struct mrc_list_link link;         /* in one list of the loop */
    struct mrc_subscriber *subscriber; /* NULL after mrc_stream_leave() */
    struct mrc_carrier *carrier;

    union {                                              /* the queue: a reference to each event */
        struct mrc_event *few[MRC_STREAM_INLINE_EVENTS]; /* while CAP is MRC_STREAM_INLINE_EVENTS */
        struct mrc_event **many;                         /* malloc()ed */
    };
    uint32_t first, count, cap; /* of the queue */
    union {
        uint32_t unsent_bytes; /* while pending: bytes in the kernel for the client at SINCE_US */
        uint32_t watched_ms;   /* while watched: since when; the low bits of the time */
    };
    size_t offset;       /* bytes of the first event that the carrier has taken */
    size_t queued_bytes; /* of all events in the queue */

    int64_t since_us; /* while pending: when the client last accepted bytes; otherwise: when the
                         carrier last got bytes */
    int64_t ends_us;  /* when the stream ends at the latest; in ENDING: when it stops lingering; 0:
                         it has not lingered yet */

    /* Only for the loop and the feed. */
    struct mrc_source source; /* of the carrier's descriptor */
    struct mrc_listener listener;
    struct mrc_timer timer;
    struct mrc_stream *all_prev, *all_next;
    struct mrc_handle *handle; /* handles.h; NULL: none */
    uint32_t hub_index;        /* of the hub in its child; the subscriber need not be read for it */

    enum mrc_stream_state state : 4;
    enum mrc_carrier_kind kind : 4;
    enum mrc_end end : 8;      /* in ENDING: why */
    enum mrc_end ends_why : 8; /* the reason for ENDS_US */
    bool pending;              /* the carrier holds bytes that the client has not accepted */
    bool is_watched;           /* not pending, and the client has to acknowledge bytes */
    bool is_ready;             /* in a list of streams that work or read */
    bool is_listening;         /* in the feed */
    bool is_finished;          /* in ENDING: mrc_stream_finish() was called */
    uint8_t lane;              /* of the feed, while it listens */
};

/*
 * Since when to watch a client that has acknowledged nothing for SILENCE_US and has bytes to
 * acknowledge at NOW_US: NOW_US, or when a heartbeat after its last acknowledgement was due, if
 * that is earlier.
 */
int64_t mrc_stream_watch_us(const struct mrc_hub_limits *limits, int64_t silence_us,
                            int64_t now_us);

/*
 * For a STREAM that will work soon: fetch it into the processor's cache (hub/base/prefetch.h), then
 * the memory that it points to, then the memory that its carrier points to. Call each function when
 * the memory of the one before has arrived.
 */
void mrc_stream_fetch(const struct mrc_stream *stream);
void mrc_stream_fetch_parts(const struct mrc_stream *stream);
void mrc_stream_fetch_carrier(const struct mrc_stream *stream);

/*
 * Makes a stream in REPLAY, which takes over SUBSCRIBER and CARRIER. All times here are of
 * store/base/clock.h. NULL: out of memory; the caller still owns both.
 */
struct mrc_stream *mrc_stream_create(struct mrc_subscriber *subscriber, struct mrc_carrier *carrier,
                                     int64_t now_us);

/* Frees a stream that was never posted, and closes its subscriber, but not its carrier. */
void mrc_stream_discard(struct mrc_stream *stream, enum mrc_end end);

/*
 * Adds EVENT to the queue, which takes a reference. False: the stream has ended, because it is
 * pending and its backlog is full, or because memory ran out.
 */
bool mrc_stream_push(struct mrc_stream *stream, struct mrc_event *event);

/*
 * Moves a stream in LIVE back to REPLAY, because the ring has overwritten records that it has not
 * received, from number NEXT on. False: the history does not have them either, and the stream has
 * ended.
 */
bool mrc_stream_fall_back(struct mrc_stream *stream, uint64_t next);

/* Writes a part of what the client has not received yet. */
enum mrc_stream_work mrc_stream_work(struct mrc_stream *stream, int64_t now_us);

/* Sends the bytes that the carrier holds, because its descriptor is writable. False: the stream has
 * ended. */
bool mrc_stream_flush(struct mrc_stream *stream, int64_t now_us);

/* The carrier still holds bytes that it has reported as sent, so STREAM is pending. */
void mrc_stream_block(struct mrc_stream *stream, int64_t now_us);

/* When mrc_stream_tick() has to be called next; INT64_MAX: never. */
int64_t mrc_stream_due_us(const struct mrc_stream *stream);

/*
 * The time of day is AHEAD_US ahead of store/base/clock.h. If it was set, the token may expire
 * earlier than it seemed, and the next tick is due earlier.
 */
void mrc_stream_follow_clock(struct mrc_stream *stream, int64_t ahead_us);

/*
 * Ends a stream whose time is up, or whose client accepts or acknowledges nothing. If it has been
 * silent too long, adds its position to a stream whose client wants positions, and HEARTBEAT to
 * others. NEXT is the number in the history of the first record that is not in the queue; 0:
 * unknown. True: there is something to write.
 */
bool mrc_stream_tick(struct mrc_stream *stream, struct mrc_event *heartbeat, uint64_t next,
                     int64_t now_us);

/* Moves the stream to ENDING. If it is there already, the first reason stays. */
void mrc_stream_end(struct mrc_stream *stream, enum mrc_end end);

/*
 * Closes the subscriber of a stream in ENDING, which frees its seat in the hub, while the carrier
 * cannot be closed yet. Only mrc_stream_finish() and mrc_stream_close() may follow.
 */
void mrc_stream_leave(struct mrc_stream *stream);

/*
 * Whether a stream in ENDING has to wait for its client, at most MRC_STREAM_LINGER_US: the carrier
 * holds bytes of a write that it has begun, and without them the response would break off. Sends
 * more of them. Only a stream that ends for a reason that is neither the client's fault nor urgent
 * lingers.
 */
bool mrc_stream_lingers(struct mrc_stream *stream, int64_t now_us);

/*
 * Ends the response of a stream in ENDING, while the carrier cannot be closed yet: writes FAREWELL,
 * which may be NULL, and the end of the response, if nothing is pending. Returns false, and does
 * nothing, if it was called before.
 */
bool mrc_stream_finish(struct mrc_stream *stream, struct mrc_event *farewell);

/* Closes the carrier and the subscriber of a stream in ENDING, and frees the stream. */
void mrc_stream_close(struct mrc_stream *stream);

#endif
