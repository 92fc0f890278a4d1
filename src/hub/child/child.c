#include "hub/child/child.h"

#include <stdatomic.h>

#include "apr_time.h"

#include "hub/hub/hub.h"
#include "hub/hub/numbers.h"
#include "hub/hub/revocation.h"
#include "hub/presence/announcer.h"
#include "hub/stream/dispatcher.h"
#include "hub/stream/loop.h"
#include "hub/stream/waiters.h"
#include "store/memory/memory.h"

/* Refused streams are reported at most this often. */
#define REFUSAL_REPORT_S 60

struct mrc_child {
    struct mrc_memory *memory;
    pid_t pid;
    unsigned slot;
    struct mrc_hub **hubs;
    size_t hubs_count;
    struct mrc_error problem; /* why a hub could not be opened; empty: all were */
    struct mrc_waiters *waiters;
    struct mrc_dispatcher *dispatcher;
    struct mrc_announcer *announcer; /* NULL: no hub has a roster */
    atomic_bool draining;
    atomic_uint threads_held;
    atomic_uint suspended_held;
};

/* Folds the state that the child of SLOT left in each hub. */
static void fold_slot(struct mrc_memory *memory, unsigned slot)
{
    struct mrc_hub_segment *segment;

    for (size_t i = 0; (segment = mrc_memory_hub_at(memory, i)); i++)
        mrc_hub_segment_fold(segment, slot);
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
static void reap_dead_children(struct mrc_memory *memory, pid_t pid)
{
    struct mrc_hub_segment *segment;

    if (mrc_control_reap(mrc_memory_control(memory), pid, fold_child, memory) == 0)
        return;
    for (size_t i = 0; (segment = mrc_memory_hub_at(memory, i)); i++)
        mrc_hub_segment_wake(segment, mrc_memory_notify(memory));
}

/* Called after each wake-up, because the parent wakes all children when one has died. */
static void when_woken(void *ctx)
{
    struct mrc_child *child = ctx;

    reap_dead_children(child->memory, child->pid);
    mrc_announcer_post_look(child->announcer);
}

/* Opens hub I. Without its revocations, it would accept tokens that are revoked. */
static void open_hub(apr_pool_t *pool, struct mrc_child *child, struct mrc_hub_segment *segment,
                     size_t i, const struct mrc_hub_spec *spec)
{
    struct mrc_hub *hub = mrc_hub_open(pool, segment, mrc_memory_notify(child->memory), child->slot,
                                       i, spec, &child->problem);

    if (hub && mrc_revocation_load(hub, apr_time_now()) != APR_SUCCESS) {
        mrc_error_set(&child->problem, MRC_EINVAL, "the revoked tokens of the hub cannot be read");
        mrc_hub_close(hub);
        hub = NULL;
    }
    child->hubs[i] = hub;
}

static void open_hubs(apr_pool_t *pool, struct mrc_child *child,
                      const struct mrc_hub_spec *const *specs)
{
    for (size_t i = 0; i < child->hubs_count; i++) {
        struct mrc_hub_segment *segment = mrc_memory_hub(child->memory, specs[i]->shape.key);

        if (segment)
            open_hub(pool, child, segment, i, specs[i]);
    }
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
    reap_dead_children(memory, pid);
    slot = mrc_control_claim(control, pid, generation);
    if (slot < 0)
        return APR_ENOSPC;
    child->slot = (unsigned)slot;
    /* The child that freed the slot may be of an earlier generation, which did not have all hubs.
     */
    fold_slot(memory, child->slot);
    child->hubs_count = n;
    child->hubs = apr_pcalloc(pool, sizeof(*child->hubs) * (n + 1));
    child->waiters = mrc_waiters_create(pool);
    mrc_notify_drain(mrc_memory_notify(memory), child->slot);
    open_hubs(pool, child, specs);
    status = mrc_announcer_start(pool, child->hubs, n, &child->announcer);
    if (status == APR_SUCCESS) {
        status = start_dispatcher(pool, child, threads);
        if (status != APR_SUCCESS)
            mrc_announcer_stop(child->announcer);
    }
    if (status != APR_SUCCESS) {
        mrc_control_release(control, child->slot);
        return status;
    }
    *ret_child = child;
    return APR_SUCCESS;
}

const char *mrc_child_problem(const struct mrc_child *child)
{
    return child->problem.text[0] ? child->problem.text : NULL;
}

void mrc_child_stop(struct mrc_child *child)
{
    bool ended;

    if (!mrc_child_is_draining(child))
        mrc_child_drain(child, false);
    ended = mrc_dispatcher_stop(child->dispatcher);
    /* The announcer stops last, because streams that end post to it. */
    if (!mrc_announcer_stop(child->announcer) || !ended)
        return; /* a thread may still change counts: the slot is folded after the process has ended
                 */
    fold_slot(child->memory, child->slot);
    mrc_control_release(mrc_memory_control(child->memory), child->slot);
}

struct mrc_hub *mrc_child_hub(const struct mrc_child *child, size_t i)
{
    return i < child->hubs_count ? child->hubs[i] : NULL;
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

/* The hub whose numbers include those of the whole child; every child that serves has one. */
static struct mrc_hub *first_hub(const struct mrc_child *child)
{
    for (size_t i = 0; i < child->hubs_count; i++) {
        if (child->hubs[i])
            return child->hubs[i];
    }
    return NULL;
}

/* Adds one to HELD, unless it is MAX. */
static bool hold(atomic_uint *held, unsigned max)
{
    unsigned now = atomic_load(held);

    do {
        if (now >= max)
            return false;
    } while (!atomic_compare_exchange_weak(held, &now, now + 1));
    return true;
}

bool mrc_child_hold_thread(struct mrc_child *child, unsigned per_child, unsigned total)
{
    if (!hold(&child->threads_held, per_child))
        return false;
    if (mrc_numbers_gauge_take(mrc_hub_numbers(first_hub(child)), MRC_GAUGE_THREADS, total))
        return true;
    atomic_fetch_sub(&child->threads_held, 1);
    return false;
}

void mrc_child_release_thread(struct mrc_child *child)
{
    atomic_fetch_sub(&child->threads_held, 1);
    mrc_numbers_gauge_add(mrc_hub_numbers(first_hub(child)), MRC_GAUGE_THREADS, -1);
}

bool mrc_child_hold_suspended(struct mrc_child *child, unsigned per_child)
{
    return hold(&child->suspended_held, per_child);
}

void mrc_child_release_suspended(struct mrc_child *child)
{
    atomic_fetch_sub(&child->suspended_held, 1);
}

bool mrc_child_should_report_refusal(struct mrc_child *child, int64_t now_us)
{
    return mrc_numbers_gauge_renew(mrc_hub_numbers(first_hub(child)), MRC_GAUGE_REFUSAL_REPORTED,
                                   (uint64_t)(now_us / 1000000), REFUSAL_REPORT_S);
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
