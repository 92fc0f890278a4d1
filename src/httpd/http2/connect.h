/*
 * The hooks of httpd for clients' connections: which of them speak HTTP/2 here, and their way out
 * of httpd into a session.
 */
#ifndef MRC_HTTPD_HTTP2_CONNECT_H
#define MRC_HTTPD_HTTP2_CONNECT_H

#include "httpd.h"

/* protocol_propose, before mod_http2: offers "h2" for TLS connections of virtual hosts with
 * MercureHttp2. */
int mrc_http2_connect_propose(conn_rec *c, request_rec *r, server_rec *server,
                              const apr_array_header_t *offers, apr_array_header_t *proposals);

/* protocol_switch and protocol_get, before mod_http2. */
int mrc_http2_connect_switch(conn_rec *c, request_rec *r, server_rec *server, const char *protocol);
const char *mrc_http2_connect_protocol(const conn_rec *c);

/* process_connection, between mod_ssl and mod_http2: suspends a connection that speaks HTTP/2. */
int mrc_http2_connect_process(conn_rec *c);

/* suspend_connection, after all other modules: hands it over to a loop. */
void mrc_http2_connect_suspend(conn_rec *c, request_rec *r);

#endif
