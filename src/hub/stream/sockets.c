#include "hub/stream/sockets.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "hub/stream/carrier.h"
#include "hub/stream/ending.h"
#include "hub/stream/loop_state.h"
#include "store/base/clock.h"

#define EPOLL_EVENTS 512

apr_status_t mrc_sockets_watch(struct mrc_loop *loop, struct mrc_source *source, int fd,
                               mrc_source_fn *on_events, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = source};

    source->on_events = on_events;
    return epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0 ? APR_FROM_OS_ERROR(errno)
                                                                    : APR_SUCCESS;
}

void mrc_sockets_write_more(struct mrc_loop *loop, struct mrc_stream *stream)
{
    if (stream->state == MRC_STREAM_ENDING || !stream->pending)
        return;
    if (mrc_stream_flush(stream, mrc_clock_us()))
        mrc_loop_make_ready(loop, stream);
    else
        mrc_ending_retire(loop, stream);
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
        mrc_ending_begin(loop, stream, find_reason(stream->carrier->fd, events));
    else if ((events & EPOLLIN) && !read_input(stream))
        mrc_ending_begin(loop, stream, MRC_END_CLIENT);
    else if (events & EPOLLOUT)
        mrc_sockets_write_more(loop, stream);
}

bool mrc_sockets_watch_stream(struct mrc_loop *loop, struct mrc_stream *stream,
                              enum mrc_end *ret_end)
{
    uint32_t input = stream->carrier->ops->read ? EPOLLIN : 0;

    *ret_end = MRC_END_ERROR;
    if (stream->carrier->fd < 0) /* it is part of a session */
        return true;
    if (mrc_sockets_watch(loop, &stream->source, stream->carrier->fd, take_socket,
                          EPOLLOUT | EPOLLRDHUP | EPOLLET | input) != APR_SUCCESS)
        return false;
    *ret_end = MRC_END_CLIENT;
    return read_input(stream);
}

void mrc_sockets_wait(struct mrc_loop *loop, int timeout_ms)
{
    struct epoll_event events[EPOLL_EVENTS];
    int count = epoll_wait(loop->epoll_fd, events, EPOLL_EVENTS, timeout_ms);

    for (int i = 0; i < count; i++) {
        struct mrc_source *source = events[i].data.ptr;

        source->on_events(source, loop, events[i].events);
    }
}
