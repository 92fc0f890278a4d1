/*
 * POST control/disconnect: ends streams, whose clients may come back.
 */
#ifndef MRC_HTTPD_OPERATOR_DISCONNECT_H
#define MRC_HTTPD_OPERATOR_DISCONNECT_H

struct mrc_operator_call;

/* Returns the value for the handler to return. */
int mrc_operator_disconnect(struct mrc_operator_call *call);

#endif
