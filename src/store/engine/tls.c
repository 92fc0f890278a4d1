#include "store/engine/tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

struct mrc_tls {
    SSL_CTX *ctx;
};

struct mrc_tls_stream {
    SSL *ssl;
};

/* The reason of the last failure in OpenSSL. */
static void set_error(struct mrc_engine_error *error, const char *what, const char *name)
{
    unsigned long code = ERR_peek_last_error();
    const char *reason = code ? ERR_reason_error_string(code) : NULL;

    error->reason = MRC_ENGINE_TLS;
    mrc_error_set(&error->text, MRC_EINVAL, "%s%s%.100s: %.100s", what, name ? " " : "",
                  name ? name : "", reason ? reason : "unknown reason");
    ERR_clear_error();
}

static bool load_files(SSL_CTX *ctx, const struct mrc_engine_spec *spec,
                       struct mrc_engine_error *error)
{
    if (spec->ca_file ? SSL_CTX_load_verify_locations(ctx, spec->ca_file, NULL) != 1
                      : SSL_CTX_set_default_verify_paths(ctx) != 1)
        set_error(error, "cannot read the certificates of ca=", spec->ca_file);
    else if (spec->cert_file && SSL_CTX_use_certificate_chain_file(ctx, spec->cert_file) != 1)
        set_error(error, "cannot read the certificate of cert=", spec->cert_file);
    else if (spec->key_file &&
             (SSL_CTX_use_PrivateKey_file(ctx, spec->key_file, SSL_FILETYPE_PEM) != 1 ||
              SSL_CTX_check_private_key(ctx) != 1))
        set_error(error, "cannot use the private key of key=", spec->key_file);
    else
        return true;
    return false;
}

struct mrc_tls *mrc_tls_create(const struct mrc_engine_spec *spec, struct mrc_engine_error *error)
{
    struct mrc_tls *tls = calloc(1, sizeof(*tls));

    ERR_clear_error();
    if (tls)
        tls->ctx = SSL_CTX_new(TLS_client_method());
    if (!tls || !tls->ctx) {
        set_error(error, "TLS cannot start", NULL);
        free(tls);
        return NULL;
    }
    SSL_CTX_set_min_proto_version(tls->ctx, TLS1_2_VERSION);
    SSL_CTX_set_verify(tls->ctx, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_mode(tls->ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    if (!load_files(tls->ctx, spec, error)) {
        mrc_tls_free(tls);
        return NULL;
    }
    return tls;
}

void mrc_tls_free(struct mrc_tls *tls)
{
    if (!tls)
        return;
    SSL_CTX_free(tls->ctx);
    free(tls);
}

/* Makes the certificate match NAME, a host name or an address. */
static bool expect_name(SSL *ssl, const char *name)
{
    unsigned char address[sizeof(struct in6_addr)];

    if (inet_pton(AF_INET, name, address) == 1 || inet_pton(AF_INET6, name, address) == 1)
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name) == 1;
    return SSL_set_tlsext_host_name(ssl, name) == 1 && SSL_set1_host(ssl, name) == 1;
}

struct mrc_tls_stream *mrc_tls_open(const struct mrc_tls *tls, int fd, const char *name)
{
    struct mrc_tls_stream *stream = calloc(1, sizeof(*stream));

    if (!stream)
        return NULL;
    stream->ssl = SSL_new(tls->ctx);
    if (!stream->ssl || SSL_set_fd(stream->ssl, fd) != 1 || !expect_name(stream->ssl, name)) {
        mrc_tls_close(stream);
        return NULL;
    }
    SSL_set_connect_state(stream->ssl);
    return stream;
}

void mrc_tls_close(struct mrc_tls_stream *stream)
{
    if (!stream)
        return;
    SSL_free(stream->ssl);
    free(stream);
}

/* The result of a call that returned RC and not a number of bytes. */
static ssize_t result_of(const struct mrc_tls_stream *stream, int rc,
                         struct mrc_engine_error *error)
{
    int system_error = errno;
    long verified;

    switch (SSL_get_error(stream->ssl, rc)) {
    case SSL_ERROR_WANT_READ:
        return MRC_TLS_WANTS_READ;
    case SSL_ERROR_WANT_WRITE:
        return MRC_TLS_WANTS_WRITE;
    case SSL_ERROR_ZERO_RETURN:
        return MRC_TLS_END;
    case SSL_ERROR_SYSCALL:
        if (ERR_peek_error() == 0) {
            error->reason = MRC_ENGINE_CLOSED;
            mrc_error_set(&error->text, MRC_EINVAL, "%s",
                          system_error ? strerror(system_error) : "the server closed it");
            return MRC_TLS_FAILED;
        }
        break;
    default:
        break;
    }
    verified = SSL_get_verify_result(stream->ssl);
    set_error(error, "TLS failed", NULL);
    if (verified != X509_V_OK)
        mrc_error_set(&error->text, MRC_EINVAL, "the certificate of the server is refused: %s",
                      X509_verify_cert_error_string(verified));
    return MRC_TLS_FAILED;
}

ssize_t mrc_tls_handshake(struct mrc_tls_stream *stream, struct mrc_engine_error *error)
{
    int rc;

    ERR_clear_error();
    errno = 0;
    rc = SSL_do_handshake(stream->ssl);
    return rc == 1 ? 1 : result_of(stream, rc, error);
}

ssize_t mrc_tls_read(struct mrc_tls_stream *stream, void *data, size_t len,
                     struct mrc_engine_error *error)
{
    int rc;

    ERR_clear_error();
    errno = 0;
    rc = SSL_read(stream->ssl, data, (int)(len < INT32_MAX ? len : INT32_MAX));
    return rc > 0 ? rc : result_of(stream, rc, error);
}

ssize_t mrc_tls_write(struct mrc_tls_stream *stream, const void *data, size_t len,
                      struct mrc_engine_error *error)
{
    int rc;

    ERR_clear_error();
    errno = 0;
    rc = SSL_write(stream->ssl, data, (int)(len < INT32_MAX ? len : INT32_MAX));
    return rc > 0 ? rc : result_of(stream, rc, error);
}
