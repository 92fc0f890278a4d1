/*
 * POST control/revoke: refuses tokens from now on, and ends their streams. The field `token` is
 * that of RFC 7009.
 */
#ifndef MRC_HTTPD_OPERATOR_REVOKE_H
#define MRC_HTTPD_OPERATOR_REVOKE_H

struct mrc_operator_call;

/* Returns the value for the handler to return. */
int mrc_operator_revoke(struct mrc_operator_call *call);

#endif
