#include "hub/child/child.h"

#include <stdatomic.h>
#include <unistd.h>

#include "apr_allocator.h"
#include "apr_thread_mutex.h"
#include "apr_time.h"

#include "hub/base/thread.h"
#include "hub/base/users.h"
#include "hub/hub/hub.h"
#include "hub/hub/numbers.h"
#include "hub/hub/revocation.h"
#include "hub/presence/announcer.h"
#include "hub/stream/dispatcher.h"
#include "hub/stream/loop.h"
#include "hub/stream/waiters.h"
#include "store/base/clock.h"
#include "store/base/opened.h"
#include "store/history/history.h"
#include "store/memory/hub.h"
#include "store/memory/memory.h"
#include "store/memory/naming.h"

/* Refused streams are reported at most this often. */
#define REFUSAL_REPORT_S 60

/* Hubs that a request cannot open are reported at most this often. */
#define PROBLEM_REPORT_US ((int64_t)60 * 1000 * 1000)

/* A hub at the start may wait this long for its lock, although others have used up the time: a
 * publisher holds it for as long as one commit takes. */
#define OPEN_WAIT_MIN_US ((int64_t)100 * 1000)

/* The pause between two attempts to open a hub that could not be opened at the start. */
#define RETRY_US ((int64_t)1000 * 1000)

/* In place of the time of an attempt: a thread is at it. */
#define NOW_TRYING INT64_MAX

/* This many threads at a time may wait for the disks of such hubs: the others have work to do. */
#define TRYING_MAX 4

struct mrc_child {
    struct mrc_memory *memory;
    pid_t pid;
    uint64_t generation;
    unsigned slot;
    const struct mrc_hub_spec *const *specs;
    _Atomic(struct mrc_hub *) *hubs;  /* NULL: not open (yet) */
    _Atomic(struct mrc_hub *) *early; /* those that are opened at the start, for the announcer */
    _Atomic int64_t *tried_us; /* of these, when one was last opened in vain (store/base/clock.h),
                                * or NOW_TRYING */
    struct mrc_users trying;   /* the threads that are at it */
    size_t hubs_count;
    struct mrc_error problem;    /* why a hub could not be opened at the start; empty: all were */
    apr_thread_mutex_t *opening; /* of hubs that are opened with their first request, and PLACES */
    apr_pool_t *hubs_pool;       /* has those of hubs that are opened later; allocations in itself
                                  * while OPENING is held */
    _Atomic(struct mrc_memory_hub **) places; /* of each hub; NULL: nobody has asked for them */
    struct mrc_hub_segment *blank;            /* read in place of hubs that are not made */
    struct mrc_child_watch watch;
    _Atomic int64_t problem_us;    /* when a problem was last reported; 0: never */
    struct mrc_hub_segment *first; /* NULL: the child has no hub */
    struct mrc_numbers *numbers;   /* of the whole child, in its first hub; NULL: it has no hub */
    struct mrc_waiters *waiters;
    struct mrc_dispatcher *dispatcher;
    struct mrc_announcer *announcer; /* NULL: no hub is to have a roster */
    atomic_bool draining;
    bool has_requests;        /* that may use the hubs after the stop */
    struct mrc_users openers; /* threads that open a hub */
    struct mrc_users threads; /* those that streams hold */
    struct mrc_users suspended;
};

/* Folds the state that the child of SLOT left in each hub. */
static void fold_slot(struct mrc_memory *memory, unsigned slot)
{
    struct mrc_memory_hub *hub;

    for (size_t i = 0; (hub = mrc_memory_hub_at(memory, i)); i++) {
        struct mrc_hub_segment *segment = mrc_memory_hub_segment(hub);

        if (segment)
            mrc_hub_segment_fold(segment, slot);
    }
}

static void fold_child(unsigned slot, pid_t pid, void *ctx)
{
    (void)pid;
    fold_slot(ctx, slot);
}

/*
 * Folds the state of dead children. A child may have died after it stored an update and before it
 * woke the children that have subscribers for it, so this wakes all of them.
 */
static void reap_dead_children(const struct mrc_child *child)
{
    struct mrc_memory *memory = child->memory;
    struct mrc_memory_hub *hub;

    if (mrc_control_reap(mrc_memory_control(memory), child->pid, child->generation, fold_child,
                         memory) == 0)
        return;
    for (size_t i = 0; (hub = mrc_memory_hub_at(memory, i)); i++) {
        const struct mrc_hub_segment *segment = mrc_memory_hub_segment(hub);

        if (segment)
            mrc_hub_segment_wake(segment, mrc_memory_notify(memory));
    }
}

/* Called after each wake-up, because the parent wakes all children when one has died. */
static void when_woken(void *ctx)
{
    struct mrc_child *child = ctx;

    reap_dead_children(child);
    mrc_announcer_post_look(child->announcer);
}

/* The segment of hub I, which is made if it is not yet. NULL: it has none, or PROBLEM says why. */
static struct mrc_hub_segment *make_segment(const struct mrc_child *child, size_t i,
                                            struct mrc_error *problem)
{
    struct mrc_memory_hub *hub = mrc_memory_hub_find(child->memory, child->specs[i]->shape.key);
    struct mrc_hub_segment *segment = NULL;

    if (hub && mrc_memory_hub_make(hub, problem, &segment) != APR_SUCCESS)
        segment = NULL;
    return segment;
}

/* Opens hub I, until UNTIL_US (store/base/clock.h). Without its revocations, it would accept tokens
 * that are revoked. NULL: it has no segment, or PROBLEM says why it cannot be opened. */
static struct mrc_hub *open_hub(apr_pool_t *pool, const struct mrc_child *child, size_t i,
                                int64_t until_us, struct mrc_error *problem)
{
    struct mrc_hub_segment *segment = make_segment(child, i, problem);
    struct mrc_hub *hub = NULL;
    int64_t wait_us = until_us - mrc_clock_us();

    if (segment)
        hub = mrc_hub_open(pool, segment, mrc_memory_notify(child->memory), child->slot, i,
                           child->specs[i], wait_us > OPEN_WAIT_MIN_US ? wait_us : OPEN_WAIT_MIN_US,
                           problem);
    if (hub && mrc_revocation_load(hub, apr_time_now()) != APR_SUCCESS) {
        mrc_error_set(problem, MRC_EINVAL, "the revoked tokens of the hub cannot be read");
        mrc_hub_close(hub);
        hub = NULL;
    }
    return hub;
}

/* Whether a hub has work to do in a child that gets no request for it: it has a link, or others may
 * have left something on the disk or in its list of subscriptions. */
static bool is_early(const struct mrc_hub_spec *spec)
{
    return spec->history_dir || spec->transport || spec->shape.roster_subscribers;
}

/* A server with many hubs serves few of them in one child: most hubs are opened with their first
 * request, and so is a hub for whose history the time at the start was too short. */
static void open_hubs(apr_pool_t *pool, struct mrc_child *child)
{
    int64_t until_us = mrc_clock_us() + MRC_HISTORY_OPEN_WAIT_US;

    for (size_t i = 0; i < child->hubs_count; i++) {
        struct mrc_hub *hub =
            is_early(child->specs[i]) ? open_hub(pool, child, i, until_us, &child->problem) : NULL;

        atomic_store(&child->early[i], hub);
        atomic_store(&child->hubs[i], hub);
        atomic_store(&child->tried_us[i], mrc_clock_us());
    }
}

static void open_numbers(apr_pool_t *pool, struct mrc_child *child)
{
    for (size_t i = 0; i < child->hubs_count && !child->first; i++)
        child->first = make_segment(child, i, &child->problem);
    if (!child->first)
        return;
    mrc_counters_begin(mrc_hub_segment_counters(child->first), child->slot);
    child->numbers = mrc_numbers_create(pool, child->first, child->slot);
}

/* Makes the segment that is read in place of those of hubs on demand that are not made. */
static apr_status_t open_blank(apr_pool_t *pool, struct mrc_child *child)
{
    bool is_needed = false;

    for (size_t i = 0; i < child->hubs_count && !is_needed; i++)
        is_needed = child->specs[i]->shape.is_on_demand;
    return is_needed
               ? mrc_hub_segment_make_blank(pool,
                                            mrc_control_nslots(mrc_memory_control(child->memory)),
                                            NULL, &child->blank)
               : APR_SUCCESS;
}

/* Whether a hub is to have its history on the disk, although it may not be open yet. */
static bool has_durable(const struct mrc_child *child)
{
    for (size_t i = 0; i < child->hubs_count; i++) {
        if (child->specs[i]->history_dir)
            return true;
    }
    return false;
}

static bool has_roster(const struct mrc_child *child)
{
    for (size_t i = 0; i < child->hubs_count; i++) {
        if (child->specs[i]->shape.roster_subscribers)
            return true;
    }
    return false;
}

/* Requests open hubs in several threads, some at the same time, so their pools share an allocator
 * with a lock. */
static apr_status_t make_pool(apr_pool_t *pool, struct mrc_child *child)
{
    apr_allocator_t *allocator;
    apr_thread_mutex_t *lock;
    apr_status_t status = apr_thread_mutex_create(&child->opening, APR_THREAD_MUTEX_DEFAULT, pool);

    if (status == APR_SUCCESS)
        status = apr_thread_mutex_create(&lock, APR_THREAD_MUTEX_DEFAULT, pool);
    if (status == APR_SUCCESS)
        status = apr_allocator_create(&allocator);
    if (status != APR_SUCCESS)
        return status;
    status = apr_pool_create_ex(&child->hubs_pool, pool, NULL, allocator);
    if (status != APR_SUCCESS) {
        apr_allocator_destroy(allocator);
        return status;
    }
    apr_allocator_owner_set(allocator, child->hubs_pool);
    apr_allocator_mutex_set(allocator, lock);
    mrc_opened_share(child->hubs_pool, pool);
    return APR_SUCCESS;
}

static apr_status_t start_dispatcher(apr_pool_t *pool, struct mrc_child *child, unsigned threads)
{
    const struct mrc_dispatcher_args args = {
        .notify = mrc_memory_notify(child->memory),
        .slot = child->slot,
        .threads = threads,
        .look_ms = MRC_LOOP_LOOK_MS,
        .hubs = child->hubs,
        .hubs_count = child->hubs_count,
        .has_durable = has_durable(child),
        .waiters = child->waiters,
        .inquiry = mrc_memory_inquiry(child->memory),
        .on_wake = when_woken,
        .ctx = child,
    };

    return mrc_dispatcher_start(pool, &args, &child->dispatcher);
}

apr_status_t mrc_child_start(apr_pool_t *pool, struct mrc_memory *memory,
                             const struct mrc_hub_spec *const *specs, size_t n, unsigned threads,
                             pid_t pid, uint64_t generation, struct mrc_child **ret_child)
{
    struct mrc_child *child = apr_pcalloc(pool, sizeof(*child));
    struct mrc_control *control = mrc_memory_control(memory);
    apr_status_t status;
    int slot;

    child->memory = memory;
    child->pid = pid;
    child->generation = generation;
    reap_dead_children(child);
    slot = mrc_control_claim(control, pid, generation);
    if (slot < 0)
        return APR_ENOSPC;
    child->slot = (unsigned)slot;
    /*
     * The child that freed the slot may be of an earlier generation, which did not have all hubs.
     */
    if (!mrc_control_is_fresh(control, child->slot))
        fold_slot(memory, child->slot);
    child->specs = specs;
    child->hubs_count = n;
    child->hubs = apr_pcalloc(pool, sizeof(*child->hubs) * (n + 1));
    child->early = apr_pcalloc(pool, sizeof(*child->early) * (n + 1));
    child->tried_us = apr_pcalloc(pool, sizeof(*child->tried_us) * (n + 1));
    child->waiters = mrc_waiters_create(pool);
    mrc_notify_drain(mrc_memory_notify(memory), child->slot);
    status = make_pool(pool, child);
    if (status == APR_SUCCESS)
        status = open_blank(pool, child);
    if (status == APR_SUCCESS) {
        open_numbers(pool, child);
        open_hubs(pool, child);
        if (has_roster(child))
            status = mrc_announcer_start(pool, child->early, n, &child->announcer);
    }
    if (status == APR_SUCCESS) {
        status = start_dispatcher(pool, child, threads);
        if (status != APR_SUCCESS && !mrc_announcer_stop(child->announcer))
            status = APR_INCOMPLETE;
    }
    if (status == APR_INCOMPLETE)
        return status; /* as in mrc_child_stop() */
    if (status != APR_SUCCESS) {
        mrc_control_release(control, child->slot, pid);
        mrc_child_close(child);
        return status;
    }
    *ret_child = child;
    return APR_SUCCESS;
}

const char *mrc_child_problem(const struct mrc_child *child)
{
    return child->problem.text[0] ? child->problem.text : NULL;
}

/* Folds the state that CHILD leaves. It has none in a hub that it has not opened: there may be
 * thousands, whose memory it has never touched. */
static void fold_own(struct mrc_child *child)
{
    if (child->first)
        mrc_hub_segment_fold(child->first, child->slot);
    for (size_t i = 0; i < child->hubs_count; i++) {
        struct mrc_hub *hub = atomic_load(&child->hubs[i]);

        if (hub)
            mrc_hub_segment_fold(mrc_hub_segment(hub), child->slot);
    }
}

/* Whether no thread counts in the slot any more. It stays so: no hub is opened later, and none
 * takes a subscriber or an update. */
static bool retire(struct mrc_child *child)
{
    bool is_unused = !child->has_requests && mrc_users_close(&child->openers) &&
                     mrc_users_close(&child->threads);

    for (size_t i = 0; i < child->hubs_count && is_unused; i++) {
        struct mrc_hub *hub = atomic_load(&child->hubs[i]);

        is_unused = !hub || mrc_hub_retire(hub);
    }
    return is_unused;
}

void mrc_child_expect_requests(struct mrc_child *child)
{
    child->has_requests = true;
}

bool mrc_child_stop(struct mrc_child *child)
{
    bool ended;

    if (!mrc_child_is_draining(child))
        mrc_child_drain(child, false);
    ended = mrc_dispatcher_stop(child->dispatcher);
    /* The announcer stops last, because streams that end post to it. */
    if (!mrc_announcer_stop(child->announcer) || !ended)
        return false; /* a thread may still change counts: the slot is folded after the process has
                         ended */
    if (!retire(child))
        return true; /* the same */
    fold_own(child);
    mrc_control_release(mrc_memory_control(child->memory), child->slot, child->pid);
    return true;
}

void mrc_child_close(struct mrc_child *child)
{
    struct mrc_memory_hub *hub;

    for (size_t i = 0; i < child->hubs_count; i++)
        mrc_hub_close(atomic_load(&child->hubs[i]));
    for (size_t i = 0; (hub = mrc_memory_hub_at(child->memory, i)); i++) {
        struct mrc_hub_segment *segment = mrc_memory_hub_segment(hub);

        if (segment)
            mrc_counters_end(mrc_hub_segment_counters(segment));
    }
}

void mrc_child_watch(struct mrc_child *child, const struct mrc_child_watch *watch)
{
    child->watch = *watch;
    for (size_t i = 0; i < child->hubs_count; i++) {
        struct mrc_hub *hub = atomic_load(&child->early[i]);

        if (hub)
            watch->on_open(watch->ctx, hub, i);
    }
}

static void report_problem(struct mrc_child *child, size_t i, const char *why)
{
    int64_t before_us = atomic_load(&child->problem_us), now_us = mrc_clock_us();

    if (child->watch.on_problem && (!before_us || now_us - before_us >= PROBLEM_REPORT_US) &&
        atomic_compare_exchange_strong(&child->problem_us, &before_us, now_us))
        child->watch.on_problem(child->watch.ctx, i, why);
}

/* Opens hub I in a pool of its own, which is destroyed if the hub cannot be opened. */
static struct mrc_hub *open_in_pool(struct mrc_child *child, size_t i, struct mrc_error *problem)
{
    struct mrc_hub *hub;
    apr_pool_t *pool;

    if (apr_pool_create(&pool, child->hubs_pool) != APR_SUCCESS) {
        mrc_error_set(problem, MRC_ENOMEM, "out of memory");
        return NULL;
    }
    mrc_opened_share(pool, child->hubs_pool);
    hub = open_hub(pool, child, i, mrc_clock_us() + MRC_HISTORY_OPEN_WAIT_US, problem);
    if (!hub)
        apr_pool_destroy(pool);
    return hub;
}

/* Makes HUB, which is hub I, known to all threads. */
static void add_hub(struct mrc_child *child, size_t i, struct mrc_hub *hub)
{
    if (child->watch.on_open)
        child->watch.on_open(child->watch.ctx, hub, i);
    if (is_early(child->specs[i])) {
        mrc_announcer_adopt(child->announcer, hub);
        atomic_store(&child->early[i], hub);
    }
    atomic_store(&child->hubs[i], hub);
}

/* Opens hub I, unless another thread has done so. */
static struct mrc_hub *open_late(struct mrc_child *child, size_t i, struct mrc_error *problem)
{
    struct mrc_hub *hub = atomic_load(&child->hubs[i]);

    if (hub)
        return hub;
    hub = open_in_pool(child, i, problem);
    if (hub)
        add_hub(child, i, hub);
    return hub;
}

/* Opens hub I, which is opened with its first request; that takes a moment. */
static struct mrc_hub *open_on_demand(struct mrc_child *child, size_t i)
{
    struct mrc_error problem = {""};
    struct mrc_hub *hub;

    apr_thread_mutex_lock(child->opening);
    hub = open_late(child, i, &problem);
    apr_thread_mutex_unlock(child->opening);
    if (!hub && problem.text[0])
        report_problem(child, i, problem.text);
    return hub;
}

/*
 * Whether the caller is to open hub I, which could not be opened at the start: one thread after
 * each pause. A hub with a transport would need a link, and its links are those of the start. A
 * process that mpm-itk has forked off the child has no announcer.
 */
static bool begin_again(struct mrc_child *child, size_t i)
{
    int64_t before_us = atomic_load(&child->tried_us[i]), now_us = mrc_clock_us();

    if (before_us == NOW_TRYING || child->specs[i]->transport || now_us - before_us < RETRY_US ||
        child->pid != getpid() || mrc_child_is_draining(child) ||
        !mrc_users_enter(&child->trying, TRYING_MAX))
        return false;
    if (atomic_compare_exchange_strong(&child->tried_us[i], &before_us, NOW_TRYING))
        return true;
    mrc_users_leave(&child->trying);
    return false;
}

static void end_again(struct mrc_child *child, size_t i)
{
    atomic_store(&child->tried_us[i], mrc_clock_us());
    mrc_users_leave(&child->trying);
}

/* Opens hub I, which could not be opened at the start. It may wait long for its disk, and other
 * requests, for this hub or another one, do not wait for that. NULL: not now. */
static struct mrc_hub *open_again(struct mrc_child *child, size_t i)
{
    struct mrc_error problem = {""};
    struct mrc_hub *hub;

    if (!begin_again(child, i))
        return NULL;
    hub = open_late(child, i, &problem);
    end_again(child, i);
    if (!hub && problem.text[0])
        report_problem(child, i, problem.text);
    return hub;
}

struct mrc_hub *mrc_child_hub(struct mrc_child *child, size_t i)
{
    struct mrc_hub *hub = i < child->hubs_count ? atomic_load(&child->hubs[i]) : NULL;
    sigset_t mask;

    if (hub || i >= child->hubs_count)
        return hub;
    /*
     * The end of the child must not find a half-open hub, or the lock of the pools held (thread.h).
     */
    mrc_thread_hold_signals(&mask);
    if (mrc_users_enter(&child->openers, UINT_MAX)) {
        hub = is_early(child->specs[i]) ? open_again(child, i) : open_on_demand(child, i);
        mrc_users_leave(&child->openers);
    }
    mrc_thread_let_signals(&mask);
    return hub;
}

/* The places of all hubs, found for the first caller. */
static struct mrc_memory_hub **obtain_places(struct mrc_child *child)
{
    struct mrc_memory_hub **places = atomic_load(&child->places);
    sigset_t mask;

    if (places)
        return places;
    mrc_thread_hold_signals(&mask);
    apr_thread_mutex_lock(child->opening);
    places = atomic_load(&child->places);
    if (!places) {
        places = apr_pcalloc(child->hubs_pool, sizeof(struct mrc_memory_hub *) * child->hubs_count);
        for (size_t i = 0; i < child->hubs_count; i++)
            places[i] = mrc_memory_hub_find(child->memory, child->specs[i]->shape.key);
        atomic_store(&child->places, places);
    }
    apr_thread_mutex_unlock(child->opening);
    mrc_thread_let_signals(&mask);
    return places;
}

/* The places of the COUNT hubs from FIRST on. NULL: one of them has none. */
static struct mrc_memory_hub **places_from(struct mrc_child *child, size_t first, size_t count)
{
    struct mrc_memory_hub **places = obtain_places(child) + first;

    for (size_t i = 0; i < count; i++)
        if (first + i >= child->hubs_count || !places[i])
            return NULL;
    return places;
}

apr_status_t mrc_child_obtain_site(struct mrc_child *child, size_t first, size_t count,
                                   const char *name, size_t *ret_place)
{
    struct mrc_memory_hub **places = places_from(child, first, count);
    struct mrc_error problem = {""};
    apr_status_t status;

    if (!places)
        return APR_EGENERAL;
    status = mrc_naming_obtain(child->memory, places, count, name, &problem, ret_place);
    if (status != APR_SUCCESS && status != APR_ENOSPC)
        report_problem(child, first, problem.text);
    return status;
}

const char *mrc_child_site_name(struct mrc_child *child, size_t i)
{
    struct mrc_memory_hub *hub = i < child->hubs_count ? obtain_places(child)[i] : NULL;

    return hub ? mrc_naming_name_of(hub) : NULL;
}

struct mrc_hub *mrc_child_view_hub(struct mrc_child *child, apr_pool_t *pool, size_t i)
{
    struct mrc_hub *hub = i < child->hubs_count ? atomic_load(&child->hubs[i]) : NULL;
    struct mrc_hub_segment *segment;
    struct mrc_memory_hub *place;

    if (hub || i >= child->hubs_count)
        return hub;
    if (is_early(child->specs[i]))
        return mrc_child_hub(child, i);
    place = mrc_memory_hub_find(child->memory, child->specs[i]->shape.key);
    if (!place)
        return NULL;
    segment = mrc_memory_hub_segment(place);
    return mrc_hub_view(pool, segment ? segment : child->blank, mrc_memory_notify(child->memory),
                        child->slot, i, child->specs[i]);
}

unsigned mrc_child_slots(const struct mrc_child *child)
{
    return mrc_control_nslots(mrc_memory_control(child->memory));
}

bool mrc_child_is_live(const struct mrc_child *child, unsigned slot)
{
    struct mrc_control_child other;

    return mrc_control_get(mrc_memory_control(child->memory), slot, &other) &&
           other.state == MRC_CONTROL_LIVE;
}

struct mrc_memory *mrc_child_memory(const struct mrc_child *child)
{
    return child->memory;
}

struct mrc_dispatcher *mrc_child_dispatcher(const struct mrc_child *child)
{
    return child->dispatcher;
}

struct mrc_waiters *mrc_child_waiters(const struct mrc_child *child)
{
    return child->waiters;
}

bool mrc_child_hold_thread(struct mrc_child *child, unsigned per_child, unsigned total)
{
    if (!mrc_users_enter(&child->threads, per_child))
        return false;
    if (child->numbers && mrc_numbers_gauge_take(child->numbers, MRC_GAUGE_THREADS, total))
        return true;
    mrc_users_leave(&child->threads);
    return false;
}

void mrc_child_release_thread(struct mrc_child *child)
{
    mrc_numbers_gauge_add(child->numbers, MRC_GAUGE_THREADS, -1);
    mrc_users_leave(&child->threads); /* last: the child may give up its slot now */
}

bool mrc_child_hold_suspended(struct mrc_child *child, unsigned per_child)
{
    return mrc_users_enter(&child->suspended, per_child);
}

void mrc_child_release_suspended(struct mrc_child *child)
{
    mrc_users_leave(&child->suspended);
}

static bool should_report(struct mrc_child *child, enum mrc_gauge gauge, int64_t now_us)
{
    return child->numbers &&
           mrc_numbers_gauge_renew(child->numbers, gauge, (uint64_t)(now_us / 1000000),
                                   REFUSAL_REPORT_S);
}

bool mrc_child_should_report_refusal(struct mrc_child *child, int64_t now_us)
{
    return should_report(child, MRC_GAUGE_REFUSAL_REPORTED, now_us);
}

bool mrc_child_should_report_full_sites(struct mrc_child *child, int64_t now_us)
{
    return should_report(child, MRC_GAUGE_SITES_REPORTED, now_us);
}

void mrc_child_drain(struct mrc_child *child, bool graceful)
{
    atomic_store(&child->draining, true);
    mrc_dispatcher_post_drain(child->dispatcher, graceful);
    mrc_notify_wake(mrc_memory_notify(child->memory), child->slot);
}

bool mrc_child_is_draining(const struct mrc_child *child)
{
    return atomic_load(&child->draining);
}
