#include "httpd/tls/ssl.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#define BOTH_WAYS (SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN)

/* Empties the thread's queue of errors. It is nearly always empty, and clearing it would write to
 * all of it. */
static void clear_errors(void)
{
    if (ERR_peek_error())
        ERR_clear_error();
}

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

    clear_errors();
    status = SSL_write_ex(ssl, bytes, len, &written);
    if (status <= 0)
        return failure(ssl, status);
    *ret_written = written;
    return MRC_SSL_DONE;
}

static uint64_t wire_bytes(const SSL *ssl)
{
    return mrc_ssl_wire_in(ssl) + mrc_ssl_wire_out(ssl);
}

static enum mrc_ssl_result read_once(SSL *ssl, char *bytes, size_t size, size_t *ret_read)
{
    int status;

    clear_errors();
    status = SSL_read_ex(ssl, bytes, size, ret_read);
    return status > 0 ? MRC_SSL_DONE : failure(ssl, status);
}

/* OpenSSL returns after each message, and once more after it has answered one, although the socket
 * may have more: it has nothing left when it does nothing twice. */
enum mrc_ssl_result mrc_ssl_read(SSL *ssl, char *bytes, size_t size, size_t *ret_read)
{
    uint64_t before = wire_bytes(ssl);
    enum mrc_ssl_result result = MRC_SSL_AGAIN;
    size_t got = 0;

    for (int turn = 0; turn < 2 && result == MRC_SSL_AGAIN; turn++) {
        result = read_once(ssl, bytes, size, &got);
        if (result == MRC_SSL_AGAIN && wire_bytes(ssl) != before)
            result = MRC_SSL_DONE;
    }
    *ret_read = got;
    return result;
}

void mrc_ssl_read_ahead(SSL *ssl)
{
    SSL_set_read_ahead(ssl, 1);
}

bool mrc_ssl_has_pending(const SSL *ssl)
{
    return SSL_has_pending(ssl);
}

/* ---- output -----------------------------------------------------------------------------------*/

static int write_output(BIO *bio, const char *bytes, size_t len, size_t *ret_written)
{
    struct mrc_ssl_output *output = BIO_get_data(bio);

    if (!output || !output->take(output, bytes, len))
        return 0;
    *ret_written = len;
    return 1;
}

/* OpenSSL flushes what it has written. Nothing else is supported. */
static long control_output(BIO *bio, int command, long number, void *data)
{
    (void)bio, (void)number, (void)data;
    return command == BIO_CTRL_FLUSH;
}

BIO_METHOD *mrc_ssl_output_method_create(void)
{
    BIO_METHOD *method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "mercure");

    if (method && BIO_meth_set_write_ex(method, write_output) &&
        BIO_meth_set_ctrl(method, control_output))
        return method;
    BIO_meth_free(method);
    return NULL;
}

void mrc_ssl_output_method_free(BIO_METHOD *method)
{
    BIO_meth_free(method);
}

bool mrc_ssl_output_begin(SSL *ssl, const BIO_METHOD *method, struct mrc_ssl_output *output)
{
    BIO *bio = BIO_new(method);

    if (!bio)
        return false;
    BIO_set_data(bio, output);
    BIO_set_init(bio, 1);
    SSL_set0_wbio(ssl, bio);
    return true;
}

void mrc_ssl_output_end(SSL *ssl)
{
    BIO_set_data(SSL_get_wbio(ssl), NULL);
}

/* ---- records ----------------------------------------------------------------------------------*/

/* A buffer that is left from an alert has the size of the records before. */
bool mrc_ssl_raise_record_bytes(SSL *ssl, size_t bytes)
{
    return SSL_free_buffers(ssl) && SSL_set_max_send_fragment(ssl, (long)bytes) &&
           SSL_set_split_send_fragment(ssl, (long)bytes);
}

void mrc_ssl_lower_record_bytes(SSL *ssl, size_t bytes)
{
    SSL_set_max_send_fragment(ssl, (long)bytes);
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
