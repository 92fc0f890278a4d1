/*
 * Lets the listener thread of an old event MPM accept connections again.
 *
 * When all workers are busy, the listener thread stops accepting. Before httpd 2.4.53, a worker
 * that becomes idle does not wake it; events of connections do. A suspended connection has none, so
 * a child whose workers have all handed over theirs would accept no more until a client leaves.
 * Callbacks wake the listener thread, and only an idle worker runs one:
 *
 *     worker                         listener thread                an idle worker
 *       | suspend_connection hook:
 *       |   callback ---------------> | wakes, and queues it -----> | the child does not accept:
 *       | hands the connection over   | wakes, accepts again <----- |   callback
 *       | is idle
 */
#ifndef MRC_HTTPD_CHILD_ACCEPTING_H
#define MRC_HTTPD_CHILD_ACCEPTING_H

#include "httpd.h"

/* The hook suspend_connection, before connections are handed over. Any worker. */
void mrc_accepting_suspend_connection(conn_rec *c, request_rec *r);

#endif
