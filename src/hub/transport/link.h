/*
 * The link: the thread of a child that connects hubs with the engine that they share with other
 * machines. Links of all children try to lead; the leader of a hub is one thread of the machine.
 *
 *           +--any error, time-out, end of file---+
 *           v                                     |
 *     DISCONNECTED --connect, check the server--> CONNECTED: each hub that it leads joins; then
 *                                                   W: batches of publications, beats
 *                                                   R: waits for entries
 *
 * A link serves up to MRC_LINK_HUBS_MAX hubs over two connections.
 */
#ifndef MRC_HUB_TRANSPORT_LINK_H
#define MRC_HUB_TRANSPORT_LINK_H

#include <stdbool.h>
#include <stddef.h>

#include "apr_errno.h"
#include "apr_pools.h"

#include "hub/transport/report.h"
#include "hub/transport/respond.h"

struct mrc_hub;
struct mrc_link_thread;
struct mrc_notify;

#define MRC_LINK_HUBS_MAX 32

/* Starts the thread for COUNT hubs of one engine. RESPONDER answers the questions of other
 * machines; NULL: they are not answered. The struct lives in POOL; the arguments outlive it.
 * APR_INCOMPLETE: it has failed, and a thread has not ended, so POOL must stay. */
apr_status_t mrc_link_thread_start(apr_pool_t *pool, struct mrc_hub *const *hubs, size_t count,
                                   const struct mrc_notify *notify, mrc_link_report_fn *report,
                                   void *report_ctx, const struct mrc_responder *responder,
                                   struct mrc_link_thread **ret_link);

/* The child ends: leaves its hubs to another child, if there is one. Any thread, and a signal
 * handler. */
void mrc_link_thread_post_drain(struct mrc_link_thread *link);

/* Makes the thread end. */
void mrc_link_thread_post_stop(struct mrc_link_thread *link);

/* Waits for the end of the thread until UNTIL_US of store/base/clock.h. False: it has not ended. */
bool mrc_link_thread_join(struct mrc_link_thread *link, int64_t until_us);

#endif
