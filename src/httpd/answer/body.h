/*
 * Reading a request's body, bounded.
 */
#ifndef MRC_HTTPD_ANSWER_BODY_H
#define MRC_HTTPD_ANSWER_BODY_H

#include "httpd.h"

struct mrc_form;

/*
 * Reads R's body and throws it away, as the handler of a request must that has no use for one.
 * DECLINED: R may go on. Anything else: the request has been answered (400, 408, or 413 past
 * LimitRequestBody), and the handler returns this value.
 */
int mrc_body_discard(request_rec *r);

/*
 * Reads the form in R's body, which no filter may have left encoded (else 415): at most MAX_BYTES
 * (else 413) with at most MAX_PAIRS fields (else MANY_STATUS). DECLINED: R may go on, and RET_FORM
 * is the caller's to free. Anything else: the request has been answered (415, 413 or 400), and the
 * handler returns this value.
 */
int mrc_body_read_form(request_rec *r, size_t max_bytes, size_t max_pairs, int many_status,
                       struct mrc_form **ret_form);

/* Before anything else here, in the process that reads the configuration. */
void mrc_body_register(void);

#endif
