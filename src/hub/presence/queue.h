/*
 * The presences that have ended, on their way to the announcer: any thread posts them, the
 * announcer takes them.
 */
#ifndef MRC_HUB_PRESENCE_QUEUE_H
#define MRC_HUB_PRESENCE_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "apr_pools.h"

struct mrc_hub;
struct mrc_presence_queue;

/* The active subscriptions of one subscriber. They belong to one thread at a time. */
struct mrc_presence {
    struct mrc_presence *next; /* in a list of presences that have ended */
    struct mrc_hub *hub;
    size_t count;     /* entries in the roster */
    size_t announced; /* the end of this many of them, from the first on, is announced */
    uint32_t id[];
};

/* Presences of one hub, in the order in which they ended. */
struct mrc_presence_list {
    struct mrc_presence *first, *last;
};

/* A queue for COUNT hubs. It lives in POOL. */
struct mrc_presence_queue *mrc_presence_queue_create(apr_pool_t *pool, size_t count);

/* Hands PRESENCE, which has ended, over. A queue that was closed frees it. Any thread. */
void mrc_presence_queue_post(struct mrc_presence_queue *queue, struct mrc_presence *presence);

/* Asks the announcer to look for orphans. Any thread. */
void mrc_presence_queue_post_look(struct mrc_presence_queue *queue);

/* Closes it: what was posted is still taken. Any thread. */
void mrc_presence_queue_close(struct mrc_presence_queue *queue);

/*
 * Waits until something is posted, for WAIT_S at most, and appends what was posted to LISTS, one
 * for each hub. HAS_LEFT: only waits for the time, or until the queue is closed. True: it is
 * closed.
 */
bool mrc_presence_queue_take(struct mrc_presence_queue *queue, struct mrc_presence_list *lists,
                             int wait_s, bool has_left);

#endif
