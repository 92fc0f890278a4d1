/*
 * The suspended carrier: a connection that an asynchronous MPM has given away.
 *
 * What is sent goes through httpd's output filters, plain or TLS, but no thread waits for it:
 *
 *     worker       handler: headers and first bytes, then SUSPENDED
 *     worker       suspend_connection: ends the request, hands the connection over, and does not
 *                  touch it again
 *     dispatcher   writes brigades, never with a FLUSH bucket; closes in the end
 *
 * The request is most of what a stream would cost. Nobody needs it once its head is out, but for
 * its line in the access log, of which a record is kept; unless a filter wants to see what is sent,
 * or a module that logs is not known to do with a record: then it stays to the end.
 *
 * For one moment after the hand-over the worker still writes to the connection's record. So it is
 * not freed before the worker has shown that it is through, and some time has passed (may_close).
 */
#ifndef MRC_HTTPD_CARRIER_SUSPENDED_H
#define MRC_HTTPD_CARRIER_SUSPENDED_H

#include <stdbool.h>

#include "httpd.h"

struct mrc_child;
struct mrc_subscriber;

/* Whether R's connection can be given away at all. */
bool mrc_carrier_suspended_is_possible(const request_rec *r);

/*
 * Sends R's headers and the first bytes, and prepares the hand-over. What the handler returns:
 * SUSPENDED, or OK if the client is gone, or an error's status. SUBSCRIBER is taken over in all
 * cases, and so is a place that was got with mrc_child_hold_suspended().
 */
int mrc_carrier_suspended_start(request_rec *r, struct mrc_child *process,
                                struct mrc_subscriber *subscriber);

/* suspend_connection, after all other modules' hooks: the hand-over. */
void mrc_carrier_suspended_hand_over(conn_rec *c, request_rec *r);

#endif
