/* clang-format off */
/*
 * Takes over the TLS of a client's connection from mod_ssl.
 *
 * mod_ssl tells other modules about each SSL object before the handshake, and its filters then read
 * and write through two BIOs of their own. After the handshake and a request, the SSL can get a BIO
 * on the socket instead:
 *
 *     the thread that handles the connection                             the SSL writes to
 *       |
 *       | pre_connection, before mod_ssl's: makes the record              mod_ssl's filters
 *       | pre_handshake: notes the SSL                                      :
 *       | ... handshake, request, head of the response ...                  :
 *       |                                                                   :
 *       | mrc_takeover_drain()    nothing that the client has sent is       :
 *       |                         left in a filter                          :
 *       | mrc_takeover_switch()                                           the socket
 *       |
 *       | then either the connection stays in httpd, and another thread uses the SSL
 *       |   until it destroys the connection's pool;
 *       |
 *       | or mrc_takeover_detach(): mod_ssl closes its part silently,
 *       |   and httpd regards the client as gone
 *       |
 *       | the pool of the connection is destroyed: mod_ssl first, then the record, which frees
 *       v   mod_ssl's BIOs, and hands the detached SSL over
 *
 * mod_ssl keeps pointers to its BIOs until the pool is destroyed, so the record holds them until
 * then. All functions run in the thread that handles the connection; those that use the SSL only
 * if mrc_library_is_shared().
 */
/* clang-format on */
#ifndef MRC_HTTPD_TLS_TAKEOVER_H
#define MRC_HTTPD_TLS_TAKEOVER_H

#include <stdbool.h>
#include <stddef.h>

#include "httpd.h"

struct bio_st; /* OpenSSL's BIO */
struct ssl_st; /* OpenSSL's SSL */

/* Gets LEN bytes that the client has sent; they are valid only during the call. */
typedef void mrc_takeover_input_fn(void *ctx, const char *bytes, size_t len);

/* Gets a detached SSL, whose owner is the callee from now on. */
typedef void mrc_takeover_detached_fn(void *ctx, struct ssl_st *ssl);

/* Registers for mod_ssl's hook pre_handshake. Works without mod_ssl. */
void mrc_takeover_register(void);

/* The hook pre_connection: before mod_ssl's, and after mrc_connection_pre_connection(). */
int mrc_takeover_pre_connection(conn_rec *c, void *socket);

/* Whether mod_ssl has shown the SSL of C, whose handshake may not be finished. */
bool mrc_takeover_has_ssl(conn_rec *c);

/*
 * The SSL of C, whose handshake is finished. NULL: C has none, or not from mod_ssl, or is aborted.
 */
struct ssl_st *mrc_takeover_ssl(conn_rec *c);

/* The bytes of TLS that have come from the client of C through mod_ssl. -1: C has no SSL. */
apr_off_t mrc_takeover_wire_in(conn_rec *c);

/*
 * Makes the subject of the client's certificate live as long as C, whose handshake is finished. At
 * the first request that needs it (SSLOptions FakeBasicAuth), mod_ssl would keep it in the pool of
 * the request's connection, which over HTTP/2 ends with the request.
 */
void mrc_takeover_keep_subject(conn_rec *c);

/*
 * Reads what the client of C has sent so far, without blocking, and gives it to TAKE, which may be
 * NULL. Afterwards the filters hold nothing: a record that came in part is inside the SSL, and the
 * rest is in the kernel. False: the client is gone, or has sent more than MAX bytes.
 */
bool mrc_takeover_drain(conn_rec *c, size_t max, mrc_takeover_input_fn *take, void *ctx);

/*
 * Makes the SSL of C read and write through BIO (socket_bio.h), which it owns from now on; C is
 * drained, and has no data in its output filters. From here on the SSL works as httpd/tls/ssl.h
 * says, with records of at most RECORD_BYTES, and refuses renegotiation. C must not be used through
 * its filters any more: before its pool is destroyed, set c->aborted, or mod_ssl would write.
 */
void mrc_takeover_switch(conn_rec *c, struct bio_st *bio, size_t record_bytes);

/*
 * After mrc_takeover_switch(): makes the SSL outlive C. mod_ssl frees what it has for C and sends
 * nothing, and C is aborted. When httpd has freed C, DETACHED gets the SSL, in the thread that
 * frees it. Until then nothing else may use the SSL. What mod_ssl knows about C, such as its
 * variables, is gone.
 */
void mrc_takeover_detach(conn_rec *c, mrc_takeover_detached_fn *detached, void *ctx);

#endif
