/*
 * The announcer: a thread of each child that tells of the subscriptions that have ended, its own
 * and those of children that died. Telling is publishing, which may wait for a lock or a disk, and
 * so is nothing for a dispatcher.
 */
#ifndef MRC_HUB_PRESENCE_ANNOUNCER_H
#define MRC_HUB_PRESENCE_ANNOUNCER_H

#include <stdbool.h>
#include <stddef.h>

#include "apr_errno.h"
#include "apr_pools.h"

struct mrc_announcer;
struct mrc_hub;
struct mrc_presence;

/*
 * Starts it for COUNT hubs (some may be NULL), and tells them who it is. Without a hub that keeps a
 * roster there is no thread, and RET_ANNOUNCER is NULL. The struct lives in POOL.
 */
apr_status_t mrc_announcer_start(apr_pool_t *pool, struct mrc_hub *const *hubs, size_t count,
                                 struct mrc_announcer **ret_announcer);

/* Takes PRESENCE, which has ended, over. Any thread; never blocks. */
void mrc_announcer_post(struct mrc_announcer *announcer, struct mrc_presence *presence);

/* Looks for what dead children have left, if there is any. Any thread; never blocks. Accepts NULL.
 */
void mrc_announcer_post_look(struct mrc_announcer *announcer);

/*
 * Tells all that was posted, and ends the thread. What cannot be told stays in the rosters for the
 * next child. What is posted later is only freed. False: the thread has not ended within some
 * seconds, and the process has to end without it. Accepts NULL.
 */
bool mrc_announcer_stop(struct mrc_announcer *announcer);

#endif
