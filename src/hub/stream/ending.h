/*
 * How a stream leaves its loop: it ends, its client gets the end of the response, and its carrier
 * is closed.
 *
 * All functions are for the thread of the loop.
 */
#ifndef MRC_HUB_STREAM_ENDING_H
#define MRC_HUB_STREAM_ENDING_H

#include <stdbool.h>

#include "hub/stream/loop_args.h"
#include "hub/subscriber/subscriber.h"

struct mrc_loop;
struct mrc_stream;

/*
 * Takes a stream in ENDING out of the feed, clears its timer and gives back its seat in the hub,
 * because its carrier may be closed only later. If the stream is in a list of ready streams, this
 * is called again when it is taken from that list.
 */
void mrc_ending_retire(struct mrc_loop *loop, struct mrc_stream *stream);

/* Ends STREAM, unless it has ended. */
void mrc_ending_begin(struct mrc_loop *loop, struct mrc_stream *stream, enum mrc_end why);

/*
 * Finishes and closes some of the streams that have ended. True: there are more, which may be
 * finished or closed now. FORCE: closes them although their carriers may not be closed yet.
 */
bool mrc_ending_close(struct mrc_loop *loop, bool force);

/* Ends all streams and sessions in the way of DRAIN, and those that come later. */
void mrc_ending_drain(struct mrc_loop *loop, enum mrc_loop_drain drain);

#endif
