/*
 * A record of a request that is freed before its access log line is written. It keeps the values
 * for the line (fields.h). When the stream ends, a request is made from the record, and all modules
 * that log get that request. Texts that many requests have in common, such as the URL or the name
 * of a browser, are stored once for all of them; the rest takes some hundred bytes.
 *
 *     thread            function      when
 *     worker            keep          the head has been sent. The connection is marked, so that no
 *                                     module logs the request when httpd frees it
 *     job, dispatcher   log, log_of   once, when the stream has ended: log_of while its connection
 *                                     still exists, otherwise log
 *
 * Data that a module keeps in its own structures of the request is lost, except for mod_logio's
 * counts, and the variables of mod_ssl that the access logs show, which the record keeps.
 * mod_log_forensic logs the end of the request when the record is made. Other modules that hook
 * log_transaction do not find their structures.
 */
#ifndef MRC_HTTPD_LOG_RECORD_H
#define MRC_HTTPD_LOG_RECORD_H

#include <stdbool.h>

#include "httpd.h"

#include "hub/base/end.h"

struct mrc_interned_table;
struct mrc_log_fields;
struct mrc_log_record;

/* What was sent and received after a record was made. */
struct mrc_log_sent {
    apr_off_t body_bytes;    /* of the response's body */
    apr_off_t wire_in_bytes; /* through the socket, for mod_logio */
    apr_off_t wire_out_bytes;
};

/* The most bytes of one record; most of them come from the client. */
#define MRC_LOG_RECORD_BYTES_MAX 65535

/*
 * Makes a record of R, whose head has been sent, with the fields in FIELDS. Texts that R has in
 * common with other requests go into SHARED, which must outlive the record. NULL: the record would
 * be too long, or there is no memory.
 */
struct mrc_log_record *mrc_log_record_keep(request_rec *r, const struct mrc_log_fields *fields,
                                           struct mrc_interned_table *shared);

/* Moves mod_logio's counts of R into the record. */
void mrc_log_record_take_counts(struct mrc_log_record *record, request_rec *r);

/* Logs the request, whose stream ended because of END, and frees the record. Any thread. */
void mrc_log_record_log(struct mrc_log_record *record, const struct mrc_log_sent *sent,
                        enum mrc_end end);

/*
 * The same while the request's connection C still exists: mod_logio has counted the bytes itself,
 * except for BODY_BYTES of the body, which were sent after the record was made. In the thread that
 * owns C. C stays marked.
 */
void mrc_log_record_log_of(struct mrc_log_record *record, conn_rec *c, apr_off_t body_bytes,
                           enum mrc_end end);

/* The hook log_transaction, before those of all other modules: keeps them from logging a request
 * that has a record, and notes the bytes that came for R. */
int mrc_log_record_log_transaction(request_rec *r);

#endif
