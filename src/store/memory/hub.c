#include "store/memory/hub.h"

#include <stdatomic.h>

#include "apr_strings.h"
#include "store/base/fork.h"
#include "store/base/status.h"
#include "store/memory/batch.h"
#include "store/memory/internal.h"

struct mrc_memory_hub *mrc_memory_hub_find(const struct mrc_memory *memory, const char *key)
{
    return apr_hash_get(memory->by_key, key, APR_HASH_KEY_STRING);
}

/*
 * The threads of a child attach hubs in the pools that they have inherited, one at a time. mpm-itk
 * forks children that have threads, so the lock is the one that fork() waits for.
 */
struct mrc_hub_segment *mrc_memory_hub_attach(struct mrc_memory_hub *hub)
{
    struct mrc_hub_segment *segment;

    mrc_fork_hold();
    segment = atomic_load(&hub->segment);
    if (!segment) {
        segment = mrc_hub_file_attach(hub->batch->file, hub->place, hub->batch->pool, &hub->shape);
        atomic_store(&hub->segment, segment);
    }
    mrc_fork_release();
    return segment;
}

struct mrc_hub_segment *mrc_memory_hub_segment(struct mrc_memory_hub *hub)
{
    struct mrc_hub_segment *segment = atomic_load(&hub->segment);

    if (segment || hub->place == MRC_MEMORY_OWN_FILE ||
        mrc_hub_file_state(hub->batch->file, hub->place) != MRC_HUB_FILE_MADE)
        return segment;
    return mrc_memory_hub_attach(hub);
}

apr_status_t mrc_memory_hub_make(struct mrc_memory_hub *hub, struct mrc_error *error,
                                 struct mrc_hub_segment **ret_segment)
{
    struct mrc_hub_segment *segment = mrc_memory_hub_segment(hub);
    apr_status_t status = APR_SUCCESS;

    if (!segment) {
        mrc_fork_hold();
        segment = atomic_load(&hub->segment);
        if (!segment)
            status = mrc_hub_file_make(hub->batch->file, hub->place, hub->batch->pool, &hub->shape,
                                       error, &segment);
        if (!status)
            atomic_store(&hub->segment, segment);
        mrc_fork_release();
    }
    if (!status)
        *ret_segment = segment;
    return status;
}

bool mrc_memory_hub_was_given(const struct mrc_memory_hub *hub)
{
    return hub->was_given ||
           (hub->place != MRC_MEMORY_OWN_FILE &&
            mrc_hub_file_state(hub->batch->file, hub->place) == MRC_HUB_FILE_GONE);
}

/* ---- Creating and destroying ------------------------------------------------------------------*/

void mrc_memory_hub_destroy(struct mrc_memory *memory, struct mrc_memory_hub *hub)
{
    struct mrc_hub_segment *segment = atomic_load(&hub->segment);

    if (hub->place == MRC_MEMORY_OWN_FILE)
        mrc_memory_batch_remove_file(memory, hub->number);
    else if (mrc_hub_file_give_up(hub->batch->file, hub->place) || segment)
        mrc_memory_batch_add_former(memory, hub);
    if (segment) {
        mrc_hub_segment_release(segment);
        mrc_hub_segment_close(segment);
    }
    mrc_memory_batch_leave(memory, hub->batch);
}

/* Creates the segment of HUB in a file of its own. */
static apr_status_t create_segment(struct mrc_memory *memory, struct mrc_memory_hub *hub,
                                   struct mrc_error *error)
{
    char name[MRC_RUNTIME_DIR_NAME_BYTES];
    struct mrc_hub_segment *segment;
    apr_status_t status;

    hub->number = ++memory->last_number;
    mrc_runtime_dir_hub_name(memory->key, hub->number, name);
    status = mrc_hub_segment_create(hub->batch->pool, memory->dir, name, &hub->shape,
                                    memory->nslots, memory->file_args.budget, error, &segment);
    if (!status)
        atomic_store(&hub->segment, segment);
    return status;
}

apr_status_t mrc_memory_hub_create(struct mrc_memory *memory, const struct mrc_hub_shape *shape,
                                   size_t place, struct mrc_error *error,
                                   struct mrc_memory_hub **ret_hub)
{
    struct batch *batch = mrc_memory_batch_join(memory);
    struct mrc_memory_hub *hub;
    apr_status_t status = APR_SUCCESS;

    if (!batch)
        return mrc_status_set(error, APR_ENOMEM, "out of memory");
    hub = apr_pcalloc(batch->pool, sizeof(*hub));
    hub->batch = batch;
    hub->key = apr_pstrdup(batch->pool, shape->key);
    hub->shape = *shape;
    hub->shape.key = hub->key;
    hub->place = batch->file ? place : MRC_MEMORY_OWN_FILE;
    if (hub->place == MRC_MEMORY_OWN_FILE)
        status = create_segment(memory, hub, error);
    if (status) {
        mrc_memory_batch_leave(memory, batch);
        return status;
    }
    *ret_hub = hub;
    return APR_SUCCESS;
}

void mrc_memory_hub_wake(const struct mrc_memory *memory, struct mrc_memory_hub *hub)
{
    const struct mrc_hub_segment *segment = atomic_load(&hub->segment);

    if (segment)
        mrc_hub_segment_wake(segment, memory->notify);
}

/* ---- The list ---------------------------------------------------------------------------------*/

void mrc_memory_hub_enlist(struct mrc_memory *memory, struct mrc_memory_hub *hub)
{
    hub->next = memory->first;
    hub->link = &memory->first;
    if (hub->next)
        hub->next->link = &hub->next;
    memory->first = hub;
    apr_hash_set(memory->by_key, hub->key, APR_HASH_KEY_STRING, hub);
}

static void forget_key(struct mrc_memory *memory, const struct mrc_memory_hub *hub)
{
    if (mrc_memory_hub_find(memory, hub->key) == hub)
        apr_hash_set(memory->by_key, hub->key, APR_HASH_KEY_STRING, NULL);
}

void mrc_memory_hub_delist(struct mrc_memory *memory, struct mrc_memory_hub *hub)
{
    *hub->link = hub->next;
    if (hub->next)
        hub->next->link = hub->link;
    forget_key(memory, hub);
}

void mrc_memory_hub_rename(struct mrc_memory *memory, struct mrc_memory_hub *hub, const char *key)
{
    forget_key(memory, hub);
    hub->key = apr_pstrdup(hub->batch->pool, key);
    hub->shape.key = hub->key;
    /* The table points to the key, so an entry that another hub has left behind goes first. */
    apr_hash_set(memory->by_key, key, APR_HASH_KEY_STRING, NULL);
    apr_hash_set(memory->by_key, hub->key, APR_HASH_KEY_STRING, hub);
}
