/*
 * The access log line of a request that is gone: what the line needs is kept (log_fields.h says
 * what), and in the end a request is made of it, which all log modules log. What many requests have
 * in common, the URL or a browser's name, is kept once for all of them; what is left takes some
 * hundred bytes.
 *
 *     worker       keep        and the connection is marked: its log hooks are told to log nothing
 *     errands      log         once, when the stream has ended; log_of with its connection
 *
 * What a module keeps in its own structures of the request is lost; mod_logio's counts are brought
 * over, and mod_log_forensic logs the end of a request when it is kept. One that hooks
 * log_transaction and finds its structures missing has to bear it.
 */
#ifndef MRC_HTTPD_LOG_RECORD_H
#define MRC_HTTPD_LOG_RECORD_H

#include <stdbool.h>

#include "httpd.h"

#include "hub/base/end.h"

struct mrc_interned_table;
struct mrc_log_fields;
struct mrc_log_record;

/* The most bytes that one record keeps; what a client sends is most of it. */
#define MRC_LOG_RECORD_BYTES_MAX 65535

/*
 * Keeps what FIELDS asks of R, whose head has been sent; what it has in common with others goes
 * into SHARED, which outlives the record. NULL: it would be too long, or memory is short.
 */
struct mrc_log_record *mrc_log_record_keep(request_rec *r, const struct mrc_log_fields *fields,
                                           struct mrc_interned_table *shared);

/* Keeps mod_logio's counts of R, which are gone from then on. */
void mrc_log_record_take_counts(struct mrc_log_record *record, request_rec *r);

/*
 * Logs the request: BODY_BYTES more were sent than when it was kept, which were WIRE_BYTES on the
 * wire, and its stream ended because of END. Frees the record. Any thread.
 */
void mrc_log_record_log(struct mrc_log_record *record, apr_off_t body_bytes, apr_off_t wire_bytes,
                        enum mrc_end end);

/*
 * The same where the request's connection C is still there, and so are the counts. In the thread
 * that has C, which is marked still.
 */
void mrc_log_record_log_of(struct mrc_log_record *record, conn_rec *c, apr_off_t body_bytes,
                           enum mrc_end end);

/* log_transaction, before all other modules' hooks: nothing is logged of a request that was kept.
 */
int mrc_log_record_log_transaction(request_rec *r);

#endif
