/*
 * Answers: the only place where a request gets its HTTP status.
 */
#ifndef MRC_HTTPD_ANSWER_ANSWER_H
#define MRC_HTTPD_ANSWER_ANSWER_H

#include "httpd.h"

#include "core/base/bytes.h"

/*
 * Sends BODY with STATUS; the value for the handler to return. The headers that every answer of the
 * hub carries are added.
 */
int mrc_answer_send(request_rec *r, int status, const char *content_type, struct mrc_bytes body);

/*
 * Sends a problem document (RFC 9457) with STATUS; DETAIL is a sentence that tells the client's
 * developer what to mend, and gives away no secret. The value for the handler to return.
 */
int mrc_answer_problem(request_rec *r, int status, const char *detail);

/*
 * Turns away a request for a reason that passes. An EventSource would give up for ever on an
 * error status, so a client that accepts an event stream gets one that says when to come back, and
 * ends; any other gets 503 with DETAIL, and so does each publication. The value for the handler to
 * return.
 */
int mrc_answer_later(request_rec *r, const char *detail);

/*
 * Answers 503 with DETAIL to a client that may retry after a second. The value for the handler to
 * return.
 */
int mrc_answer_retry(request_rec *r, const char *detail);

/* The headers of a stream, to be sent with its first bytes. */
void mrc_answer_add_stream_headers(request_rec *r);

/* The headers of every answer of the hub, streams too. */
void mrc_answer_add_headers(request_rec *r);

#endif
