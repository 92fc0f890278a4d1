/*
 * Shows the requests of HTTP/2 in httpd's scoreboard, which mod_status prints, and counts them
 * there. The scoreboard has room for ThreadLimit threads in each child, of which the MPM uses
 * ThreadsPerChild: the threads of workers.h use the rest, a place each. If there are more threads
 * than places, the last place has several threads.
 *
 * If ThreadLimit equals ThreadsPerChild, requests are counted in the place of the MPM's thread that
 * has accepted the connection, as in mod_http2, but are not shown while they run, because that
 * thread has other work.
 */
#ifndef MRC_HTTPD_EXCHANGE_SCOREBOARD_H
#define MRC_HTTPD_EXCHANGE_SCOREBOARD_H

#include "httpd.h"

struct mrc_exchange_origin;
struct mrc_exchange_worker;

/* Remembers the place of C, which its MPM's thread has now, in ORIGIN. In that thread. */
void mrc_scoreboard_note_origin(struct mrc_exchange_origin *origin, conn_rec *c);

/* Gives C, a secondary connection of ORIGIN, the place of WORKER, which is freed when the thread of
 * WORKER ends. In that thread. */
void mrc_scoreboard_enter(conn_rec *c, const struct mrc_exchange_origin *origin,
                          struct mrc_exchange_worker *worker);

/*
 * The number of the secondary connection of the job JOB (workers.h) of a child in the slot CHILD.
 * It differs from those of all other connections of the server: mod_cgid finds scripts by it.
 */
long mrc_scoreboard_connection_id(int child, unsigned job);

/* Shows R, whose fields were read. In the thread that handles it. */
void mrc_scoreboard_show(request_rec *r);

/* Shows that WORKER waits for a request. */
void mrc_scoreboard_rest(const struct mrc_exchange_worker *worker);

/* Frees the places of a child that has ended. In the parent; SLOT is that of the child. */
void mrc_scoreboard_forget_child(int slot);

#endif
