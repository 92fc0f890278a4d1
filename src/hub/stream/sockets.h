/*
 * What the kernel reports to a loop: that a client accepts bytes, has sent something or is gone,
 * and that the loop is woken.
 *
 * All functions are for the thread of the loop.
 */
#ifndef MRC_HUB_STREAM_SOCKETS_H
#define MRC_HUB_STREAM_SOCKETS_H

#include <stdbool.h>
#include <stdint.h>

#include "apr_errno.h"

#include "hub/stream/source.h"
#include "hub/subscriber/subscriber.h"

struct mrc_loop;
struct mrc_stream;

/* Makes the loop call ON_EVENTS with SOURCE at EVENTS of epoll(7) for FD. */
apr_status_t mrc_sockets_watch(struct mrc_loop *loop, struct mrc_source *source, int fd,
                               mrc_source_fn *on_events, uint32_t events);

/* Watches the socket of STREAM, and reads what came before. False: the stream has to end, for the
 * reason RET_END. */
bool mrc_sockets_watch_stream(struct mrc_loop *loop, struct mrc_stream *stream,
                              enum mrc_end *ret_end);

/* The carrier of STREAM accepts bytes again. */
void mrc_sockets_write_more(struct mrc_loop *loop, struct mrc_stream *stream);

/* Waits for events, at most TIMEOUT_MS, and handles them. */
void mrc_sockets_wait(struct mrc_loop *loop, int timeout_ms);

#endif
