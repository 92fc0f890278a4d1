/*
 * The queue of presences that have ended: any thread posts them, and the announcer takes them.
 */
#ifndef MRC_HUB_PRESENCE_QUEUE_H
#define MRC_HUB_PRESENCE_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "apr_errno.h"
#include "apr_pools.h"

#include "hub/base/list.h"

struct mrc_hub;
struct mrc_presence_queue;

/* The active subscriptions of one subscriber. They belong to one thread at a time. */
struct mrc_presence {
    struct mrc_list_link link; /* in a list of presences that have ended */
    struct mrc_hub *hub;
    size_t count;     /* entries in the roster */
    size_t announced; /* the ends of this many entries, from the first on, are announced */
    uint32_t id[];
};

/* The queue lives in POOL. Errors are those of mrc_wake_open(). */
apr_status_t mrc_presence_queue_create(apr_pool_t *pool, struct mrc_presence_queue **ret_queue);

/* Hands over PRESENCE, which has ended, or frees it if the announcer has stopped. Any thread, and a
 * signal handler; never blocks. */
void mrc_presence_queue_post(struct mrc_presence_queue *queue, struct mrc_presence *presence);

/* Asks the announcer to look for orphans. Any thread; never blocks. */
void mrc_presence_queue_post_look(struct mrc_presence_queue *queue);

/* Notes that subscriptions have begun that are not announced; taking it forgets it. Any thread. */
void mrc_presence_queue_post_late(struct mrc_presence_queue *queue);
bool mrc_presence_queue_take_late(struct mrc_presence_queue *queue);

/* Tells the announcer to stop. Any thread; never blocks. */
void mrc_presence_queue_post_stop(struct mrc_presence_queue *queue);

/*
 * Waits until something is posted, at most for WAIT_US, and appends the presences to LISTS, which
 * has one list for each hub of the child, at the index of the hub. HAS_LEFT: only the time or a
 * stop ends the wait. True: the announcer must stop, and nothing can be posted any more. Only the
 * announcer.
 */
bool mrc_presence_queue_take(struct mrc_presence_queue *queue, struct mrc_list *lists,
                             int64_t wait_us, bool has_left);

#endif
