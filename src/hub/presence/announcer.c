#include "hub/presence/announcer.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>

#include "apr_thread_proc.h"

#include "hub/base/clock.h"
#include "hub/base/thread.h"
#include "hub/hub/hub.h"
#include "hub/presence/presence.h"
#include "store/base/status.h"
#include "store/regions/roster.h"

/* What could not be told is tried again, and what others have left is looked for, so often. */
#define PAUSE_S 1

/* What is told at the end has been told by then, unless the store is slow. */
#define JOIN_US ((int64_t)3000 * 1000)

/* In the order in which they came. */
struct queue {
    struct mrc_presence *first, *last;
};

struct mrc_announcer {
    apr_thread_t *thread;
    struct mrc_hub *const *hubs;
    size_t hubs_count;
    struct queue *todo; /* of each hub; the thread's own */
    pthread_mutex_t lock;
    pthread_cond_t wake;

    /* Under the lock. */
    struct queue *posted; /* of each hub */
    bool has_posted;      /* one of them has something */
    bool is_to_look;
    bool stopping;
};

/* ---- the thread -------------------------------------------------------------------------------*/

static void append(struct queue *queue, const struct queue *more)
{
    if (!more->first)
        return;
    if (queue->first)
        queue->last->next = more->first;
    else
        queue->first = more->first;
    queue->last = more->last;
}

/*
 * Waits for something to do, PAUSE_S at most, and takes it. HAS_LEFT: nothing but the end is worth
 * to wake for, since what could not be told just now would fail again. True: the announcer stops.
 */
static bool take_work(struct mrc_announcer *announcer, bool has_left)
{
    struct timespec until;
    bool stopping;
    sigset_t mask;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += PAUSE_S;
    mrc_thread_lock(&announcer->lock, &mask);
    while (!announcer->stopping &&
           (has_left || (!announcer->has_posted && !announcer->is_to_look))) {
        if (pthread_cond_timedwait(&announcer->wake, &announcer->lock, &until) != 0)
            break;
    }
    for (size_t i = 0; announcer->has_posted && i < announcer->hubs_count; i++) {
        append(&announcer->todo[i], &announcer->posted[i]);
        announcer->posted[i] = (struct queue){NULL, NULL};
    }
    announcer->has_posted = false;
    announcer->is_to_look = false;
    stopping = announcer->stopping;
    mrc_thread_unlock(&announcer->lock, &mask);
    return stopping;
}

static void drop(struct queue *queue)
{
    while (queue->first) {
        struct mrc_presence *next = queue->first->next;

        free(queue->first);
        queue->first = next;
    }
}

/* Tells the end of all that this child's subscribers had; false: something is left. */
static bool tell_own(struct mrc_announcer *announcer)
{
    bool has_left = false;

    for (size_t i = 0; i < announcer->hubs_count; i++) {
        struct queue *queue = &announcer->todo[i];

        if (queue->first && mrc_presence_tell_ends(&queue->first) == MRC_STATUS_SUPERSEDED)
            drop(queue);
        if (queue->first)
            has_left = true;
    }
    return !has_left;
}

static void tell_orphans(const struct mrc_announcer *announcer)
{
    for (size_t i = 0; i < announcer->hubs_count; i++) {
        if (announcer->hubs[i])
            mrc_presence_tell_orphans(announcer->hubs[i]);
    }
}

static void *APR_THREAD_FUNC run(apr_thread_t *thread, void *arg)
{
    struct mrc_announcer *announcer = arg;
    bool has_left = false;

    for (;;) {
        bool stopping = take_work(announcer, has_left);

        has_left = !tell_own(announcer);
        if (stopping)
            break;
        tell_orphans(announcer);
    }
    for (size_t i = 0; i < announcer->hubs_count; i++)
        drop(&announcer->todo[i]);
    return NULL;
}

/* ---- from outside -----------------------------------------------------------------------------*/

static bool has_roster(struct mrc_hub *const *hubs, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (hubs[i] && mrc_hub_roster(hubs[i]))
            return true;
    }
    return false;
}

static apr_status_t start_thread(apr_pool_t *pool, struct mrc_announcer *announcer)
{
    pthread_condattr_t attr;

    pthread_mutex_init(&announcer->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&announcer->wake, &attr);
    pthread_condattr_destroy(&attr);
    return mrc_thread_start(pool, run, announcer, &announcer->thread);
}

apr_status_t mrc_announcer_start(apr_pool_t *pool, struct mrc_hub *const *hubs, size_t count,
                                 struct mrc_announcer **ret_announcer)
{
    struct mrc_announcer *announcer;
    apr_status_t status;

    if (!has_roster(hubs, count)) {
        *ret_announcer = NULL;
        return APR_SUCCESS;
    }
    announcer = apr_pcalloc(pool, sizeof(*announcer));
    announcer->hubs = hubs;
    announcer->hubs_count = count;
    announcer->todo = apr_pcalloc(pool, count * sizeof(*announcer->todo));
    announcer->posted = apr_pcalloc(pool, count * sizeof(*announcer->posted));
    announcer->is_to_look = true; /* for what is left of children that nobody has survived */
    for (size_t i = 0; i < count; i++) {
        if (hubs[i])
            mrc_hub_set_announcer(hubs[i], announcer);
    }
    status = start_thread(pool, announcer);
    if (status == APR_SUCCESS)
        *ret_announcer = announcer;
    return status;
}

void mrc_announcer_post(struct mrc_announcer *announcer, struct mrc_presence *presence)
{
    const struct queue one = {presence, presence};
    bool is_late;
    sigset_t mask;

    presence->next = NULL;
    mrc_thread_lock(&announcer->lock, &mask);
    is_late = announcer->stopping;
    if (!is_late) {
        append(&announcer->posted[mrc_hub_get_index(presence->hub)], &one);
        announcer->has_posted = true;
        pthread_cond_signal(&announcer->wake);
    }
    mrc_thread_unlock(&announcer->lock, &mask);
    if (is_late)
        free(presence);
}

void mrc_announcer_post_look(struct mrc_announcer *announcer)
{
    bool has_orphans = false;
    sigset_t mask;

    for (size_t i = 0; announcer && i < announcer->hubs_count && !has_orphans; i++) {
        struct mrc_roster *roster = announcer->hubs[i] ? mrc_hub_roster(announcer->hubs[i]) : NULL;

        has_orphans = roster && mrc_roster_has_orphans(roster);
    }
    if (!has_orphans)
        return;
    mrc_thread_lock(&announcer->lock, &mask);
    announcer->is_to_look = true;
    pthread_cond_signal(&announcer->wake);
    mrc_thread_unlock(&announcer->lock, &mask);
}

bool mrc_announcer_stop(struct mrc_announcer *announcer)
{
    sigset_t mask;

    if (!announcer)
        return true;
    mrc_thread_lock(&announcer->lock, &mask);
    announcer->stopping = true;
    pthread_cond_signal(&announcer->wake);
    mrc_thread_unlock(&announcer->lock, &mask);
    return mrc_thread_join(announcer->thread, mrc_clock_us() + JOIN_US);
}
