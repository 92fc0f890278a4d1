/*
 * The transport of a session: a client's socket, with or without TLS. Only the thread of the
 * session's loop uses it. Nothing here blocks.
 */
#ifndef MRC_HTTPD_HTTP2_TRANSPORT_H
#define MRC_HTTPD_HTTP2_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>

struct ssl_st; /* OpenSSL's SSL */

struct mrc_http2_transport {
    int fd;             /* httpd's own, which httpd closes */
    struct ssl_st *ssl; /* on FD; mod_ssl's, which frees it; NULL: none */
};

/* Sets up the socket FD for frames of many streams. */
void mrc_http2_transport_init(struct mrc_http2_transport *transport, int fd, struct ssl_st *ssl);

/* Reads up to MAX bytes; RET_LEN is 0 if none have come. False: the client is gone. */
bool mrc_http2_transport_read(struct mrc_http2_transport *transport, char *bytes, size_t max,
                              size_t *ret_len);

/*
 * Writes what the socket takes of the LEN bytes. If it does not take all, call it again with the
 * rest of the same bytes, which may have moved, when the socket is writable. False: the client is
 * gone.
 */
bool mrc_http2_transport_write(struct mrc_http2_transport *transport, const char *bytes, size_t len,
                               size_t *ret_written);

/* Shows the client that no more bytes come. Not if the client is gone, or bytes were left. */
void mrc_http2_transport_end(struct mrc_http2_transport *transport);

#endif
