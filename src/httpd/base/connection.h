/*
 * The module's record of a client's connection. The thread that handles the connection calls these
 * functions, unless a comment says otherwise.
 */
#ifndef MRC_HTTPD_BASE_CONNECTION_H
#define MRC_HTTPD_BASE_CONNECTION_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "httpd.h"

struct mrc_carrier_suspended;
struct mrc_http2_client;
struct mrc_network;
struct mrc_stay;
struct mrc_takeover;
struct mrc_token_memo;

/* At most this many streams of one HTTP/2 connection hold a thread each. mod_http2 runs at most 6
 * requests of a new connection at a time; the rest remains for ordinary requests. */
#define MRC_CONNECTION_THREADS_MAX 2

/* pre_connection, before all other modules' hooks: makes the record of a connection. */
int mrc_connection_pre_connection(conn_rec *c, void *socket);

/* The stream for which C was suspended, until C is handed over; NULL: none. */
struct mrc_carrier_suspended *mrc_connection_get_suspended(conn_rec *c);
void mrc_connection_set_suspended(conn_rec *c, struct mrc_carrier_suspended *carrier);

/* The record of the TLS of C (httpd/tls/takeover.h). NULL: C is a secondary connection. */
struct mrc_takeover *mrc_connection_get_takeover(conn_rec *c);
void mrc_connection_set_takeover(conn_rec *c, struct mrc_takeover *takeover);

/* What httpd/http2 knows about C, the connection of a client; NULL: nothing yet. */
struct mrc_http2_client *mrc_connection_get_http2(conn_rec *c);
void mrc_connection_set_http2(conn_rec *c, struct mrc_http2_client *client);

/* Whether a thread stays with C, the connection of a client (httpd/publish/stay.h); NULL: no
 * publication has come over it. */
struct mrc_stay *mrc_connection_get_stay(conn_rec *c);
void mrc_connection_set_stay(conn_rec *c, struct mrc_stay *stay);

/* The token that was verified last on C, the connection of a client; NULL: none is kept. */
struct mrc_token_memo *mrc_connection_get_memo(conn_rec *c);
void mrc_connection_set_memo(conn_rec *c, struct mrc_token_memo *memo);

/* Makes the record of C, a secondary connection of this module's HTTP/2, whose filters are NETWORK
 * (httpd/exchange/network.h). */
void mrc_connection_create_secondary(conn_rec *c, struct mrc_network *network);

/* The NETWORK of C; NULL: C is another connection. */
struct mrc_network *mrc_connection_get_network(const conn_rec *c);

/* Whether C, a secondary connection, shares its place in the scoreboard with a thread that has
 * other work, so that the place must not show the request of C. */
void mrc_connection_set_hidden(conn_rec *c);
bool mrc_connection_is_hidden(conn_rec *c);

/* Whether a log record (log/record.h) exists for the request of C, and is logged in place of it. */
void mrc_connection_set_recorded(conn_rec *c, bool is_recorded);
bool mrc_connection_is_recorded(conn_rec *c);

/* The bytes of TLS that had come from the client of C when a request of C was last logged. */
void mrc_connection_set_logged_bytes(conn_rec *c, apr_off_t bytes);
apr_off_t mrc_connection_get_logged_bytes(conn_rec *c);

/* The variables of mod_ssl of a connection that was made from a log record. NULL: C is a client's
 * connection. */
void mrc_connection_set_variables(conn_rec *c, const apr_table_t *variables);
const apr_table_t *mrc_connection_get_variables(conn_rec *c);

/*
 * Makes httpd's filters write to a copy of the socket of C. The copy is closed with C. At SIGTERM
 * the MPMs close the sockets of busy threads before they call the modules; with the copy, streams
 * still end cleanly. On failure (no descriptor is left, or the socket is closed already) nothing
 * has changed.
 */
apr_status_t mrc_connection_copy_socket(conn_rec *c, apr_socket_t **ret_socket);

/*
 * Takes one of the MRC_CONNECTION_THREADS_MAX threads of the HTTP/2 connection to which the
 * secondary connection C belongs; false: all are taken. Always true over HTTP/1.1. Any thread.
 */
bool mrc_connection_hold_thread(conn_rec *c);
void mrc_connection_release_thread(conn_rec *c);

/*
 * Blocks the signals whose handler ends a child of prefork, until C is closed. If such a signal has
 * arrived by then, the child ends at that moment. Only for a process that serves one connection at
 * a time.
 */
void mrc_connection_hold_signals(conn_rec *c);

/* The same until the memory of C is freed, and all other cleanups of it have run, for a connection
 * that is closed without waiting for the client. */
void mrc_connection_hold_signals_to_the_end(conn_rec *c);

/* The signals that are blocked. */
void mrc_connection_signals(sigset_t *ret_signals);

/* pre_close_connection, after all other modules' hooks: unblocks the signals. */
int mrc_connection_pre_close(conn_rec *c);

/*
 * For how long the client at the other end of the socket FD has acknowledged nothing, in
 * microseconds, although the kernel has bytes for it; 0: it has none, or FD is not a TCP socket.
 * Any thread.
 */
int64_t mrc_connection_silence_us(int fd);

#endif
