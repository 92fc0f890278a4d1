#include "hub/presence/announcer.h"

#include <stdlib.h>

#include "apr_thread_proc.h"

#include "hub/base/thread.h"
#include "hub/hub/hub.h"
#include "hub/presence/presence.h"
#include "hub/presence/queue.h"
#include "hub/presence/reap.h"
#include "store/base/clock.h"
#include "store/base/status.h"
#include "store/regions/link.h"
#include "store/regions/roster.h"

/* The thread retries failed announcements, and looks for orphans, this often. */
#define PAUSE_US ((int64_t)1000 * 1000)

/* The wait for the end of the thread. All ends are announced by then, unless the store is slow. */
#define JOIN_US ((int64_t)3000 * 1000)

struct mrc_announcer {
    apr_thread_t *thread;
    struct mrc_presence_queue *queue;
    _Atomic(struct mrc_hub *) *hubs;
    size_t hubs_count;
    uint64_t *reaped;      /* of each hub: the last value of mrc_link_get_reaped() */
    struct mrc_list *todo; /* presences of each hub that have ended; the thread's own */
};

/* ---- the thread -------------------------------------------------------------------------------*/

static void drop(struct mrc_list *list)
{
    while (list->first)
        free(mrc_list_take(list));
}

/* Announces the ends of all presences of this child. False: some are left. */
static bool announce_own(struct mrc_announcer *announcer)
{
    bool has_left = false;

    for (size_t i = 0; i < announcer->hubs_count; i++) {
        struct mrc_list *list = &announcer->todo[i];

        if (list->first && mrc_presence_announce_ends(list) == MRC_STATUS_SUPERSEDED)
            drop(list);
        if (list->first)
            has_left = true;
    }
    return !has_left;
}

static void announce_orphans(const struct mrc_announcer *announcer)
{
    for (size_t i = 0; i < announcer->hubs_count; i++) {
        struct mrc_hub *hub = atomic_load(&announcer->hubs[i]);

        if (hub)
            mrc_presence_announce_orphans(hub);
    }
}

/* Whether other machines have declared this one dead since the last call. */
static bool was_reaped(struct mrc_announcer *announcer)
{
    bool result = false;

    for (size_t i = 0; i < announcer->hubs_count; i++) {
        const struct mrc_hub *hub = atomic_load(&announcer->hubs[i]);
        const struct mrc_link *link = hub ? mrc_hub_link(hub) : NULL;
        uint64_t reaped = link ? mrc_link_get_reaped(link) : 0;

        result = result || reaped != announcer->reaped[i];
        announcer->reaped[i] = reaped;
    }
    return result;
}

/* Announces the subscriptions of this child that other machines do not know. */
static void announce_late(struct mrc_announcer *announcer)
{
    bool has_late = mrc_presence_queue_take_late(announcer->queue);
    bool has_left = false;

    if (!was_reaped(announcer) && !has_late)
        return;
    for (size_t i = 0; i < announcer->hubs_count; i++) {
        struct mrc_hub *hub = atomic_load(&announcer->hubs[i]);

        if (hub && mrc_presence_announce_late(hub) != APR_SUCCESS)
            has_left = true;
    }
    if (has_left)
        mrc_presence_queue_post_late(announcer->queue);
}

/* Announces the ends of what dead machines left. */
static void announce_dead_machines(const struct mrc_announcer *announcer)
{
    for (size_t i = 0; i < announcer->hubs_count; i++) {
        struct mrc_hub *hub = atomic_load(&announcer->hubs[i]);

        if (hub)
            mrc_presence_reap(hub);
    }
}

static void *APR_THREAD_FUNC run(apr_thread_t *thread, void *arg)
{
    struct mrc_announcer *announcer = arg;
    bool has_left = false;

    for (;;) {
        /* A failed announcement would fail again at once, so no post ends the pause early. */
        bool stopping =
            mrc_presence_queue_take(announcer->queue, announcer->todo, PAUSE_US, has_left);

        /* The beginnings first: an end is announced after its beginning. */
        if (!stopping)
            announce_late(announcer);
        has_left = !announce_own(announcer);
        if (stopping)
            break;
        announce_orphans(announcer);
        announce_dead_machines(announcer);
    }
    for (size_t i = 0; i < announcer->hubs_count; i++)
        drop(&announcer->todo[i]);
    return NULL;
}

/* ---- from outside -----------------------------------------------------------------------------*/

apr_status_t mrc_announcer_start(apr_pool_t *pool, _Atomic(struct mrc_hub *) *hubs, size_t count,
                                 struct mrc_announcer **ret_announcer)
{
    struct mrc_announcer *announcer = apr_pcalloc(pool, sizeof(*announcer));
    apr_status_t status;

    announcer->hubs = hubs;
    announcer->hubs_count = count;
    announcer->todo = apr_pcalloc(pool, count * sizeof(*announcer->todo));
    announcer->reaped = apr_pcalloc(pool, count * sizeof(*announcer->reaped));
    was_reaped(announcer); /* earlier ones do not concern this child */
    status = mrc_presence_queue_create(pool, &announcer->queue);
    if (status != APR_SUCCESS)
        return status;
    mrc_presence_queue_post_look(announcer->queue); /* for what dead children and servers left */
    for (size_t i = 0; i < count; i++) {
        struct mrc_hub *hub = atomic_load(&hubs[i]);

        if (hub)
            mrc_announcer_adopt(announcer, hub);
    }
    status = mrc_thread_start(pool, run, announcer, &announcer->thread);
    if (status == APR_SUCCESS)
        *ret_announcer = announcer;
    return status;
}

void mrc_announcer_adopt(struct mrc_announcer *announcer, struct mrc_hub *hub)
{
    if (announcer)
        mrc_hub_set_presence_queue(hub, announcer->queue);
}

void mrc_announcer_post_look(struct mrc_announcer *announcer)
{
    bool has_orphans = false;

    for (size_t i = 0; announcer && i < announcer->hubs_count && !has_orphans; i++) {
        const struct mrc_hub *hub = atomic_load(&announcer->hubs[i]);
        const struct mrc_roster *roster = hub ? mrc_hub_roster(hub) : NULL;

        has_orphans = roster && mrc_roster_has_orphans(roster);
    }
    if (has_orphans)
        mrc_presence_queue_post_look(announcer->queue);
}

bool mrc_announcer_stop(struct mrc_announcer *announcer)
{
    if (!announcer)
        return true;
    mrc_presence_queue_post_stop(announcer->queue);
    return mrc_thread_join(announcer->thread, mrc_clock_us() + JOIN_US);
}
