/* clang-format off */
/*
 * The suspended carrier: the event MPM gives the connection away, and httpd's filters stay.
 *
 * For an HTTP/1.1 connection that stays in httpd, because of its filters or of MercureDetach Off.
 * The dispatcher writes through httpd's output filters, and no thread waits for the client.
 *
 *     worker                          dispatcher              job thread      conn_rec belongs to
 *       |
 *       | handler: put a duplicate                                            the worker
 *       |   of the socket below the                                             :
 *       |   filters; send the head,                                             :
 *       |   with FLUSH;                                                         :
 *       |   return SUSPENDED                                                    :
 *       | suspend_connection hook:                                              :
 *       |   end the request, if a                                               :
 *       |   log record can stand for it                                         :
 *       |                                                                       :
 *       +--- mrc_dispatcher_post() ----->+                                    the dispatcher,
 *       | the MPM sets c->sbh to NULL,   | write(), flush(): brigades           but the MPM still
 *       |   and marks c->cs              |   without FLUSH                      writes to it
 *       v                                |                                       :
 *                                        | the stream ends: finish():            :
 *                                        |   last chunk                          :
 *                                        | may_close(): c->sbh is NULL,       the dispatcher
 *                                        |   and a second has passed             :
 *                                        | close()                               :
 *                                        +-- mrc_jobs_post() --->+            the job
 *                                                                | access log line; close the
 *                                                                |   connection, and free its pool
 *                                                                v
 *
 * The MPM's two writes to the conn_rec come after the hook has returned. If the connection were
 * freed before them, they would write to freed memory and crash the child. Therefore may_close()
 * waits for the first write, and then for the time that the worker may need for the second. The
 * client does not wait for that: it gets the end of the response as soon as the stream ends, unless
 * it has not accepted all that was written.
 *
 * A request would take most of the memory of an idle stream. So it ends and is freed at the
 * hand-over, and a record replaces it for the access log. It stays until the stream ends if a
 * filter needs to see the sent bytes, or if a module that logs is not known to work with a record.
 */
/* clang-format on */
#ifndef MRC_HTTPD_CARRIER_SUSPENDED_H
#define MRC_HTTPD_CARRIER_SUSPENDED_H

#include <stdbool.h>

#include "httpd.h"

struct mrc_subscriber;

/* Whether the MPM can give R's connection away, and no filter of R may block. */
bool mrc_carrier_suspended_is_possible(const request_rec *r);

/*
 * Sends R's head and prepares the hand-over. Always takes over SUBSCRIBER, and the place that was
 * taken with mrc_child_hold_suspended(). In the thread that handles R, in a child that serves hubs.
 * Returns the value for the handler to return: SUSPENDED; OK if the client is gone; the status of
 * an error.
 */
int mrc_carrier_suspended_start(request_rec *r, struct mrc_subscriber *subscriber);

/* The hook suspend_connection, after those of all other modules: the hand-over. */
void mrc_carrier_suspended_hand_over(conn_rec *c, request_rec *r);

#endif
