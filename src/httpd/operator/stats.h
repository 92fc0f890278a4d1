/*
 * GET control/stats: the state of the hub and what happens in it, once or, as an event stream, once
 * a second.
 */
#ifndef MRC_HTTPD_OPERATOR_STATS_H
#define MRC_HTTPD_OPERATOR_STATS_H

struct mrc_operator_call;

/* Returns the value for the handler to return. */
int mrc_operator_stats(struct mrc_operator_call *call);

#endif
