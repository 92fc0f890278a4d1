/*
 * An SSL object on a socket that does not block: write, read, end and free.
 *
 * One thread at a time uses an SSL object. No function blocks, and none leaves an error in the
 * thread's queue of OpenSSL.
 */
#ifndef MRC_HTTPD_TLS_SSL_H
#define MRC_HTTPD_TLS_SSL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bio_method_st; /* OpenSSL's BIO_METHOD */
struct ssl_st;        /* OpenSSL's SSL */

enum mrc_ssl_result {
    MRC_SSL_DONE,   /* something was written or read */
    MRC_SSL_AGAIN,  /* nothing, until the socket is writable or readable */
    MRC_SSL_CLOSED, /* the client has sent a close_notify */
    MRC_SSL_FAILED  /* the connection or its TLS is broken; only free the SSL */
};

/*
 * Writes the first bytes of LEN, usually one record. After AGAIN the record is sealed: call it
 * again with the same bytes, which may be at another address, and at least as many of them.
 */
enum mrc_ssl_result mrc_ssl_write(struct ssl_st *ssl, const char *bytes, size_t len,
                                  size_t *ret_written);

/*
 * Reads at most SIZE bytes. DONE with 0 bytes: it has read something from the socket that was not
 * data, at most one message of TLS, such as a KeyUpdate, or has answered one. So a caller can limit
 * what a client makes it do. Call it until AGAIN whenever the socket is readable, even if the
 * client has nothing to say.
 */
enum mrc_ssl_result mrc_ssl_read(struct ssl_st *ssl, char *bytes, size_t size, size_t *ret_read);

/* From now on, SSL reads as much from the socket as there is room for, and not each record by
 * itself. After mrc_ssl_read() it may then have bytes for which the socket does not become
 * readable. */
void mrc_ssl_read_ahead(struct ssl_st *ssl);

/* Whether SSL has bytes from the socket that were not read, such as a part of a record. */
bool mrc_ssl_has_pending(const struct ssl_st *ssl);

/* Takes what an SSL writes, in place of a socket. */
struct mrc_ssl_output {
    /* Takes the LEN bytes. False: they cannot be sent any more. */
    bool (*take)(struct mrc_ssl_output *output, const char *bytes, size_t len);
};

/* What SSL objects need to have an output: for any number of them, in any thread. NULL: out of
 * memory. Free it after them. */
struct bio_method_st *mrc_ssl_output_method_create(void);
void mrc_ssl_output_method_free(struct bio_method_st *method);

/* Gives SSL an OUTPUT, which has to live until mrc_ssl_output_end(). False: out of memory. */
bool mrc_ssl_output_begin(struct ssl_st *ssl, const struct bio_method_st *method,
                          struct mrc_ssl_output *output);

/* What SSL writes from now on is lost. */
void mrc_ssl_output_end(struct ssl_st *ssl);

/* Makes the records to come larger. False: a record is being written or read, so there is no room
 * for larger ones, and nothing has changed. */
bool mrc_ssl_raise_record_bytes(struct ssl_st *ssl, size_t bytes);

/* Makes the records to come smaller. */
void mrc_ssl_lower_record_bytes(struct ssl_st *ssl, size_t bytes);

/* Sends a close_notify, if the socket accepts it, unless the connection is broken. Nothing can be
 * written afterwards. */
void mrc_ssl_end(struct ssl_st *ssl);

/*
 * Frees SSL and its BIO, but not the socket. The session stays in the caches: without that,
 * OpenSSL would remove the session of a client that has not said goodbye, and mod_ssl would lock
 * its shared cache for it.
 */
void mrc_ssl_free(struct ssl_st *ssl);

/* The bytes of TLS that went through the socket since mrc_takeover_switch(). */
uint64_t mrc_ssl_wire_in(const struct ssl_st *ssl);
uint64_t mrc_ssl_wire_out(const struct ssl_st *ssl);

#endif
