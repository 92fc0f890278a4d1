/*
 * TLS to the engine. The certificate of the server is always checked, with its name; TLS 1.2 is the
 * oldest version.
 */
#ifndef MRC_STORE_ENGINE_TLS_H
#define MRC_STORE_ENGINE_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "store/engine/engine.h"

struct mrc_tls;
struct mrc_tls_stream;

/* Reads the certificates of SPEC. NULL, with the reason in ERROR. */
struct mrc_tls *mrc_tls_create(const struct mrc_engine_spec *spec, struct mrc_engine_error *error);

/* Accepts NULL. */
void mrc_tls_free(struct mrc_tls *tls);

/* A stream over the connected, non-blocking socket FD to the server NAME. NULL: out of memory. */
struct mrc_tls_stream *mrc_tls_open(const struct mrc_tls *tls, int fd, const char *name);

/* Frees it; FD stays open. Accepts NULL. */
void mrc_tls_close(struct mrc_tls_stream *stream);

/* The result of the functions below: a number of bytes above 0, or one of these. */
enum { MRC_TLS_FAILED = -1, MRC_TLS_WANTS_READ = -2, MRC_TLS_WANTS_WRITE = -3, MRC_TLS_END = 0 };

/* 1: the handshake is complete. */
ssize_t mrc_tls_handshake(struct mrc_tls_stream *stream, struct mrc_engine_error *error);
ssize_t mrc_tls_read(struct mrc_tls_stream *stream, void *data, size_t len,
                     struct mrc_engine_error *error);
ssize_t mrc_tls_write(struct mrc_tls_stream *stream, const void *data, size_t len,
                      struct mrc_engine_error *error);

#endif
