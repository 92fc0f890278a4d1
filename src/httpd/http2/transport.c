#include "httpd/http2/transport.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

/*
 * The kernel takes at most this many bytes that it cannot send yet. With more, an event would wait
 * behind a download that is in the kernel already, and could not be sent before it any more.
 */
#define UNSENT_BYTES_MAX (128 * 1024)

void mrc_http2_transport_init(struct mrc_http2_transport *transport, int fd)
{
    int unsent = UNSENT_BYTES_MAX, on = 1;

    transport->fd = fd;
    /* The session works without them, so errors are ignored. */
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, sizeof(unsent));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

static bool has_no_error(ssize_t count)
{
    return count >= 0 || errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
}

bool mrc_http2_transport_read(struct mrc_http2_transport *transport, char *bytes, size_t max,
                              size_t *ret_len)
{
    ssize_t count = recv(transport->fd, bytes, max, MSG_DONTWAIT);

    *ret_len = count > 0 ? (size_t)count : 0;
    return count != 0 && has_no_error(count);
}

bool mrc_http2_transport_write(struct mrc_http2_transport *transport, const char *bytes, size_t len,
                               size_t *ret_written)
{
    size_t written = 0;
    ssize_t count = 0;

    while (written < len) {
        count = send(transport->fd, bytes + written, len - written, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            break;
        written += (size_t)count;
    }
    *ret_written = written;
    return has_no_error(count);
}

void mrc_http2_transport_end(struct mrc_http2_transport *transport)
{
    shutdown(transport->fd, SHUT_WR);
}
