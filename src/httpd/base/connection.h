/*
 * What the module keeps of a client's connection.
 */
#ifndef MRC_HTTPD_BASE_CONNECTION_H
#define MRC_HTTPD_BASE_CONNECTION_H

#include <signal.h>
#include <stdbool.h>

#include "httpd.h"

struct mrc_carrier_suspended;

/* The most streams that one HTTP/2 connection may hold by threads: mod_http2 runs 6 requests. */
#define MRC_CONNECTION_THREADS_MAX 2

/* pre_connection: makes the record of a connection, before any of its requests. */
int mrc_connection_pre_connection(conn_rec *c, void *socket);

/* The stream that C was suspended for, until it is handed over; NULL: none. */
struct mrc_carrier_suspended *mrc_connection_get_suspended(conn_rec *c);
void mrc_connection_set_suspended(conn_rec *c, struct mrc_carrier_suspended *carrier);

/* Whether there is a record of the request of C, to be logged in its place (log_record.h). */
void mrc_connection_set_recorded(conn_rec *c, bool is_recorded);
bool mrc_connection_is_recorded(conn_rec *c);

/*
 * Has httpd's filters write to a copy of the socket of C, which is closed with C. At SIGTERM the
 * MPMs close the sockets of busy threads, and tell the modules then: a copy lets streams end in
 * order. On failure (no descriptor is left, or the socket was closed already) nothing has changed.
 */
apr_status_t mrc_connection_copy_socket(conn_rec *c, apr_socket_t **ret_socket);

/*
 * Takes one of the threads that the HTTP/2 connection of the secondary connection C may hold for
 * streams; false: it has as many as it may. Any thread. Always true over HTTP/1.1.
 */
bool mrc_connection_hold_thread(conn_rec *c);
void mrc_connection_release_thread(conn_rec *c);

/*
 * Holds back the signals that end a child of prefork from within their handler, until C is closed;
 * ones that came end it then. Only where a process serves one connection at a time.
 */
void mrc_connection_hold_signals(conn_rec *c);

/* The same until the memory of C is freed: it is closed without waiting for the client. */
void mrc_connection_hold_signals_to_the_end(conn_rec *c);

/* The signals that are held back. */
void mrc_connection_signals(sigset_t *ret_signals);

/* pre_close_connection, after all other modules' hooks: lets them come. */
int mrc_connection_pre_close(conn_rec *c);

#endif
