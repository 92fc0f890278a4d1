#include "hub/presence/queue.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "hub/base/mailbox.h"
#include "hub/base/wake.h"
#include "hub/hub/hub.h"
#include "store/base/clock.h"

struct mrc_presence_queue {
    struct mrc_wake wake;
    struct mrc_mailbox posted;
    atomic_bool is_to_look;
    atomic_bool has_late;
    atomic_bool stopping;
};

apr_status_t mrc_presence_queue_create(apr_pool_t *pool, struct mrc_presence_queue **ret_queue)
{
    struct mrc_presence_queue *queue = apr_pcalloc(pool, sizeof(*queue));
    apr_status_t status = mrc_wake_open(&queue->wake, pool);

    mrc_mailbox_init(&queue->posted, &queue->wake);
    if (status == APR_SUCCESS)
        *ret_queue = queue;
    return status;
}

void mrc_presence_queue_post(struct mrc_presence_queue *queue, struct mrc_presence *presence)
{
    if (!mrc_mailbox_post(&queue->posted, &presence->link))
        free(presence);
}

void mrc_presence_queue_post_look(struct mrc_presence_queue *queue)
{
    atomic_store(&queue->is_to_look, true);
    mrc_wake_post(&queue->wake);
}

void mrc_presence_queue_post_late(struct mrc_presence_queue *queue)
{
    atomic_store(&queue->has_late, true);
}

bool mrc_presence_queue_take_late(struct mrc_presence_queue *queue)
{
    return atomic_exchange(&queue->has_late, false);
}

void mrc_presence_queue_post_stop(struct mrc_presence_queue *queue)
{
    atomic_store(&queue->stopping, true);
    mrc_wake_post(&queue->wake);
}

/* Waits. True: the announcer must stop. */
static bool wait_for_work(struct mrc_presence_queue *queue, int64_t wait_us, bool has_left)
{
    int64_t until_us = mrc_clock_us() + wait_us;

    while (!atomic_load(&queue->stopping)) {
        int64_t left_us = until_us - mrc_clock_us();

        if (left_us <= 0 || (!has_left && (!mrc_mailbox_is_empty(&queue->posted) ||
                                           atomic_load(&queue->is_to_look))))
            return false;
        mrc_wake_wait(&queue->wake, (int)(left_us / 1000) + 1);
    }
    return true;
}

bool mrc_presence_queue_take(struct mrc_presence_queue *queue, struct mrc_list *lists,
                             int64_t wait_us, bool has_left)
{
    bool stopping = wait_for_work(queue, wait_us, has_left);
    struct mrc_list posted =
        stopping ? mrc_mailbox_close(&queue->posted) : mrc_mailbox_take(&queue->posted);
    struct mrc_list_link *link;

    atomic_store(&queue->is_to_look, false);
    while ((link = mrc_list_take(&posted))) {
        const struct mrc_presence *presence = (struct mrc_presence *)link;

        mrc_list_append(&lists[mrc_hub_get_index(presence->hub)], link);
    }
    return stopping;
}
