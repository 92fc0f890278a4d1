/*
 * Reads the bodies of requests, within limits.
 */
#ifndef MRC_HTTPD_ANSWER_BODY_H
#define MRC_HTTPD_ANSWER_BODY_H

#include <stdbool.h>

#include "httpd.h"

#include "httpd/answer/failure.h"

struct mrc_buf;
struct mrc_form;

/*
 * Reads and discards the body of R, as a handler that has no use for it must. DECLINED: R may
 * continue. Anything else: the request has been answered (400, 408, or 413 beyond
 * LimitRequestBody), and the handler returns this value.
 */
int mrc_body_discard(request_rec *r);

/* Whether the field Content-Type of R says that its body is JSON. */
bool mrc_body_is_json(const request_rec *r);

/*
 * Reads the whole body of R, of any type. The answer to a body that the filters leave encoded is
 * 415; to one of more than MAX_BYTES, 413; to other errors, 400. DECLINED: R may continue. Anything
 * else: the request has been answered, and the handler returns this value. The caller always frees
 * RET_BODY.
 */
int mrc_body_read(request_rec *r, size_t max_bytes, struct mrc_buf *ret_body);

/*
 * Reads the form in the body of R, which is an INPUT. The answer to a body that is not a form, or
 * that the filters leave encoded, is 415; to one of more than MAX_BYTES, 413; to one with more than
 * MAX_PAIRS fields, the status for a limit of INPUT (failure.h); to other errors, 400. DECLINED: R
 * may continue, and the caller owns RET_FORM. Anything else: the request has been answered, and the
 * handler returns this value.
 */
int mrc_body_read_form(request_rec *r, enum mrc_input input, size_t max_bytes, size_t max_pairs,
                       struct mrc_form **ret_form);

/* Registers the filter. When the module is loaded, before any other function of this header. */
void mrc_body_register(void);

#endif
