/*
 * The transports of a detached stream: how its bytes reach the client's socket, plain or over TLS.
 *
 * No function blocks. They run in the thread that owns the stream. A further transport, such as TLS
 * in the kernel, is another set of these functions.
 */
#ifndef MRC_HTTPD_CARRIER_TRANSPORT_H
#define MRC_HTTPD_CARRIER_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/uio.h>

struct ssl_st; /* OpenSSL's SSL */

/* TLS: the usual size of a record. OpenSSL holds one for a client that accepts nothing. */
#define MRC_TRANSPORT_RECORD_BYTES ((size_t)2048)

/* TLS: the largest possible record, for a write that does not fit into one of the usual size, while
 * the client's socket has room for all of it. Each record costs a system call. */
#define MRC_TRANSPORT_LARGE_RECORD_BYTES ((size_t)16 * 1024)

/* TLS: a socket that has this much more room certainly takes large records, although the kernel
 * counts more than their bytes. */
#define MRC_TRANSPORT_SPARE_BYTES ((size_t)32 * 1024)

/* TLS: the most bytes that a client may send during its stream, counted on the wire. */
#define MRC_TRANSPORT_INPUT_BYTES_MAX ((size_t)64 * 1024)

/*
 * Writes what the socket accepts of COUNT parts, which have at most MRC_CARRIER_WRITE_BYTES plus
 * MRC_CHUNK_FRAME_BYTES together. If that is not all, write the rest again when the socket is
 * writable. False: the client is gone.
 */
bool mrc_transport_write(int fd, const struct iovec *parts, size_t count, size_t *ret_sent);
bool mrc_transport_tls_write(struct ssl_st *ssl, int fd, const struct iovec *parts, size_t count,
                             size_t *ret_sent);

/* Reads and drops what the client has sent. False: it is gone, or has sent too much. */
bool mrc_transport_tls_read(struct ssl_st *ssl);

/* Shows the client that no more bytes come. */
void mrc_transport_end(int fd);
void mrc_transport_tls_end(struct ssl_st *ssl, int fd);

/* Closes the connection. */
void mrc_transport_free(int fd);
void mrc_transport_tls_free(struct ssl_st *ssl, int fd);

#endif
