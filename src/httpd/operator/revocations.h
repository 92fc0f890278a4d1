/*
 * GET control/revocations: the standing revocations. DELETE control/revocations/{id}: lifts one.
 */
#ifndef MRC_HTTPD_OPERATOR_REVOCATIONS_H
#define MRC_HTTPD_OPERATOR_REVOCATIONS_H

struct mrc_operator_call;

/* Each returns the value for the handler to return. */
int mrc_operator_list_revocations(struct mrc_operator_call *call);
int mrc_operator_lift(struct mrc_operator_call *call);

#endif
