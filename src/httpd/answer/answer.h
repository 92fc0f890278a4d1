/*
 * Answers: the only place where a request gets its HTTP status. Each function that sends an answer
 * returns the value for the handler to return.
 */
#ifndef MRC_HTTPD_ANSWER_ANSWER_H
#define MRC_HTTPD_ANSWER_ANSWER_H

#include <stdbool.h>

#include "httpd.h"

#include "core/base/bytes.h"

/* Sends BODY with STATUS, and with the headers of every answer of the hub. */
int mrc_answer_send(request_rec *r, int status, const char *content_type, struct mrc_bytes body);

/* The same with status 200. */
int mrc_answer_ok(request_rec *r, const char *content_type, struct mrc_bytes body);

/*
 * Sends a problem document (RFC 9457) with STATUS. DETAIL is a sentence for the developer of the
 * client that says what to fix. It contains no secret.
 */
int mrc_answer_problem(request_rec *r, int status, const char *detail);

/* Gives the next problem document for R the member `index`: the bad update of its batch. */
void mrc_answer_set_index(request_rec *r, size_t index);

/*
 * Turns away a request for a temporary reason. An EventSource never retries after an error status,
 * so a client that accepts an event stream gets a stream that says when to come back, and ends.
 * Other clients, and all publications, get 503 with DETAIL.
 */
int mrc_answer_later(request_rec *r, const char *detail);

/* Whether R was turned away with such a stream, which still accepts events. */
bool mrc_answer_is_stream(const request_rec *r);

/* Answers 503 with DETAIL. The client may retry after a second. */
int mrc_answer_retry(request_rec *r, const char *detail);

/* Answers 429 with DETAIL. The client may retry after SECONDS. */
int mrc_answer_too_many(request_rec *r, const char *detail, apr_int64_t seconds);

/* Adds the headers of a stream; before its first bytes are sent. */
void mrc_answer_add_stream_headers(request_rec *r);

/*
 * Adds the headers of every answer of the module, including streams, and keeps httpd from sending
 * only a part of the answer (Range). Before the first bytes are sent; the functions above do it.
 */
void mrc_answer_add_headers(request_rec *r);

#endif
