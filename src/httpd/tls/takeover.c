#include "httpd/tls/takeover.h"

#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "apr_buckets.h"
#include "apr_optional_hooks.h"
#include "apr_strings.h"
#include "http_config.h"
#include "http_connection.h"
#include "http_ssl.h"
#include "util_filter.h"

#include "httpd/base/connection.h"
#include "httpd/tls/handshake.h"

/* The hook of mod_ssl_openssl.h, which the packages of httpd's headers lack. */
typedef int ssl_HOOK_pre_handshake_t(conn_rec *c, SSL *ssl, int is_proxy);

/* The most bytes of one read while a connection is drained. */
#define DRAIN_BYTES 8192

/* Lives in the pool of its connection. */
struct mrc_takeover {
    SSL *ssl;                           /* mod_ssl owns it, unless it is detached */
    BIO *read_bio, *write_bio;          /* mod_ssl's, after the switch; a reference to each */
    mrc_takeover_detached_fn *detached; /* NULL: it is not detached */
    void *ctx;
};

/* mod_ssl has dropped its reference, and httpd has finished with the connection. */
static void hand_over(struct mrc_takeover *takeover)
{
    SSL *ssl = takeover->ssl;

    SSL_set_app_data(ssl, NULL); /* the connection */
    SSL_set_info_callback(ssl, NULL);
    SSL_set_msg_callback(ssl, NULL);
    SSL_set_quiet_shutdown(ssl, 0);
    SSL_set_shutdown(ssl, 0); /* mod_ssl's own shutdown has marked it as ended */
    takeover->detached(takeover->ctx, ssl);
}

/* Cleanups run in the opposite order of their registration, so mod_ssl's has run before. */
static apr_status_t end_connection(void *data)
{
    struct mrc_takeover *takeover = data;

    BIO_free(takeover->read_bio);
    BIO_free(takeover->write_bio);
    if (takeover->detached)
        hand_over(takeover);
    return APR_SUCCESS;
}

int mrc_takeover_pre_connection(conn_rec *c, void *socket)
{
    struct mrc_takeover *takeover;

    if (c->master)
        return OK;
    takeover = apr_pcalloc(c->pool, sizeof(*takeover));
    mrc_connection_set_takeover(c, takeover);
    apr_pool_cleanup_register(c->pool, takeover, end_connection, apr_pool_cleanup_null);
    return OK;
}

static int note_ssl(conn_rec *c, SSL *ssl, int is_proxy)
{
    struct mrc_takeover *takeover = is_proxy ? NULL : mrc_connection_get_takeover(c);

    if (takeover) {
        takeover->ssl = ssl;
        mrc_handshake_begin(c);
    }
    return OK;
}

void mrc_takeover_register(void)
{
    APR_OPTIONAL_HOOK(ssl, pre_handshake, note_ssl, NULL, NULL, APR_HOOK_MIDDLE);
    mrc_handshake_register();
}

/* Whether the SSL of C exists. mod_ssl frees it at the end of a connection, or when TLS fails;
 * httpd may log a request of C later. */
static bool has_ssl(conn_rec *c)
{
    const struct mrc_takeover *takeover = mrc_connection_get_takeover(c);

    return takeover && takeover->ssl && !c->aborted && ap_ssl_conn_is_ssl(c);
}

apr_off_t mrc_takeover_wire_in(conn_rec *c)
{
    const struct mrc_takeover *takeover = mrc_connection_get_takeover(c);

    if (takeover && takeover->read_bio)
        return (apr_off_t)BIO_number_read(takeover->read_bio);
    return has_ssl(c) ? (apr_off_t)BIO_number_read(SSL_get_rbio(takeover->ssl)) : -1;
}

bool mrc_takeover_has_ssl(conn_rec *c)
{
    const struct mrc_takeover *takeover = mrc_connection_get_takeover(c);

    return takeover && takeover->ssl;
}

SSL *mrc_takeover_ssl(conn_rec *c)
{
    const struct mrc_takeover *takeover = mrc_connection_get_takeover(c);

    return has_ssl(c) && SSL_is_init_finished(takeover->ssl) ? takeover->ssl : NULL;
}

/* ---- the client's certificate -----------------------------------------------------------------*/

/* How mod_ssl's record of a connection begins, in every httpd 2.4 (ssl_private.h). */
struct ssl_record {
    SSL *ssl;
    const char *subject;
    X509 *certificate;
};

static void keep_subject(conn_rec *c, const SSL *ssl, X509 *certificate)
{
    const module *ssl_module = ap_find_linked_module("mod_ssl.c");
    struct ssl_record *record =
        ssl_module ? ap_get_module_config(c->conn_config, ssl_module) : NULL;
    char *subject;

    if (!record || record->ssl != ssl || record->certificate != certificate || record->subject)
        return;
    subject = X509_NAME_oneline(X509_get_subject_name(certificate), NULL, 0);
    if (subject)
        record->subject = apr_pstrdup(c->pool, subject);
    OPENSSL_free(subject);
}

void mrc_takeover_keep_subject(conn_rec *c)
{
    const SSL *ssl = mrc_takeover_ssl(c);
    X509 *certificate = ssl ? SSL_get_peer_certificate(ssl) : NULL;

    if (certificate)
        keep_subject(c, ssl, certificate);
    X509_free(certificate);
}

/* ---- draining ---------------------------------------------------------------------------------*/

/* Gives the data of BRIGADE to TAKE, and empties it. False: it has the end of the input, or more
 * data than *LEFT, which it reduces. */
static bool take_all(apr_bucket_brigade *brigade, size_t *left, mrc_takeover_input_fn *take,
                     void *ctx)
{
    bool is_fine = true;

    while (is_fine && !APR_BRIGADE_EMPTY(brigade)) {
        apr_bucket *bucket = APR_BRIGADE_FIRST(brigade);
        const char *bytes;
        apr_size_t len = 0;

        if (APR_BUCKET_IS_EOS(bucket))
            is_fine = false;
        else if (!APR_BUCKET_IS_METADATA(bucket))
            is_fine = apr_bucket_read(bucket, &bytes, &len, APR_NONBLOCK_READ) == APR_SUCCESS &&
                      len <= *left;
        if (is_fine && len > 0 && take)
            take(ctx, bytes, len);
        *left -= is_fine ? len : 0;
        apr_bucket_delete(bucket);
    }
    apr_brigade_cleanup(brigade);
    return is_fine;
}

bool mrc_takeover_drain(conn_rec *c, size_t max, mrc_takeover_input_fn *take, void *ctx)
{
    apr_bucket_brigade *brigade = apr_brigade_create(c->pool, c->bucket_alloc);
    bool is_fine = true, has_more = true;

    while (is_fine && has_more) {
        apr_status_t status = ap_get_brigade(c->input_filters, brigade, AP_MODE_READBYTES,
                                             APR_NONBLOCK_READ, DRAIN_BYTES);

        has_more = status == APR_SUCCESS && !APR_BRIGADE_EMPTY(brigade);
        is_fine = (status == APR_SUCCESS || APR_STATUS_IS_EAGAIN(status)) &&
                  take_all(brigade, &max, take, ctx);
    }
    apr_brigade_destroy(brigade);
    return is_fine;
}

/* ---- taking over ------------------------------------------------------------------------------*/

void mrc_takeover_switch(conn_rec *c, BIO *bio, size_t record_bytes)
{
    struct mrc_takeover *takeover = mrc_connection_get_takeover(c);
    SSL *ssl = takeover->ssl;

    takeover->read_bio = SSL_get_rbio(ssl);
    takeover->write_bio = SSL_get_wbio(ssl);
    BIO_up_ref(takeover->read_bio);
    BIO_up_ref(takeover->write_bio);
    SSL_set_bio(ssl, bio, bio);
    SSL_set_mode(ssl, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                          SSL_MODE_RELEASE_BUFFERS);
    SSL_clear_mode(ssl, SSL_MODE_AUTO_RETRY); /* it would read as long as the client sends */
    SSL_set_max_send_fragment(ssl, (long)record_bytes);
    SSL_set_options(ssl, SSL_OP_NO_RENEGOTIATION);
}

void mrc_takeover_detach(conn_rec *c, mrc_takeover_detached_fn *detached, void *ctx)
{
    struct mrc_takeover *takeover = mrc_connection_get_takeover(c);

    SSL_up_ref(takeover->ssl);
    takeover->detached = detached;
    takeover->ctx = ctx;
    /* The end of the connection makes mod_ssl free its reference and the client's certificate. It
     * would send a close_notify; and its filters would pass bytes on in the clear if the connection
     * were not aborted. */
    SSL_set_quiet_shutdown(takeover->ssl, 1);
    ap_shutdown_conn(c, 0);
    c->aborted = 1;
}
