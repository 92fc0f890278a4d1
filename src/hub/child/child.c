#include "hub/child/child.h"

#include <stdatomic.h>

#include "hub/hub/hub.h"
#include "hub/hub/numbers.h"
#include "hub/presence/announcer.h"
#include "hub/stream/dispatcher.h"
#include "hub/stream/loop.h"
#include "hub/stream/waiters.h"
#include "store/memory/memory.h"

struct mrc_child {
    struct mrc_memory *memory;
    pid_t pid;
    unsigned slot;
    struct mrc_hub **hubs;
    size_t hubs_count;
    struct mrc_error problem; /* why a hub could not be opened; empty: all were */
    struct mrc_waiters *waiters;
    struct mrc_dispatcher *dispatcher;
    struct mrc_announcer *announcer; /* NULL: no hub tells of its subscriptions */
    atomic_bool draining;
    atomic_uint threads_held;
    atomic_uint suspended_held;
};

/* Folds what the child that held SLOT left behind, in every hub. */
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
 * Folds what dead children left. One of them may have died between storing an update and waking
 * those who wait for it, so all are woken.
 */
static void reap_dead_children(struct mrc_memory *memory, pid_t pid)
{
    struct mrc_hub_segment *segment;

    if (mrc_control_reap(mrc_memory_control(memory), pid, fold_child, memory) == 0)
        return;
    for (size_t i = 0; (segment = mrc_memory_hub_at(memory, i)); i++)
        mrc_hub_segment_wake(segment, mrc_memory_notify(memory));
}

/* After each wake-up: the parent wakes the living when a child has died. */
static void when_woken(void *ctx)
{
    struct mrc_child *process = ctx;

    reap_dead_children(process->memory, process->pid);
    mrc_announcer_post_look(process->announcer);
}

static void open_hubs(apr_pool_t *pool, struct mrc_child *process, const struct mrc_child_hub *hubs)
{
    const struct mrc_notify *notify = mrc_memory_notify(process->memory);

    for (size_t i = 0; i < process->hubs_count; i++) {
        struct mrc_hub_segment *segment = mrc_memory_hub(process->memory, hubs[i].key);

        if (segment)
            process->hubs[i] = mrc_hub_open(pool, segment, notify, process->slot, i,
                                            &hubs[i].policy, &process->problem);
    }
}

static apr_status_t start_dispatcher(apr_pool_t *pool, struct mrc_child *process, unsigned threads)
{
    const struct mrc_dispatcher_args args = {
        .notify = mrc_memory_notify(process->memory),
        .slot = process->slot,
        .threads = threads,
        .look_ms = MRC_DISPATCHER_LOOK_MS,
        .hubs = process->hubs,
        .hubs_count = process->hubs_count,
        .waiters = process->waiters,
        .on_wake = when_woken,
        .ctx = process,
    };

    return mrc_dispatcher_start(pool, &args, &process->dispatcher);
}

apr_status_t mrc_child_start(apr_pool_t *pool, struct mrc_memory *memory,
                             const struct mrc_child_hub *hubs, size_t n, unsigned threads,
                             pid_t pid, uint64_t generation, struct mrc_child **ret_process)
{
    struct mrc_child *process = apr_pcalloc(pool, sizeof(*process));
    struct mrc_control *control = mrc_memory_control(memory);
    apr_status_t status;
    int slot;

    process->memory = memory;
    process->pid = pid;
    reap_dead_children(memory, pid);
    slot = mrc_control_claim(control, pid, generation);
    if (slot < 0)
        return APR_ENOSPC;
    process->slot = (unsigned)slot;
    /* Whoever freed the slot may be of a generation that does not know all of today's hubs. */
    fold_slot(memory, process->slot);
    process->hubs_count = n;
    process->hubs = apr_pcalloc(pool, sizeof(*process->hubs) * (n + 1));
    process->waiters = mrc_waiters_create(pool);
    mrc_notify_drain(mrc_memory_notify(memory), process->slot);
    open_hubs(pool, process, hubs);
    status = mrc_announcer_start(pool, process->hubs, n, &process->announcer);
    if (status == APR_SUCCESS) {
        status = start_dispatcher(pool, process, threads);
        if (status != APR_SUCCESS)
            mrc_announcer_stop(process->announcer);
    }
    if (status != APR_SUCCESS) {
        mrc_control_release(control, process->slot);
        return status;
    }
    *ret_process = process;
    return APR_SUCCESS;
}

const char *mrc_child_problem(const struct mrc_child *process)
{
    return process->problem.text[0] ? process->problem.text : NULL;
}

void mrc_child_stop(struct mrc_child *process)
{
    bool ended;

    if (!mrc_child_is_draining(process))
        mrc_child_drain(process, false);
    ended = mrc_dispatcher_stop(process->dispatcher);
    /* After the last stream has ended. */
    if (!mrc_announcer_stop(process->announcer) || !ended)
        return; /* a stream may still count; the slot is folded after the child's end */
    fold_slot(process->memory, process->slot);
    mrc_control_release(mrc_memory_control(process->memory), process->slot);
}

struct mrc_hub *mrc_child_hub(const struct mrc_child *process, size_t i)
{
    return i < process->hubs_count ? process->hubs[i] : NULL;
}

unsigned mrc_child_slots(const struct mrc_child *process)
{
    return mrc_control_nslots(mrc_memory_control(process->memory));
}

bool mrc_child_is_live(const struct mrc_child *process, unsigned slot)
{
    struct mrc_control_child child;

    return mrc_control_get(mrc_memory_control(process->memory), slot, &child) &&
           child.state == MRC_CONTROL_LIVE;
}

struct mrc_dispatcher *mrc_child_dispatcher(const struct mrc_child *process)
{
    return process->dispatcher;
}

struct mrc_waiters *mrc_child_waiters(const struct mrc_child *process)
{
    return process->waiters;
}

/* The hub whose numbers tell those of the child; every child that serves has one. */
static struct mrc_hub *first_hub(const struct mrc_child *process)
{
    for (size_t i = 0; i < process->hubs_count; i++) {
        if (process->hubs[i])
            return process->hubs[i];
    }
    return NULL;
}

/* One more, unless HELD is MAX. */
static bool hold(atomic_uint *held, unsigned max)
{
    unsigned now = atomic_load(held);

    do {
        if (now >= max)
            return false;
    } while (!atomic_compare_exchange_weak(held, &now, now + 1));
    return true;
}

bool mrc_child_hold_thread(struct mrc_child *process, unsigned per_child, unsigned total)
{
    if (!hold(&process->threads_held, per_child))
        return false;
    if (mrc_numbers_gauge_take(mrc_hub_numbers(first_hub(process)), MRC_GAUGE_THREADS, total))
        return true;
    atomic_fetch_sub(&process->threads_held, 1);
    return false;
}

void mrc_child_release_thread(struct mrc_child *process)
{
    atomic_fetch_sub(&process->threads_held, 1);
    mrc_numbers_gauge_add(mrc_hub_numbers(first_hub(process)), MRC_GAUGE_THREADS, -1);
}

bool mrc_child_hold_suspended(struct mrc_child *process, unsigned per_child)
{
    return hold(&process->suspended_held, per_child);
}

void mrc_child_release_suspended(struct mrc_child *process)
{
    atomic_fetch_sub(&process->suspended_held, 1);
}

void mrc_child_drain(struct mrc_child *process, bool graceful)
{
    atomic_store(&process->draining, true);
    mrc_dispatcher_post_drain(process->dispatcher, graceful);
    mrc_notify_wake(mrc_memory_notify(process->memory), process->slot);
}

bool mrc_child_is_draining(const struct mrc_child *process)
{
    return atomic_load(&process->draining);
}
