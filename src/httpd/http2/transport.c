#include "httpd/http2/transport.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "store/base/clock.h"

/*
 * The kernel takes at most this many bytes that it cannot send yet. With more, an event would have
 * to wait for a download that is in the kernel already.
 */
#define UNSENT_BYTES_MAX (128 * 1024)

/* The most bytes that are kept: more than the frames of a write. TLS answers a client that changes
 * its keys, even if the client takes nothing. */
#define REST_BYTES_MAX ((size_t)1024 * 1024)

/* ---- writing ----------------------------------------------------------------------------------*/

/* Keeps the LEN bytes after those that are kept. Too many of them break the connection. */
static void keep(struct mrc_http2_transport *transport, const char *bytes, size_t len)
{
    size_t kept = transport->rest ? transport->rest_len : 0;
    char *rest;

    if (len == 0)
        return;
    rest = kept + len > REST_BYTES_MAX ? NULL : realloc(transport->rest, kept + len);
    if (!rest) {
        transport->is_broken = true;
        return;
    }
    memcpy(rest + kept, bytes, len);
    if (!transport->rest)
        transport->rest_written = 0;
    transport->rest = rest;
    transport->rest_len = kept + len;
}

/* Gives the socket the LEN bytes; returns how many it accepts. */
static size_t send_some(struct mrc_http2_transport *transport, const char *bytes, size_t len)
{
    size_t total = 0;
    ssize_t count = 1;

    while (total < len && count > 0 && !transport->is_broken) {
        count = send(transport->fd, bytes + total, len - total, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (count > 0)
            total += (size_t)count;
        else if (count < 0 && errno == EINTR)
            count = 1;
        else if (count < 0 && errno != EAGAIN && errno != EWOULDBLOCK)
            transport->is_broken = true;
    }
    if (total > 0)
        transport->wrote_us = mrc_clock_us();
    return total;
}

/* Sends the LEN bytes after all others, or keeps them. */
static void send_or_keep(struct mrc_http2_transport *transport, const char *bytes, size_t len)
{
    size_t sent = transport->rest ? 0 : send_some(transport, bytes, len);

    keep(transport, bytes + sent, len - sent);
}

static void flush_batch(struct mrc_http2_transport *transport)
{
    struct mrc_http2_batch *batch = transport->batch;

    send_or_keep(transport, batch->bytes, batch->len);
    batch->len = 0;
}

static bool take(struct mrc_ssl_output *output, const char *bytes, size_t len)
{
    struct mrc_http2_transport *transport = (struct mrc_http2_transport *)output;
    struct mrc_http2_batch *batch = transport->batch;

    if (batch && len > sizeof(batch->bytes) - batch->len)
        flush_batch(transport);
    if (batch && len <= sizeof(batch->bytes)) {
        memcpy(batch->bytes + batch->len, bytes, len);
        batch->len += len;
    } else {
        send_or_keep(transport, bytes, len);
    }
    return !transport->is_broken;
}

void mrc_http2_transport_gather(struct mrc_http2_transport *transport,
                                struct mrc_http2_batch *batch)
{
    batch->len = 0;
    transport->batch = batch;
}

bool mrc_http2_transport_write(struct mrc_http2_transport *transport, const char *bytes, size_t len)
{
    size_t written;

    if (!transport->ssl)
        return take(&transport->output, bytes, len);
    for (size_t at = 0; at < len; at += written) {
        if (mrc_ssl_write(transport->ssl, bytes + at, len - at, &written) != MRC_SSL_DONE)
            return false;
    }
    return true;
}

bool mrc_http2_transport_flush(struct mrc_http2_transport *transport)
{
    if (transport->batch)
        flush_batch(transport);
    transport->batch = NULL;
    if (transport->rest)
        transport->rest_written += send_some(transport, transport->rest + transport->rest_written,
                                             transport->rest_len - transport->rest_written);
    if (transport->rest && transport->rest_written == transport->rest_len) {
        free(transport->rest);
        transport->rest = NULL;
    }
    return !transport->is_broken;
}

/* ---- reading ----------------------------------------------------------------------------------*/

static enum mrc_ssl_result read_plain(int fd, char *bytes, size_t max, size_t *ret_len)
{
    ssize_t count = recv(fd, bytes, max, MSG_DONTWAIT);

    if (count > 0) {
        *ret_len = (size_t)count;
        return MRC_SSL_DONE;
    }
    if (count == 0)
        return MRC_SSL_CLOSED;
    return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR ? MRC_SSL_AGAIN
                                                                     : MRC_SSL_FAILED;
}

enum mrc_ssl_result mrc_http2_transport_read(struct mrc_http2_transport *transport, char *bytes,
                                             size_t max, size_t *ret_len)
{
    *ret_len = 0;
    return transport->ssl ? mrc_ssl_read(transport->ssl, bytes, max, ret_len)
                          : read_plain(transport->fd, bytes, max, ret_len);
}

bool mrc_http2_transport_has_pending(const struct mrc_http2_transport *transport)
{
    return transport->ssl && mrc_ssl_has_pending(transport->ssl);
}

/* ---- beginning and end ------------------------------------------------------------------------*/

bool mrc_http2_transport_init(struct mrc_http2_transport *transport, int fd, struct ssl_st *ssl,
                              const struct bio_method_st *method)
{
    int unsent = UNSENT_BYTES_MAX, on = 1;

    transport->output.take = take;
    transport->fd = fd;
    if (ssl && !mrc_ssl_output_begin(ssl, method, &transport->output))
        return false;
    transport->ssl = ssl;
    if (ssl)
        mrc_ssl_read_ahead(ssl);
    /* The session works without them, so errors are ignored. */
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, sizeof(unsent));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    return true;
}

void mrc_http2_transport_free(struct mrc_http2_transport *transport)
{
    if (transport->ssl)
        mrc_ssl_output_end(transport->ssl);
    free(transport->rest);
}

void mrc_http2_transport_end(struct mrc_http2_transport *transport)
{
    if (transport->ssl)
        mrc_ssl_end(transport->ssl);
    shutdown(transport->fd, SHUT_WR);
}
