#include "hub/process.h"

#include <stdatomic.h>

#include "hub/dispatcher.h"
#include "hub/hub.h"
#include "store/memory.h"

struct mrc_process {
    struct mrc_memory *memory;
    pid_t pid;
    unsigned slot;
    struct mrc_hub **hubs;
    size_t hubs_count;
    struct mrc_dispatcher *dispatcher;
    atomic_bool draining;
};

/* Folds what the child that held SLOT left behind, in every hub. */
static void fold_child(unsigned slot, pid_t pid, void *ctx)
{
    struct mrc_memory *memory = ctx;
    struct mrc_hub_segment *segment;

    (void)pid;
    for (size_t i = 0; (segment = mrc_memory_hub_at(memory, i)); i++)
        mrc_hub_segment_fold(segment, slot);
}

/* After each wake-up: the parent wakes the living when a child has died. */
static void reap_dead_children(void *ctx)
{
    struct mrc_process *process = ctx;

    mrc_control_reap(mrc_memory_control(process->memory), process->pid, fold_child,
                     process->memory);
}

static void open_hubs(apr_pool_t *pool, struct mrc_process *process, const char *const *keys)
{
    const struct mrc_notify *notify = mrc_memory_notify(process->memory);

    for (size_t i = 0; i < process->hubs_count; i++) {
        struct mrc_hub_segment *segment = mrc_memory_hub(process->memory, keys[i]);

        process->hubs[i] = segment ? mrc_hub_open(pool, segment, notify, process->slot) : NULL;
    }
}

apr_status_t mrc_process_start(apr_pool_t *pool, struct mrc_memory *memory, const char *const *keys,
                               size_t n, pid_t pid, uint64_t generation,
                               struct mrc_process **ret_process)
{
    struct mrc_process *process = apr_pcalloc(pool, sizeof(*process));
    struct mrc_control *control = mrc_memory_control(memory);
    apr_status_t status;
    int slot;

    process->memory = memory;
    process->pid = pid;
    mrc_control_reap(control, pid, fold_child, memory);
    slot = mrc_control_claim(control, pid, generation);
    if (slot < 0)
        return APR_ENOSPC;
    process->slot = (unsigned)slot;
    process->hubs_count = n;
    process->hubs = apr_pcalloc(pool, sizeof(*process->hubs) * (n + 1));
    mrc_notify_drain(mrc_memory_notify(memory), process->slot);
    open_hubs(pool, process, keys);
    status = mrc_dispatcher_start(pool, mrc_memory_notify(memory), process->slot,
                                  reap_dead_children, process, &process->dispatcher);
    if (status != APR_SUCCESS) {
        mrc_control_release(control, process->slot);
        return status;
    }
    *ret_process = process;
    return APR_SUCCESS;
}

void mrc_process_stop(struct mrc_process *process)
{
    mrc_process_drain(process);
    mrc_dispatcher_stop(process->dispatcher);
    fold_child(process->slot, process->pid, process->memory);
    mrc_control_release(mrc_memory_control(process->memory), process->slot);
}

struct mrc_hub *mrc_process_hub(const struct mrc_process *process, size_t i)
{
    return i < process->hubs_count ? process->hubs[i] : NULL;
}

struct mrc_dispatcher *mrc_process_dispatcher(const struct mrc_process *process)
{
    return process->dispatcher;
}

void mrc_process_drain(struct mrc_process *process)
{
    atomic_store(&process->draining, true);
    mrc_notify_wake(mrc_memory_notify(process->memory), process->slot);
}

bool mrc_process_is_draining(const struct mrc_process *process)
{
    return atomic_load(&process->draining);
}
