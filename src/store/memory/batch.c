#include "store/memory/batch.h"

#include "apr_allocator.h"
#include "apr_strings.h"
#include "store/memory/internal.h"
#include "store/shm/segment.h"

void mrc_memory_batch_remove_file(const struct mrc_memory *memory, unsigned number)
{
    char name[MRC_RUNTIME_DIR_NAME_BYTES];

    mrc_runtime_dir_hub_name(memory->key, number, name);
    mrc_segment_remove(memory->dir, name);
}

void mrc_memory_batch_leave(struct mrc_memory *memory, struct batch *batch)
{
    struct batch **place = &memory->batches;

    if (!batch || --batch->holders > 0)
        return;
    while (*place != batch)
        place = &(*place)->next;
    *place = batch->next;
    if (batch->file)
        mrc_memory_batch_remove_file(memory, batch->number);
    mrc_hub_file_close(batch->file);
    apr_pool_destroy(batch->pool);
}

static apr_pool_t *make_pool(apr_pool_t *parent)
{
    apr_allocator_t *allocator;
    apr_pool_t *pool;

    if (apr_allocator_create(&allocator) != APR_SUCCESS)
        return NULL;
    if (apr_pool_create_ex(&pool, parent, NULL, allocator) != APR_SUCCESS) {
        apr_allocator_destroy(allocator);
        return NULL;
    }
    apr_allocator_owner_set(allocator, pool);
    return pool;
}

struct batch *mrc_memory_batch_join(struct mrc_memory *memory)
{
    apr_pool_t *pool;

    if (!memory->batch) {
        pool = make_pool(memory->pool);
        if (!pool)
            return NULL;
        memory->batch = apr_palloc(pool, sizeof(*memory->batch));
        *memory->batch = (struct batch){.next = memory->batches, .pool = pool, .holders = 1};
        memory->batches = memory->batch;
    }
    memory->batch->holders++;
    return memory->batch;
}

void mrc_memory_batch_create_file(struct mrc_memory *memory,
                                  const struct mrc_hub_shape *const *shapes, size_t count)
{
    char name[MRC_RUNTIME_DIR_NAME_BYTES];
    struct batch *batch = mrc_memory_batch_join(memory);

    if (!batch)
        return;
    batch->number = ++memory->last_number;
    mrc_runtime_dir_hub_name(memory->key, batch->number, name);
    if (mrc_hub_file_create(batch->pool, name, &memory->file_args, shapes, count, NULL,
                            &batch->file) != APR_SUCCESS)
        batch->file = NULL;
    mrc_memory_batch_leave(memory, batch);
}

void mrc_memory_batch_add_former(struct mrc_memory *memory, const struct mrc_memory_hub *hub)
{
    struct batch *batch = hub->batch;
    struct former *former = apr_palloc(batch->pool, sizeof(*former));

    if (!batch->children)
        batch->children = apr_palloc(batch->pool, sizeof(*batch->children) * memory->nslots);
    mrc_control_note_children(memory->control, batch->children);
    *former = (struct former){.next = batch->formers, .place = hub->place};
    batch->formers = former;
}

void mrc_memory_batch_clear_formers(const struct mrc_memory *memory, struct batch *batch)
{
    if (!batch->formers || mrc_control_any_lives(memory->control, batch->children))
        return;
    for (; batch->formers; batch->formers = batch->formers->next)
        mrc_hub_file_clear(batch->file, batch->formers->place);
}
