/*
 * The transport of a child: the links of its hubs to the engines that they share with other
 * machines. Hubs of the same engine share links.
 */
#ifndef MRC_HUB_TRANSPORT_TRANSPORT_H
#define MRC_HUB_TRANSPORT_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>

#include "apr_errno.h"
#include "apr_pools.h"

#include "hub/transport/report.h"
#include "hub/transport/respond.h"

struct mrc_hub;
struct mrc_notify;
struct mrc_transport;

/*
 * Starts the links of those of the COUNT HUBS that have a transport; some of HUBS may be NULL.
 * REPORT is called in their threads. RESPONDER answers what operators of other machines ask, in a
 * thread that may wait. RET_TRANSPORT gets NULL if no hub has one. The struct lives in POOL; the
 * arguments outlive it. APR_INCOMPLETE: it has failed, and a thread has not ended, so POOL must
 * stay.
 */
apr_status_t mrc_transport_start(apr_pool_t *pool, struct mrc_hub *const *hubs, size_t count,
                                 const struct mrc_notify *notify, mrc_link_report_fn *report,
                                 void *report_ctx, const struct mrc_responder *responder,
                                 struct mrc_transport **ret_transport);

/* The child ends: its links leave the hubs to other children. Any thread, and a signal handler.
 * Accepts NULL. */
void mrc_transport_post_drain(struct mrc_transport *transport);

/* Ends the threads and waits for them, at most some seconds. False: one has not ended, and the
 * process must end without waiting for it. Accepts NULL. */
bool mrc_transport_stop(struct mrc_transport *transport);

#endif
