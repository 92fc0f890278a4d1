#include "store/memory/memory.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "apr_general.h"
#include "apr_strings.h"
#include "store/base/status.h"
#include "store/memory/batch.h"
#include "store/memory/hub.h"
#include "store/memory/idle.h"
#include "store/memory/internal.h"
#include "store/shm/segment.h"

/*
 * Another server may remove the new control file just before it is locked; then another one is
 * tried.
 */
#define OPEN_TRIES 10

uint64_t mrc_memory_size(const struct mrc_hub_shape *const *shapes, size_t n, unsigned nslots,
                         struct mrc_error *error)
{
    uint64_t sum = mrc_control_size(nslots);
    size_t i;

    for (i = 0; i < n; i++) {
        uint64_t size = mrc_hub_shape_bytes(shapes[i], nslots, error);

        if (size == 0)
            return 0;
        sum = size > UINT64_MAX - sum ? UINT64_MAX : sum + size;
    }
    return sum;
}

uint64_t mrc_memory_room(const char *runtime_dir)
{
    return mrc_runtime_dir_room(runtime_dir);
}

/* ---- Opening ----------------------------------------------------------------------------------*/

static apr_status_t make_key(char ret_key[MRC_RUNTIME_DIR_KEY_BYTES + 1])
{
    uint64_t random;
    apr_status_t status = apr_generate_random_bytes((unsigned char *)&random, sizeof(random));

    if (status)
        return status;
    snprintf(ret_key, MRC_RUNTIME_DIR_KEY_BYTES + 1, "%08x%016" PRIx64, (unsigned)getpid(), random);
    return APR_SUCCESS;
}

/* Creates and locks the control file. APR_EAGAIN: another server has just removed it. */
static apr_status_t open_control(struct mrc_memory *memory, struct mrc_error *error)
{
    char name[MRC_RUNTIME_DIR_NAME_BYTES];
    char reason[120];
    struct mrc_control *control;
    apr_status_t status;
    struct stat st;

    status = make_key(memory->key);
    if (status)
        return mrc_status_set(error, status, "the system has no random bytes");
    mrc_runtime_dir_control_name(memory->key, name);
    status = mrc_control_create(memory->pool, memory->dir, name, memory->nslots, error, &control);
    if (status)
        return status;
    if (flock(mrc_control_fd(control), LOCK_EX | LOCK_NB) != 0)
        status = errno;
    else if (fstat(mrc_control_fd(control), &st) != 0 || st.st_nlink == 0)
        status = APR_EAGAIN;
    if (status) {
        mrc_control_close(control);
        mrc_segment_remove(memory->dir, name);
        return mrc_status_set(error, status, "cannot lock %s in %.100s: %s", name, memory->dir,
                              apr_strerror(status, reason, sizeof(reason)));
    }
    memory->control = control;
    return APR_SUCCESS;
}

apr_status_t mrc_memory_open(apr_pool_t *process_pool, const char *runtime_dir, unsigned nslots,
                             struct mrc_error *error, struct mrc_memory **ret_memory)
{
    struct mrc_memory *memory = apr_pcalloc(process_pool, sizeof(*memory));
    apr_status_t status;
    int tries;

    memory->pool = process_pool;
    memory->owner = getpid();
    memory->by_key = apr_hash_make(process_pool);
    memory->nslots = nslots;
    memory->dir = apr_pstrdup(process_pool, runtime_dir);
    mrc_runtime_dir_sweep(memory->dir);
    for (tries = 0; tries < OPEN_TRIES; tries++) {
        status = open_control(memory, error);
        if (!APR_STATUS_IS_EAGAIN(status))
            break;
    }
    if (status)
        return status;
    memory->file_args = (struct mrc_hub_file_args){
        .dir = memory->dir,
        .nslots = nslots,
        .budget = mrc_control_budget(memory->control),
        .making = mrc_control_making(memory->control),
    };
    status = mrc_notify_create(process_pool, nslots, error, &memory->notify);
    if (!status)
        status = mrc_inquiry_create(process_pool, error, &memory->inquiry);
    if (status) {
        mrc_memory_close(memory);
        return status;
    }
    *ret_memory = memory;
    return APR_SUCCESS;
}

/* ---- The documents ----------------------------------------------------------------------------*/

static void close_documents(struct mrc_memory *memory)
{
    if (!memory->documents_pool)
        return;
    mrc_documents_close(memory->documents);
    apr_pool_destroy(memory->documents_pool);
    memory->documents_pool = NULL;
    memory->documents = NULL;
}

apr_status_t mrc_memory_set_documents(struct mrc_memory *memory,
                                      const struct mrc_document_spec *specs, size_t n,
                                      struct mrc_error *error)
{
    struct mrc_documents *documents;
    apr_pool_t *pool;
    apr_status_t status = apr_pool_create(&pool, memory->pool);

    if (status)
        return mrc_status_set(error, status, "out of memory");
    status = mrc_documents_create(pool, specs, n, error, &documents);
    if (status) {
        apr_pool_destroy(pool);
        return status;
    }
    if (memory->documents)
        mrc_documents_carry(memory->documents, documents);
    close_documents(memory);
    memory->documents_pool = pool;
    memory->documents = documents;
    return APR_SUCCESS;
}

/* ---- Accessors --------------------------------------------------------------------------------*/

struct mrc_hub_segment *mrc_memory_hub(const struct mrc_memory *memory, const char *key)
{
    struct mrc_memory_hub *hub = mrc_memory_hub_find(memory, key);

    return hub ? mrc_memory_hub_segment(hub) : NULL;
}

struct mrc_memory_hub *mrc_memory_hub_at(const struct mrc_memory *memory, size_t i)
{
    return i < memory->list_count ? memory->list[i] : NULL;
}

struct mrc_control *mrc_memory_control(const struct mrc_memory *memory)
{
    return memory->control;
}

struct mrc_documents *mrc_memory_documents(const struct mrc_memory *memory)
{
    return memory->documents;
}

const struct mrc_notify *mrc_memory_notify(const struct mrc_memory *memory)
{
    return memory->notify;
}

void mrc_memory_set_limit(struct mrc_memory *memory, uint64_t bytes)
{
    mrc_control_set_memory_limit(memory->control, bytes);
}

/* If the clock is set, the next call may come early, or late by at most the same interval. */
void mrc_memory_reclaim(struct mrc_memory *memory)
{
    apr_time_t now = apr_time_now();

    if (memory->owner != getpid() || llabs(now - memory->reclaimed_at) < MRC_MEMORY_RECLAIM_US)
        return;
    memory->reclaimed_at = now;
    for (struct mrc_memory_hub *hub = memory->first; hub; hub = hub->next) {
        struct mrc_hub_segment *segment = mrc_memory_hub_segment(hub);

        if (!segment)
            continue;
        (void)mrc_hub_segment_reclaim(segment, &hub->passed, now);
        mrc_memory_idle_look(hub, now);
    }
    for (struct batch *batch = memory->batches; batch; batch = batch->next)
        mrc_memory_batch_clear_formers(memory, batch);
}

struct mrc_inquiry *mrc_memory_inquiry(const struct mrc_memory *memory)
{
    return memory->inquiry;
}

void mrc_memory_close(struct mrc_memory *memory)
{
    char name[MRC_RUNTIME_DIR_NAME_BYTES];

    if (!memory || memory->owner != getpid())
        return;
    memory->list_count = 0;
    while (memory->first) {
        struct mrc_memory_hub *hub = memory->first;

        mrc_memory_hub_delist(memory, hub);
        mrc_memory_hub_destroy(memory, hub);
    }
    close_documents(memory);
    mrc_notify_close(memory->notify);
    memory->notify = NULL;
    mrc_inquiry_close(memory->inquiry);
    memory->inquiry = NULL;
    if (memory->control) {
        mrc_runtime_dir_control_name(memory->key, name);
        mrc_segment_remove(memory->dir, name);
        mrc_control_close(memory->control);
        memory->control = NULL;
    }
}
