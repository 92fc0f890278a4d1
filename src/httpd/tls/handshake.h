/*
 * Sends the bytes of a TLS handshake as they come. mod_ssl passes them on first, and a flush after
 * that: meanwhile httpd's core filter would keep them in a pool, whose 8 KB it holds as long as the
 * connection lives.
 */
#ifndef MRC_HTTPD_TLS_HANDSHAKE_H
#define MRC_HTTPD_TLS_HANDSHAKE_H

#include "httpd.h"

/* Registers the filter, and the hook that removes it after the handshake. */
void mrc_handshake_register(void);

/* Adds the filter to C, whose handshake has not begun. */
void mrc_handshake_begin(conn_rec *c);

#endif
