/* clang-format off */
/*
 * The loop of one dispatcher thread (dispatcher.h), over the streams that were posted to it. A
 * stream stays with its loop until it ends. Its way through the lists of the loop:
 *
 *                              page is read
 *                        +-----------------------+
 *                        v                       |
 *     posted --adopt--> replaying --needs page--> reading
 *                        |   ^
 *             caught up  |   |  the ring has overwritten its updates
 *                        v   |
 *                       in the feed (feed.h) <--------------+
 *                        |                                  |  everything is written,
 *                        |  update, heartbeat,              |  or the client takes nothing
 *                        |  socket is writable              |
 *                        +------------------> ready --------+
 *
 *     from any of them --end--> ended --carrier may be closed--> closed and freed
 *
 * A stream that waits for its client is in none of these lists until its socket is writable.
 *
 * One turn:
 *
 *     wait          for a writable or broken socket, a wake-up, or the next timer
 *     calls         what other threads want the loop to do for sessions (session.h)
 *     adopt         the streams that were posted
 *     timers        heartbeats, streams whose time is up, clients that accept nothing
 *     collect       streams in "reading" whose page has arrived
 *     orders        of an operator (hub/control): ends the streams that they are for
 *     work          some streams of "ready", and some of "replaying", write what their clients have
 *                   not got yet, each in few large writes; the hubs take turns (shares.h)
 *     pull          the feed puts the next records of the ring of each hub that has no stream in
 *                   "ready" into the queues of the streams that receive them
 *     close         streams that have ended: their responses end at once, and they are closed when
 *                   their carriers allow it
 *     sessions      send what their streams have written
 *     answers       to an operator who asks for the streams (answers.h)
 *
 * Nothing in a turn blocks.
 */
/* clang-format on */
#ifndef MRC_HUB_STREAM_LOOP_H
#define MRC_HUB_STREAM_LOOP_H

#include "apr_errno.h"
#include "apr_pools.h"
#include "apr_thread_proc.h"

#include "hub/stream/loop_args.h"

struct mrc_loop;
struct mrc_sessions;
struct mrc_stream;

/*
 * The usual look_ms. No update waits for this time, because each publication wakes the children
 * that it concerns (store/regions/interests.h). The look at the rings is a precaution: if a wake-up
 * were ever lost, its update would be late instead of missing.
 */
#define MRC_LOOP_LOOK_MS 1000

/* The struct lives in POOL, which closes its wake-up. */
apr_status_t mrc_loop_open(apr_pool_t *pool, const struct mrc_loop_args *args,
                           struct mrc_loop **ret_loop);

/* Frees the contents of the loop, after its thread has ended or if it never began. Accepts NULL. */
void mrc_loop_close(struct mrc_loop *loop);

/* Runs the loop in THREAD, the calling thread, until mrc_loop_post_stop(); then ends the streams
 * that are left. */
void mrc_loop_run(struct mrc_loop *loop, apr_thread_t *thread);

/* ---- For sessions, in the loop's thread -------------------------------------------------------*/

/* Adopts STREAM at once. Its carrier has no descriptor of its own (-1): it is part of a session,
 * which reports what happens to it with the functions below. */
void mrc_loop_adopt(struct mrc_loop *loop, struct mrc_stream *stream);

/* The carrier holds bytes that it has reported as sent: it is PENDING now. */
void mrc_loop_stream_blocked(struct mrc_loop *loop, struct mrc_stream *stream);

/* The carrier accepts bytes again. */
void mrc_loop_stream_writable(struct mrc_loop *loop, struct mrc_stream *stream);

/* The client has ended the stream, or its connection is gone. */
void mrc_loop_stream_gone(struct mrc_loop *loop, struct mrc_stream *stream);

/* ---- From any thread --------------------------------------------------------------------------*/

/* Hands STREAM over. If the loop has ended, nothing happens to the stream: the process ends. */
void mrc_loop_post(struct mrc_loop *loop, struct mrc_stream *stream);

/* The number of streams, including those that are posted but not adopted yet. */
unsigned mrc_loop_post_count(const struct mrc_loop *loop);

/* The sessions of the loop; valid as long as the loop. */
struct mrc_sessions *mrc_loop_post_sessions(struct mrc_loop *loop);

/* The number of streams and sessions. */
unsigned mrc_loop_post_load(const struct mrc_loop *loop);

/*
 * These only store flags and write to a descriptor, so a signal handler may call them, too.
 *
 * wake: look at the rings. drain: end all streams, and those that are posted later. stop: end all
 * streams, at once unless a graceful drain has begun, and then the loop.
 */
void mrc_loop_post_wake(const struct mrc_loop *loop);
void mrc_loop_post_drain(struct mrc_loop *loop, enum mrc_loop_drain drain);
void mrc_loop_post_stop(struct mrc_loop *loop);

#endif
