/*
 * A BIO on a client's socket. That of OpenSSL calls write(), which costs the kernel more for a
 * socket than send() does: about a twentieth of a delivery.
 */
#ifndef MRC_HTTPD_TLS_SOCKET_BIO_H
#define MRC_HTTPD_TLS_SOCKET_BIO_H

#include <stdbool.h>

#include "apr_pools.h"

struct bio_st;        /* OpenSSL's BIO */
struct bio_method_st; /* OpenSSL's BIO_METHOD */
struct ssl_st;        /* OpenSSL's SSL */

/* Makes the method of such BIOs, which must not be used after POOL. NULL: out of memory. */
const struct bio_method_st *mrc_socket_bio_method(apr_pool_t *pool);

/* Makes a BIO of METHOD on FD, which is not closed with it. No call of it blocks. NULL: out of
 * memory. */
struct bio_st *mrc_socket_bio_create(const struct bio_method_st *method, int fd);

/* MORE: until this is called without MORE, the kernel may hold back what SSL writes to such a BIO,
 * and send it with what follows, which costs it less. */
void mrc_socket_bio_expect_more(struct ssl_st *ssl, bool more);

#endif
