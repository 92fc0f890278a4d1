/*
 * Trims the memory of a connection that stays in httpd for hours and is idle most of the time.
 *
 * httpd is built for connections that soon end: it keeps memory for the next request, and takes it
 * in nodes of 8 KB or more, even for a few bytes. This unit frees or avoids the memory that a
 * stream does not need:
 *
 *     free nodes of the connection's pools     go back to the system
 *     the buffer that the request was read     a look for more input shows httpd that it is used
 *     into                                     up, and httpd frees it
 *     mod_ssl's buffer for small writes        is never made, because each write comes to mod_ssl
 *                                              in one piece
 *     a node for bytes that are written but    a copy of exactly these bytes, made before the
 *     not yet sent                             network filter would take a node for them
 *
 * All functions run in the thread that owns the connection.
 */
#ifndef MRC_HTTPD_CARRIER_TRIM_H
#define MRC_HTTPD_CARRIER_TRIM_H

#include "httpd.h"

#include "apr_buckets.h"

/* Registers the filters of this unit. Call it when httpd loads the module. */
void mrc_trim_register(void);

/*
 * Frees unused memory, and adds filters to R, the last request of its connection, before the head
 * of its response is sent. The connection gets the head in one piece, together with all bytes up to
 * the first FLUSH bucket.
 */
void mrc_trim_before_head(request_rec *r);

/*
 * After the end of that request: makes httpd free the buffer of C into which the request was read.
 * Uses BRIGADE, which is empty before and after.
 */
void mrc_trim_after_request(conn_rec *c, apr_bucket_brigade *brigade);

#endif
