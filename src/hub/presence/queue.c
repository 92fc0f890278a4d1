#include "hub/presence/queue.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "hub/base/thread.h"
#include "hub/hub/hub.h"

struct mrc_presence_queue {
    size_t count;
    pthread_mutex_t lock;
    pthread_cond_t wake;

    /* Under the lock. */
    struct mrc_presence_list *posted; /* of each hub */
    bool has_posted;                  /* one of them has something */
    bool is_to_look;
    bool is_closed;
};

struct mrc_presence_queue *mrc_presence_queue_create(apr_pool_t *pool, size_t count)
{
    struct mrc_presence_queue *queue = apr_pcalloc(pool, sizeof(*queue));
    pthread_condattr_t attr;

    queue->count = count;
    queue->posted = apr_pcalloc(pool, count * sizeof(*queue->posted));
    pthread_mutex_init(&queue->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&queue->wake, &attr);
    pthread_condattr_destroy(&attr);
    return queue;
}

static void append(struct mrc_presence_list *list, const struct mrc_presence_list *more)
{
    if (!more->first)
        return;
    if (list->first)
        list->last->next = more->first;
    else
        list->first = more->first;
    list->last = more->last;
}

void mrc_presence_queue_post(struct mrc_presence_queue *queue, struct mrc_presence *presence)
{
    const struct mrc_presence_list one = {presence, presence};
    bool is_late;
    sigset_t mask;

    presence->next = NULL;
    mrc_thread_lock(&queue->lock, &mask);
    is_late = queue->is_closed;
    if (!is_late) {
        append(&queue->posted[mrc_hub_get_index(presence->hub)], &one);
        queue->has_posted = true;
        pthread_cond_signal(&queue->wake);
    }
    mrc_thread_unlock(&queue->lock, &mask);
    if (is_late)
        free(presence);
}

void mrc_presence_queue_post_look(struct mrc_presence_queue *queue)
{
    sigset_t mask;

    mrc_thread_lock(&queue->lock, &mask);
    queue->is_to_look = true;
    pthread_cond_signal(&queue->wake);
    mrc_thread_unlock(&queue->lock, &mask);
}

void mrc_presence_queue_close(struct mrc_presence_queue *queue)
{
    sigset_t mask;

    mrc_thread_lock(&queue->lock, &mask);
    queue->is_closed = true;
    pthread_cond_signal(&queue->wake);
    mrc_thread_unlock(&queue->lock, &mask);
}

bool mrc_presence_queue_take(struct mrc_presence_queue *queue, struct mrc_presence_list *lists,
                             int wait_s, bool has_left)
{
    struct timespec until;
    bool is_closed;
    sigset_t mask;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += wait_s;
    mrc_thread_lock(&queue->lock, &mask);
    while (!queue->is_closed && (has_left || (!queue->has_posted && !queue->is_to_look))) {
        if (pthread_cond_timedwait(&queue->wake, &queue->lock, &until) != 0)
            break;
    }
    for (size_t i = 0; queue->has_posted && i < queue->count; i++) {
        append(&lists[i], &queue->posted[i]);
        queue->posted[i] = (struct mrc_presence_list){NULL, NULL};
    }
    queue->has_posted = false;
    queue->is_to_look = false;
    is_closed = queue->is_closed;
    mrc_thread_unlock(&queue->lock, &mask);
    return is_closed;
}
