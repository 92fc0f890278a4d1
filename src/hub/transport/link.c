#include "hub/transport/link.h"

#include <errno.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "hub/base/thread.h"
#include "hub/hub/hub.h"
#include "hub/transport/link_internal.h"
#include "hub/transport/member.h"
#include "hub/transport/query.h"
#include "hub/transport/respond.h"
#include "store/base/clock.h"
#include "store/engine/lookup.h"
#include "store/ring/ring.h"
#include "store/shm/notify.h"

#define MS ((int64_t)1000)

/*
 * A link that does not lead tries to lead this often, so a dead leader is replaced within this
 * time.
 */
#define LEAD_US       (200 * MS)
#define LEAD_DRAIN_US (1000 * MS) /* a child that ends gives the others a head start */
#define LEAD_TRIES    5           /* see may_lead() */

#define ENTRY_BYTES_FIRST 1024

/* What epoll watches besides the sides of the connection. */
enum { WATCHED_WAKE = MRC_REDIS_SIDES, WATCHED_BELL };

/* ---- leading ----------------------------------------------------------------------------------*/

static bool leads_any(const struct mrc_link_thread *link)
{
    for (size_t i = 0; i < link->count; i++) {
        if (link->members[i].state != MRC_MEMBER_OUT)
            return true;
    }
    return false;
}

/* A child that ends leaves its hubs to others once no updates of them are on their way. If it leads
 * again after that, there is no other child. */
static bool must_resign(const struct mrc_link_thread *link, const struct mrc_member *member)
{
    return mrc_ring_is_superseded(member->ring) ||
           (atomic_load(&link->draining) && !member->has_left &&
            mrc_outbox_is_empty(member->outbox));
}

static bool is_up(const struct mrc_member *member)
{
    struct mrc_link_status status;

    mrc_link_get_status(member->link, &status);
    return status.state == MRC_LINK_UP;
}

/*
 * Whether to try to lead member I. The link that leads the first member leads the others, too, so
 * that they share its connections. Only a child of another configuration may lead the first one and
 * not the others: they are tried after a second.
 */
static bool may_lead(const struct mrc_link_thread *link, size_t i)
{
    return i == 0 || leads_any(link) || link->lead_tries % LEAD_TRIES == 0;
}

static void settle_the_lead(struct mrc_link_thread *link, int64_t now_us)
{
    bool is_due = now_us >= link->lead_at_us;

    if (is_due)
        link->lead_tries++;
    for (size_t i = 0; i < link->count; i++) {
        struct mrc_member *member = &link->members[i];

        if (member->state != MRC_MEMBER_OUT && must_resign(link, member)) {
            mrc_link_thread_forget_expected(link, member);
            mrc_member_resign(member);
            member->has_left = true;
            link->lead_at_us = now_us + LEAD_DRAIN_US;
        } else if (member->state == MRC_MEMBER_OUT && is_due && may_lead(link, i) &&
                   mrc_member_lead(member)) {
            link->has_reported_up = is_up(member); /* the leader before this one has */
        }
    }
    if (is_due)
        mrc_query_line_rest(link->line);
    if (is_due)
        link->lead_at_us = now_us + (atomic_load(&link->draining) ? LEAD_DRAIN_US : LEAD_US);
    if (!leads_any(link) && link->redis)
        mrc_link_thread_disconnect(link);
}

/* ---- one turn ---------------------------------------------------------------------------------*/

/* While there is no connection, nothing that is staged may wait for one. */
static void refuse_staged(struct mrc_link_thread *link)
{
    for (size_t i = 0; i < link->count; i++) {
        struct mrc_member *member = &link->members[i];
        struct mrc_link_status status;

        if (member->state != MRC_MEMBER_LED)
            continue;
        mrc_link_get_status(member->link, &status);
        if (status.state == MRC_LINK_DOWN)
            mrc_outbox_refuse_staged(member->outbox);
    }
}

/* Notes whether the thread sleeps. False: there is something to do. */
static bool set_napping(struct mrc_link_thread *link, bool is_napping)
{
    bool may_sleep = true;

    for (size_t i = 0; i < link->count; i++) {
        struct mrc_member *member = &link->members[i];

        if (member->state == MRC_MEMBER_OUT)
            continue;
        mrc_link_set_napping(member->link, is_napping);
        if (is_napping && mrc_outbox_has_work(member->outbox) &&
            (member->state == MRC_MEMBER_LED || mrc_clock_us() >= member->send_at_us))
            may_sleep = false;
        if (is_napping && member->state == MRC_MEMBER_IN && !member->asked &&
            mrc_link_asked(member->link) != mrc_link_answered(member->link))
            may_sleep = false;
    }
    return may_sleep;
}

/* The next moment at which something is due. */
static int64_t next_us(const struct mrc_link_thread *link)
{
    int64_t next = link->lead_at_us;

    if (leads_any(link) && !link->redis && link->connect_at_us < next)
        next = link->connect_at_us;
    if (mrc_link_thread_has_sentinel(link) && link->sentinel_at_us < next)
        next = link->sentinel_at_us;
    if (link->expected_count > 0 && link->expected[link->first].until_us < next)
        next = link->expected[link->first].until_us;
    for (size_t i = 0; i < link->count; i++) {
        const struct mrc_member *member = &link->members[i];

        if (member->state == MRC_MEMBER_IN && member->restore_at_us && member->restore_at_us < next)
            next = member->restore_at_us;
        if (member->state == MRC_MEMBER_IN && member->beat_at_us < next)
            next = member->beat_at_us;
        if (member->state == MRC_MEMBER_IN && member->is_full &&
            mrc_outbox_has_work(member->outbox) && member->send_at_us < next)
            next = member->send_at_us;
    }
    return next;
}

/* Waits for the engine, for publishers, or until something is due. */
static bool wait_for_events(struct mrc_link_thread *link, struct mrc_engine_error *error)
{
    struct epoll_event events[8];
    int64_t wait_us;
    int n;

    if (!set_napping(link, true)) {
        wait_us = 0;
    } else {
        wait_us = next_us(link) - mrc_clock_us();
    }
    n = epoll_wait(link->epoll_fd, events, 8, wait_us <= 0 ? 0 : (int)(wait_us / MS) + 1);
    set_napping(link, false);
    mrc_wake_drain(&link->wake);
    for (int i = 0; i < n; i++) {
        int64_t now_us = mrc_clock_us();

        if (!link->redis)
            break;
        if (events[i].data.u32 == MRC_REDIS_W && !mrc_link_thread_receive_w(link, now_us, error))
            return false;
        if (events[i].data.u32 == MRC_REDIS_R && !mrc_link_thread_receive_r(link, now_us, error))
            return false;
        if (events[i].data.u32 == MRC_REDIS_S && !mrc_link_thread_receive_s(link, error))
            return false;
    }
    return true;
}

static void turn(struct mrc_link_thread *link)
{
    struct mrc_engine_error error = {.reason = MRC_ENGINE_PROTOCOL};
    int64_t now_us = mrc_clock_us();

    settle_the_lead(link, now_us);
    if (leads_any(link) && !link->redis && now_us >= link->connect_at_us)
        mrc_link_thread_connect(link);
    refuse_staged(link);
    if (link->redis && !mrc_link_thread_work(link, mrc_clock_us(), &error))
        mrc_link_thread_fail(link, &error);
    else if (!wait_for_events(link, &error))
        mrc_link_thread_fail(link, &error);
}

static void *APR_THREAD_FUNC run(apr_thread_t *thread, void *arg)
{
    struct mrc_link_thread *link = arg;

    while (!atomic_load(&link->stopping))
        turn(link);
    mrc_link_thread_disconnect(link);
    for (size_t i = 0; i < link->count; i++)
        mrc_member_resign(&link->members[i]);
    mrc_lookups_free(link->lookups);
    return NULL;
}

/* ---- start and stop ---------------------------------------------------------------------------*/

static apr_status_t close_epoll(void *data)
{
    const struct mrc_link_thread *link = data;

    close(link->epoll_fd);
    return APR_SUCCESS;
}

static apr_status_t open_epoll(apr_pool_t *pool, struct mrc_link_thread *link)
{
    link->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (link->epoll_fd < 0)
        return errno;
    apr_pool_cleanup_register(pool, link, close_epoll, apr_pool_cleanup_null);
    return mrc_link_thread_watch(link, link->wake.fd, EPOLLIN, WATCHED_WAKE) &&
                   mrc_link_thread_watch(link, mrc_notify_bell_fd(link->notify), EPOLLIN | EPOLLET,
                                         WATCHED_BELL)
               ? APR_SUCCESS
               : errno;
}

static bool has_operators(struct mrc_hub *const *hubs, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (mrc_hub_revocations(hubs[i]))
            return true;
    }
    return false;
}

apr_status_t mrc_link_thread_start(apr_pool_t *pool, struct mrc_hub *const *hubs, size_t count,
                                   const struct mrc_notify *notify, mrc_link_report_fn *report_fn,
                                   void *report_ctx, const struct mrc_responder *responder,
                                   struct mrc_link_thread **ret_link)
{
    struct mrc_link_thread *link = apr_pcalloc(pool, sizeof(*link));
    apr_status_t status = mrc_wake_open(&link->wake, pool);

    if (status != APR_SUCCESS)
        return status;
    link->notify = notify;
    link->report = report_fn;
    link->report_ctx = report_ctx;
    link->spec = &mrc_hub_get_spec(hubs[0])->transport->engine;
    link->count = count;
    link->members = apr_pcalloc(pool, count * sizeof(*link->members));
    link->reported = MRC_ENGINE_REASONS;
    link->entry_bytes = ENTRY_BYTES_FIRST;
    link->read_entries = MRC_LINK_READ_ENTRIES_MAX;
    link->random = (unsigned)getpid();
    link->line = mrc_query_line_create(pool);
    if (!link->line)
        return APR_ENOMEM;
    for (size_t i = 0; i < count; i++) {
        mrc_member_init(pool, &link->members[i], hubs[i], report_fn, report_ctx);
        mrc_query_create(pool, link->line, hubs[i]);
    }
    link->lookups = mrc_lookups_create(); /* the thread frees it */
    if (!link->lookups)
        return APR_ENOMEM;
    status = open_epoll(pool, link);
    if (status == APR_SUCCESS && responder && has_operators(hubs, count))
        status = mrc_respond_start(pool, responder, &link->respond);
    if (status == APR_SUCCESS)
        status = mrc_thread_start(pool, run, link, &link->thread);
    if (status != APR_SUCCESS) {
        mrc_respond_post_stop(link->respond);
        if (!mrc_respond_join(link->respond, mrc_clock_us() + 1000 * MS))
            status = APR_INCOMPLETE;
        mrc_lookups_free(link->lookups);
    }
    if (status == APR_SUCCESS)
        *ret_link = link;
    return status;
}

void mrc_link_thread_post_drain(struct mrc_link_thread *link)
{
    atomic_store(&link->draining, true);
    mrc_wake_post(&link->wake);
}

void mrc_link_thread_post_stop(struct mrc_link_thread *link)
{
    atomic_store(&link->stopping, true);
    mrc_wake_post(&link->wake);
    mrc_respond_post_stop(link->respond);
}

bool mrc_link_thread_join(struct mrc_link_thread *link, int64_t until_us)
{
    return mrc_thread_join(link->thread, until_us) && mrc_respond_join(link->respond, until_us);
}
