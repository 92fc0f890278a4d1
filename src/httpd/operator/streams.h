/*
 * GET HUB/control/streams: the open streams of all children, page by page.
 */
#ifndef MRC_HTTPD_OPERATOR_STREAMS_H
#define MRC_HTTPD_OPERATOR_STREAMS_H

struct mrc_operator_call;

/* Returns the value for the handler to return. */
int mrc_operator_streams(struct mrc_operator_call *call);

#endif
