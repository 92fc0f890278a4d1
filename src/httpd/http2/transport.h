/*
 * The transport of a session: a client's socket, with or without TLS. Only the thread of the
 * session's loop uses it. Nothing here blocks.
 *
 * What the socket does not accept is kept. TLS writes records into a batch, so that the socket gets
 * several of them at a time.
 */
#ifndef MRC_HTTPD_HTTP2_TRANSPORT_H
#define MRC_HTTPD_HTTP2_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "httpd/tls/ssl.h"

/* The bytes of one write to the socket. */
#define MRC_HTTP2_BATCH_BYTES ((size_t)64 * 1024)

struct mrc_http2_batch {
    size_t len;
    char bytes[MRC_HTTP2_BATCH_BYTES];
};

struct mrc_http2_transport {
    struct mrc_ssl_output output;  /* the first member */
    int fd;                        /* httpd's own, which httpd closes */
    struct ssl_st *ssl;            /* on FD; mod_ssl's, which frees it; NULL: none */
    struct mrc_http2_batch *batch; /* NULL: each write goes to the socket */
    char *rest;                    /* what the socket did not take; NULL: nothing */
    size_t rest_len, rest_written;
    int64_t wrote_us; /* when the socket last took bytes, or none had to be written */
    bool is_broken;   /* the client is gone, takes too little, or there was no memory */
};

/* Sets up the socket FD for frames of many streams. METHOD: for the output of SSL. False: out of
 * memory. */
bool mrc_http2_transport_init(struct mrc_http2_transport *transport, int fd, struct ssl_st *ssl,
                              const struct bio_method_st *method);

/* Frees what is kept. The socket and the SSL object belong to httpd. */
void mrc_http2_transport_free(struct mrc_http2_transport *transport);

/* Reads up to MAX bytes. DONE with no byte: TLS has read something that was not data. AGAIN:
 * nothing until the socket is readable. */
enum mrc_ssl_result mrc_http2_transport_read(struct mrc_http2_transport *transport, char *bytes,
                                             size_t max, size_t *ret_len);

/* Whether bytes have come that were not read, for which the socket does not become readable. After
 * AGAIN, more of them have to come first. */
bool mrc_http2_transport_has_pending(const struct mrc_http2_transport *transport);

/* Gathers what is written into BATCH, until mrc_http2_transport_flush(). */
void mrc_http2_transport_gather(struct mrc_http2_transport *transport,
                                struct mrc_http2_batch *batch);

/* Writes the LEN bytes, or keeps them. False: the client is gone. */
bool mrc_http2_transport_write(struct mrc_http2_transport *transport, const char *bytes,
                               size_t len);

/*
 * Writes the batch, and what was kept, as far as the socket accepts it. False: the client is gone.
 */
bool mrc_http2_transport_flush(struct mrc_http2_transport *transport);

/* Shows the client that no more bytes come. Not if the client is gone, or bytes are kept. */
void mrc_http2_transport_end(struct mrc_http2_transport *transport);

#endif
