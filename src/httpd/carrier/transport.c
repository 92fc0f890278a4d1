#include "httpd/carrier/transport.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "httpd/carrier/chunk.h"
#include "httpd/carrier/client_socket.h"
#include "httpd/tls/socket_bio.h"
#include "httpd/tls/ssl.h"
#include "hub/stream/carrier.h"

/* ---- plain ------------------------------------------------------------------------------------*/

bool mrc_transport_write(int fd, const struct iovec *parts, size_t count, size_t *ret_sent)
{
    const int flags = MSG_DONTWAIT | MSG_NOSIGNAL;
    struct msghdr message = {.msg_iov = (struct iovec *)parts, .msg_iovlen = count};
    ssize_t sent;

    do /* most writes have one part, and send() costs the kernel less */
        sent = count == 1 ? send(fd, parts->iov_base, parts->iov_len, flags)
                          : sendmsg(fd, &message, flags);
    while (sent < 0 && errno == EINTR);
    if (sent < 0 && errno != EAGAIN && errno != EWOULDBLOCK)
        return false;
    *ret_sent = sent < 0 ? 0 : (size_t)sent;
    return true;
}

void mrc_transport_end(int fd)
{
    shutdown(fd, SHUT_WR);
    mrc_client_socket_drop_input(fd);
}

void mrc_transport_free(int fd)
{
    close(fd);
}

/* ---- TLS --------------------------------------------------------------------------------------*/

/* Makes the records of a write of LEN bytes large, if the socket has room for all of it. Otherwise
 * OpenSSL might hold one of them. */
static bool raise_record_bytes(struct ssl_st *ssl, int fd, size_t len)
{
    return len > MRC_TRANSPORT_RECORD_BYTES &&
           mrc_client_socket_room_bytes(fd) >= len + MRC_TRANSPORT_SPARE_BYTES &&
           mrc_ssl_raise_record_bytes(ssl, MRC_TRANSPORT_LARGE_RECORD_BYTES);
}

static bool write_bytes(struct ssl_st *ssl, int fd, const char *bytes, size_t len, size_t *ret_sent)
{
    enum mrc_ssl_result result = MRC_SSL_DONE;
    size_t sent = 0, written;
    bool is_large = false;

    while (sent < len && result == MRC_SSL_DONE) {
        if (!is_large)
            is_large = raise_record_bytes(ssl, fd, len - sent);
        if (is_large)
            mrc_socket_bio_expect_more(ssl, len - sent > MRC_TRANSPORT_LARGE_RECORD_BYTES);
        result = mrc_ssl_write(ssl, bytes + sent, len - sent, &written);
        if (result == MRC_SSL_DONE)
            sent += written;
    }
    if (is_large) {
        mrc_socket_bio_expect_more(ssl, false);
        mrc_ssl_lower_record_bytes(ssl, MRC_TRANSPORT_RECORD_BYTES);
    }
    *ret_sent = sent;
    return result == MRC_SSL_DONE || result == MRC_SSL_AGAIN;
}

/* Each record has one part at most, so several parts are copied into one. */
bool mrc_transport_tls_write(struct ssl_st *ssl, int fd, const struct iovec *parts, size_t count,
                             size_t *ret_sent)
{
    char bytes[MRC_CARRIER_WRITE_BYTES + MRC_CHUNK_FRAME_BYTES];
    size_t len = 0;

    if (count == 1)
        return write_bytes(ssl, fd, parts->iov_base, parts->iov_len, ret_sent);
    for (size_t i = 0; i < count; i++) {
        assert(parts[i].iov_len <= sizeof(bytes) - len);
        memcpy(bytes + len, parts[i].iov_base, parts[i].iov_len);
        len += parts[i].iov_len;
    }
    return write_bytes(ssl, fd, bytes, len, ret_sent);
}

bool mrc_transport_tls_read(struct ssl_st *ssl)
{
    enum mrc_ssl_result result;
    char bytes[2048];
    size_t unused;

    do
        result = mrc_ssl_read(ssl, bytes, sizeof(bytes), &unused);
    while (result == MRC_SSL_DONE && mrc_ssl_wire_in(ssl) <= MRC_TRANSPORT_INPUT_BYTES_MAX);
    return result == MRC_SSL_AGAIN;
}

void mrc_transport_tls_end(struct ssl_st *ssl, int fd)
{
    mrc_ssl_end(ssl);
    mrc_transport_end(fd);
}

void mrc_transport_tls_free(struct ssl_st *ssl, int fd)
{
    mrc_ssl_free(ssl);
    mrc_transport_free(fd);
}
