/*
 * One call of an operator, on its way through the steps of its resource. A step returns DECLINED to
 * continue; otherwise the call has been answered, and the handler returns the value.
 */
#ifndef MRC_HTTPD_OPERATOR_CALL_H
#define MRC_HTTPD_OPERATOR_CALL_H

#include <stdbool.h>

#include "httpd.h"

#include "core/base/bytes.h"

struct mrc_claim;
struct mrc_form;
struct mrc_hub;
struct mrc_token;

struct mrc_operator_call {
    request_rec *r;
    const struct mrc_claim *claim;
    const char *name;        /* of the resource */
    const char *item;        /* the undecoded name of an item, after that of the resource */
    struct mrc_token *token; /* the operator's */
    struct mrc_hub *hub;
    struct mrc_form *form; /* the views of its fields live as long as the call; NULL: none read */
    const char *fields;    /* what the log says about them */
    bool is_logged;
};

/*
 * Writes the line of CALL, answered with STATUS, to the error log, once. The functions below do it,
 * too, and so does the end of the call.
 */
void mrc_operator_log(struct mrc_operator_call *call, int status);

/* Answers with STATUS and the JSON document BODY, and logs the call. */
int mrc_operator_answer(struct mrc_operator_call *call, int status, struct mrc_bytes body);

/* Answers with a problem document, and logs the call. */
int mrc_operator_refuse(struct mrc_operator_call *call, int status, const char *detail);

/*
 * Answers with the problem of STATUS, with which the hub did not store an order, and logs the call.
 */
int mrc_operator_fail(struct mrc_operator_call *call, apr_status_t status);

#endif
