/*
 * The announcer: one thread of each child that announces the ends of subscriptions, those of its
 * own child and those that dead children and servers left. To announce is to publish, which may
 * wait for a lock or a disk, so a dispatcher must not do it.
 */
#ifndef MRC_HUB_PRESENCE_ANNOUNCER_H
#define MRC_HUB_PRESENCE_ANNOUNCER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "apr_errno.h"
#include "apr_pools.h"

struct mrc_announcer;
struct mrc_hub;

/*
 * Starts the thread for COUNT hubs, and gives them the queue that it reads (queue.h). HUBS outlives
 * it; those that are NULL may be set later, once. The struct lives in POOL.
 */
apr_status_t mrc_announcer_start(apr_pool_t *pool, _Atomic(struct mrc_hub *) *hubs, size_t count,
                                 struct mrc_announcer **ret_announcer);

/*
 * Gives the queue to HUB, which is opened later, before it is put into HUBS. ANNOUNCER may be NULL.
 */
void mrc_announcer_adopt(struct mrc_announcer *announcer, struct mrc_hub *hub);

/* Makes the announcer look for subscriptions that dead children left, if there are any. Any thread;
 * never blocks. Accepts NULL. */
void mrc_announcer_post_look(struct mrc_announcer *announcer);

/*
 * Announces all posted ends, and ends the thread. An end that cannot be announced stays in the
 * roster for the next child. A presence that is posted later is only freed. False: the thread has
 * not ended within some seconds, and the process must end without waiting for it. Accepts NULL.
 */
bool mrc_announcer_stop(struct mrc_announcer *announcer);

#endif
