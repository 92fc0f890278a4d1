#include "httpd/tls/ssl.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#define BOTH_WAYS (SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN)

/* The result of a call that has failed and returned STATUS. */
static enum mrc_ssl_result failure(SSL *ssl, int status)
{
    switch (SSL_get_error(ssl, status)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
        return MRC_SSL_AGAIN;
    case SSL_ERROR_ZERO_RETURN:
        return MRC_SSL_CLOSED;
    default:
        ERR_clear_error();
        SSL_set_shutdown(ssl, BOTH_WAYS); /* SSL_shutdown() must not follow */
        return MRC_SSL_FAILED;
    }
}

enum mrc_ssl_result mrc_ssl_write(SSL *ssl, const char *bytes, size_t len, size_t *ret_written)
{
    size_t written;
    int status;

    ERR_clear_error();
    status = SSL_write_ex(ssl, bytes, len, &written);
    if (status <= 0)
        return failure(ssl, status);
    *ret_written = written;
    return MRC_SSL_DONE;
}

enum mrc_ssl_result mrc_ssl_read(SSL *ssl, char *bytes, size_t size, size_t *ret_read)
{
    size_t got;
    int status;

    ERR_clear_error();
    status = SSL_read_ex(ssl, bytes, size, &got);
    if (status <= 0)
        return failure(ssl, status);
    *ret_read = got;
    return MRC_SSL_DONE;
}

void mrc_ssl_end(SSL *ssl)
{
    ERR_clear_error();
    if (!(SSL_get_shutdown(ssl) & SSL_SENT_SHUTDOWN))
        SSL_shutdown(ssl);
    ERR_clear_error();
}

void mrc_ssl_free(SSL *ssl)
{
    SSL_set_shutdown(ssl, BOTH_WAYS);
    SSL_free(ssl);
    ERR_clear_error();
}

uint64_t mrc_ssl_wire_in(const SSL *ssl)
{
    return BIO_number_read(SSL_get_rbio(ssl));
}

uint64_t mrc_ssl_wire_out(const SSL *ssl)
{
    return BIO_number_written(SSL_get_wbio(ssl));
}
