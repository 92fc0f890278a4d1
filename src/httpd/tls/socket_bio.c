#include "httpd/tls/socket_bio.h"

#include <errno.h>
#include <openssl/bio.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

/* A flag that OpenSSL leaves to each kind of BIO. */
#define FLAG_MORE 0x100

static int fd_of(BIO *bio)
{
    return (int)(intptr_t)BIO_get_data(bio);
}

static bool may_try_again(ssize_t count)
{
    return count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR);
}

/* OpenSSL gives the length of a record at most. */
static int write_socket(BIO *bio, const char *bytes, int len)
{
    int more = BIO_test_flags(bio, FLAG_MORE) ? MSG_MORE : 0;
    ssize_t count = send(fd_of(bio), bytes, (size_t)len, MSG_DONTWAIT | MSG_NOSIGNAL | more);

    BIO_clear_retry_flags(bio);
    if (may_try_again(count))
        BIO_set_retry_write(bio);
    return (int)count;
}

static int read_socket(BIO *bio, char *bytes, int size)
{
    ssize_t count = recv(fd_of(bio), bytes, (size_t)size, MSG_DONTWAIT);

    BIO_clear_retry_flags(bio);
    if (may_try_again(count))
        BIO_set_retry_read(bio);
    return (int)count;
}

/* Nothing is buffered, so there is nothing to flush. */
static long control(BIO *bio, int command, long number, void *data)
{
    return command == BIO_CTRL_FLUSH;
}

static apr_status_t free_method(void *method)
{
    BIO_meth_free(method);
    return APR_SUCCESS;
}

const BIO_METHOD *mrc_socket_bio_method(apr_pool_t *pool)
{
    BIO_METHOD *method =
        BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "client's socket");

    if (!method)
        return NULL;
    apr_pool_cleanup_register(pool, method, free_method, apr_pool_cleanup_null);
    if (BIO_meth_set_write(method, write_socket) && BIO_meth_set_read(method, read_socket) &&
        BIO_meth_set_ctrl(method, control))
        return method;
    return NULL;
}

void mrc_socket_bio_expect_more(SSL *ssl, bool more)
{
    BIO *bio = SSL_get_wbio(ssl);

    if (more)
        BIO_set_flags(bio, FLAG_MORE);
    else
        BIO_clear_flags(bio, FLAG_MORE);
}

BIO *mrc_socket_bio_create(const BIO_METHOD *method, int fd)
{
    BIO *bio = BIO_new(method);

    if (!bio)
        return NULL;
    BIO_set_data(bio, (void *)(intptr_t)fd);
    BIO_set_init(bio, 1);
    return bio;
}
