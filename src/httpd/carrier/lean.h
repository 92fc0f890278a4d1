/*
 * How a connection that is kept for hours, and is idle for most of them, gets by with little
 * memory.
 *
 * httpd reckons that a connection is soon over: what one has needed for a moment it keeps for the
 * next time. And memory comes from the system in nodes of 8 KB or more, of which what is small
 * costs a page as well.
 *
 *     nodes that the connection's pools have given back   they go back to the system
 *     what the request was read with                      a look for more of it finds it used up
 *     mod_ssl's buffer, which gathers small writes        is not made: what is written comes to it
 *                                                         in one piece
 *     a node for whatever is written and not sent yet     it is kept in as many bytes as it has,
 *                                                         before the network filter sees it
 */
#ifndef MRC_HTTPD_CARRIER_LEAN_H
#define MRC_HTTPD_CARRIER_LEAN_H

#include "httpd.h"

#include "apr_buckets.h"

/* Tells httpd of the filters here, while its configuration is read. */
void mrc_lean_register(void);

/*
 * Before the head of R is sent, the last that its connection brings but for a stream: the head will
 * go to the connection in one piece with all that comes up to the first FLUSH bucket.
 */
void mrc_lean_begin(request_rec *r);

/*
 * After the end of that request: C lets go of what it was read with. BRIGADE is empty, and is
 * again.
 */
void mrc_lean_settle(conn_rec *c, apr_bucket_brigade *brigade);

#endif
