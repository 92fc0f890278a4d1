/*
 * A source of events: the function that a dispatcher loop calls when something happens to a
 * descriptor that it watches. A source is embedded in the owner of the descriptor, and stays in
 * place while the descriptor is watched.
 */
#ifndef MRC_HUB_STREAM_SOURCE_H
#define MRC_HUB_STREAM_SOURCE_H

#include <stdint.h>

struct mrc_loop;
struct mrc_source;

/* EVENTS are those of epoll(7). Called in the thread of LOOP. */
typedef void mrc_source_fn(struct mrc_source *source, struct mrc_loop *loop, uint32_t events);

/* Without the descriptor, which the owner knows: there are as many sources as streams. */
struct mrc_source {
    mrc_source_fn *on_events;
};

#endif
