/*
 * A source of events: the owner of a descriptor that a dispatcher loop watches, and what the loop
 * calls when something happens to the descriptor. It is embedded in its owner, and stays in place
 * while the descriptor is watched.
 */
#ifndef MRC_HUB_STREAM_SOURCE_H
#define MRC_HUB_STREAM_SOURCE_H

#include <stdint.h>

struct mrc_loop;
struct mrc_source;

/* EVENTS are those of epoll(7). In the thread of LOOP. */
typedef void mrc_source_fn(struct mrc_source *source, struct mrc_loop *loop, uint32_t events);

/* The owner knows the descriptor: there are as many sources as streams. */
struct mrc_source {
    mrc_source_fn *on_events;
};

#endif
