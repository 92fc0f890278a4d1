#include "httpd/http2/transport.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "httpd/tls/ssl.h"

/*
 * The kernel takes at most this many bytes that it cannot send yet. With more, an event would wait
 * behind a download that is in the kernel already, and could not be sent before it any more.
 */
#define UNSENT_BYTES_MAX (128 * 1024)

void mrc_http2_transport_init(struct mrc_http2_transport *transport, int fd, struct ssl_st *ssl)
{
    int unsent = UNSENT_BYTES_MAX, on = 1;

    transport->fd = fd;
    transport->ssl = ssl;
    /* The session works without them, so errors are ignored. */
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, sizeof(unsent));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

/* The result of a call that the socket could not carry out now. */
static enum mrc_ssl_result failure(ssize_t count)
{
    if (count == 0)
        return MRC_SSL_CLOSED;
    return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR ? MRC_SSL_AGAIN
                                                                     : MRC_SSL_FAILED;
}

static enum mrc_ssl_result read_plain(int fd, char *bytes, size_t max, size_t *ret_len)
{
    ssize_t count = recv(fd, bytes, max, MSG_DONTWAIT);

    if (count <= 0)
        return failure(count);
    *ret_len = (size_t)count;
    return MRC_SSL_DONE;
}

static enum mrc_ssl_result write_plain(int fd, const char *bytes, size_t len, size_t *ret_written)
{
    ssize_t count = send(fd, bytes, len, MSG_DONTWAIT | MSG_NOSIGNAL);

    if (count < 0)
        return failure(count);
    *ret_written = (size_t)count;
    return MRC_SSL_DONE;
}

bool mrc_http2_transport_read(struct mrc_http2_transport *transport, char *bytes, size_t max,
                              size_t *ret_len)
{
    enum mrc_ssl_result result;

    *ret_len = 0;
    result = transport->ssl ? mrc_ssl_read(transport->ssl, bytes, max, ret_len)
                            : read_plain(transport->fd, bytes, max, ret_len);
    return result == MRC_SSL_DONE || result == MRC_SSL_AGAIN;
}

bool mrc_http2_transport_write(struct mrc_http2_transport *transport, const char *bytes, size_t len,
                               size_t *ret_written)
{
    enum mrc_ssl_result result = MRC_SSL_DONE;
    size_t total = 0, written;

    while (total < len && result == MRC_SSL_DONE) {
        result = transport->ssl
                     ? mrc_ssl_write(transport->ssl, bytes + total, len - total, &written)
                     : write_plain(transport->fd, bytes + total, len - total, &written);
        if (result == MRC_SSL_DONE)
            total += written;
    }
    *ret_written = total;
    return result == MRC_SSL_DONE || result == MRC_SSL_AGAIN;
}

void mrc_http2_transport_end(struct mrc_http2_transport *transport)
{
    if (transport->ssl)
        mrc_ssl_end(transport->ssl);
    shutdown(transport->fd, SHUT_WR);
}
