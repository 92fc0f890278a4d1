#include "store/memory/memory.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "apr_general.h"
#include "apr_hash.h"
#include "apr_strings.h"
#include "apr_time.h"
#include "store/base/status.h"
#include "store/regions/staging.h"
#include "store/shm/runtime_dir.h"
#include "store/shm/segment.h"

/* Another server may remove our control file just before we lock it. Then we try again. */
#define OPEN_TRIES 10

/* The pool, below the process pool, of the hubs that one reconcile has made. A pool for each of a
 * thousand hubs would double the time that they take. */
struct batch {
    apr_pool_t *pool;
    size_t holders; /* its hubs, and the reconcile */
};

struct hub {
    struct hub *next;
    struct batch *batch;
    struct mrc_hub_segment *segment;
    unsigned number; /* of its file */
    bool wanted;     /* while reconciling: it is in the new configuration */
    uint64_t passed; /* mrc_hub_segment_reclaim() */
};

struct mrc_memory {
    apr_pool_t *pool; /* the process pool */
    pid_t owner;
    unsigned nslots;
    unsigned last_number; /* of a hub's file; no number is used twice */
    struct mrc_control *control;
    struct mrc_notify *notify;
    struct mrc_inquiry *inquiry;
    struct hub *first;
    apr_hash_t *by_key;  /* struct hub */
    struct batch *batch; /* of the hubs that are made now; NULL: none yet */
    /* The hubs after the last reconcile, for mrc_memory_hub_at(). */
    apr_pool_t *list_pool; /* NULL: there are none */
    struct hub **list;
    size_t list_count;
    apr_pool_t *documents_pool; /* NULL: there are no documents */
    struct mrc_documents *documents;
    apr_time_t reclaimed_at; /* the last time */
    const char *dir;
    char key[MRC_RUNTIME_DIR_KEY_BYTES + 1];
};

uint64_t mrc_memory_size(const struct mrc_hub_shape *const *shapes, size_t n, unsigned nslots,
                         struct mrc_error *error)
{
    uint64_t sum = mrc_control_size(nslots);
    size_t i;

    for (i = 0; i < n; i++) {
        uint64_t size = mrc_hub_segment_size(shapes[i], nslots, error);

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

/* ---- The hubs ---------------------------------------------------------------------------------*/

static struct hub *find_hub(const struct mrc_memory *memory, const char *key)
{
    return apr_hash_get(memory->by_key, key, APR_HASH_KEY_STRING);
}

static void note_key(struct mrc_memory *memory, struct hub *hub)
{
    apr_hash_set(memory->by_key, mrc_hub_segment_key(hub->segment), APR_HASH_KEY_STRING, hub);
}

/* It may be another hub's by now. */
static void forget_key(struct mrc_memory *memory, const struct hub *hub)
{
    if (find_hub(memory, mrc_hub_segment_key(hub->segment)) == hub)
        apr_hash_set(memory->by_key, mrc_hub_segment_key(hub->segment), APR_HASH_KEY_STRING, NULL);
}

static void leave_batch(struct batch *batch)
{
    if (batch && --batch->holders == 0)
        apr_pool_destroy(batch->pool);
}

/* The batch of the hub that is made now, which becomes a holder. NULL: out of memory. */
static struct batch *join_batch(struct mrc_memory *memory)
{
    apr_pool_t *pool;

    if (!memory->batch) {
        if (apr_pool_create(&pool, memory->pool))
            return NULL;
        memory->batch = apr_palloc(pool, sizeof(*memory->batch));
        *memory->batch = (struct batch){.pool = pool, .holders = 1};
    }
    memory->batch->holders++;
    return memory->batch;
}

/* Unmaps the hub, removes its file and frees it. */
static void destroy_hub(struct mrc_memory *memory, struct hub *hub)
{
    char name[MRC_RUNTIME_DIR_NAME_BYTES];

    mrc_runtime_dir_hub_name(memory->key, hub->number, name);
    mrc_segment_remove(memory->dir, name);
    forget_key(memory, hub);
    mrc_hub_segment_release(hub->segment);
    mrc_hub_segment_close(hub->segment);
    leave_batch(hub->batch);
}

/* Creates a hub; it is not in the list yet. */
static apr_status_t create_hub(struct mrc_memory *memory, const struct mrc_hub_shape *shape,
                               struct mrc_error *error, struct hub **ret_hub)
{
    char name[MRC_RUNTIME_DIR_NAME_BYTES];
    struct batch *batch = join_batch(memory);
    struct hub *hub;
    apr_status_t status;

    if (!batch)
        return mrc_status_set(error, APR_ENOMEM, "out of memory");
    hub = apr_pcalloc(batch->pool, sizeof(*hub));
    hub->batch = batch;
    hub->number = ++memory->last_number;
    mrc_runtime_dir_hub_name(memory->key, hub->number, name);
    status = mrc_hub_segment_create(batch->pool, memory->dir, name, shape, memory->nslots,
                                    mrc_control_budget(memory->control), error, &hub->segment);
    if (status) {
        leave_batch(batch);
        return status;
    }
    *ret_hub = hub;
    return APR_SUCCESS;
}

/*
 * Moves the ring and its binding to a history file. With a durable history, no publisher may be
 * between its commit and the ring meanwhile, so the publish lock is held too.
 */
static apr_status_t move_ring(const struct mrc_hub_segment *old, const struct mrc_hub_segment *new,
                              int64_t wait_us)
{
    struct mrc_staging *from = mrc_hub_segment_staging(old);
    struct mrc_staging *to = mrc_hub_segment_staging(new);
    apr_status_t status = from ? mrc_staging_lock(from, wait_us) : APR_SUCCESS;

    if (status)
        return status;
    status = mrc_ring_move(mrc_hub_segment_ring(old), mrc_hub_segment_ring(new), apr_time_now(),
                           wait_us);
    if (from && to && !status) {
        uint64_t offset;
        uint64_t epoch = mrc_staging_epoch(from, &offset);

        mrc_staging_set_horizon(to, mrc_staging_horizon(from));
        mrc_staging_bind(to, epoch, offset);
    }
    if (from)
        mrc_staging_unlock(from);
    return status;
}

/* Moves the ring, and the revocations before it: a token that is revoked stays so. */
static apr_status_t move_to(const struct mrc_hub_segment *old, const struct mrc_hub_segment *new,
                            int64_t wait_us)
{
    struct mrc_revocations *from = mrc_hub_segment_revocations(old);
    struct mrc_revocations *to = mrc_hub_segment_revocations(new);
    apr_status_t status = from && to ? mrc_revocations_carry(from, to) : APR_SUCCESS;

    if (status)
        return status == APR_ENOSPC ? MRC_STATUS_NO_ROOM : status;
    status = move_ring(old, new, wait_us);
    if (from && to)
        mrc_revocations_release(from);
    return status;
}

/* Moves OLD to a new segment of SHAPE, which takes its place in the list. On failure OLD stays in
 * use. A text in ERROR on success is a warning. */
static apr_status_t resize_hub(struct mrc_memory *memory, struct hub *old,
                               const struct mrc_hub_shape *shape, int64_t wait_us,
                               struct mrc_error *error)
{
    struct hub **place = &memory->first;
    struct hub *hub;
    apr_status_t status = create_hub(memory, shape, error, &hub);

    if (status)
        return status;
    status = move_to(old->segment, hub->segment, wait_us);
    if (status) {
        destroy_hub(memory, hub);
        return mrc_status_set(error, status, "%s",
                              APR_STATUS_IS_TIMEUP(status)   ? "another process holds its lock"
                              : status == MRC_STATUS_NO_ROOM ? "no room for a copy of its history"
                                                             : "its history could not be copied");
    }
    mrc_hub_segment_carry(old->segment, hub->segment);
    /* After the move: a subscription that ends from now on cannot be announced in the old ring, so
     * it is still in the old roster. */
    if (mrc_hub_segment_roster(old->segment) && mrc_hub_segment_roster(hub->segment) &&
        mrc_roster_carry(mrc_hub_segment_roster(old->segment),
                         mrc_hub_segment_roster(hub->segment)) > 0)
        mrc_error_set(error, MRC_OK, "has no room to announce the end of each subscription");
    while (*place != old)
        place = &(*place)->next;
    hub->next = old->next;
    *place = hub;
    forget_key(memory, old); /* the table points to its key */
    note_key(memory, hub);
    mrc_hub_segment_wake(old->segment, memory->notify); /* its children then see that it ended */
    destroy_hub(memory, old);
    return APR_SUCCESS;
}

static apr_status_t rebound_hub(const struct hub *hub, const struct mrc_hub_shape *shape,
                                int64_t wait_us, struct mrc_error *error)
{
    apr_status_t status = mrc_ring_set_bounds(mrc_hub_segment_ring(hub->segment), &shape->history,
                                              apr_time_now(), wait_us);

    return status ? mrc_status_set(error, status, "another process holds its lock") : APR_SUCCESS;
}

static apr_status_t check_shapes(const struct mrc_memory *memory,
                                 const struct mrc_hub_shape *const *shapes, size_t n,
                                 struct mrc_error *error)
{
    apr_status_t status = APR_SUCCESS;
    apr_pool_t *pool;
    apr_hash_t *keys;

    if (apr_pool_create(&pool, memory->pool))
        return mrc_status_set(error, APR_ENOMEM, "out of memory");
    keys = apr_hash_make(pool);
    for (size_t i = 0; i < n && !status; i++) {
        if (mrc_hub_segment_size(shapes[i], memory->nslots, error) == 0)
            status = APR_EINVAL;
        else if (apr_hash_get(keys, shapes[i]->key, APR_HASH_KEY_STRING))
            status =
                mrc_status_set(error, APR_EINVAL, "two hubs have the key %.150s", shapes[i]->key);
        else
            apr_hash_set(keys, shapes[i]->key, APR_HASH_KEY_STRING, shapes[i]);
    }
    apr_pool_destroy(pool);
    return status;
}

/* The rest of MRC_MEMORY_WAIT_US since START. */
static int64_t remaining(apr_time_t start)
{
    int64_t left = MRC_MEMORY_WAIT_US - (apr_time_now() - start);

    return left < 0 ? 0 : left > MRC_MEMORY_WAIT_US ? MRC_MEMORY_WAIT_US : left;
}

/* Removes the hubs that are in none of the N SHAPES. */
static void remove_unwanted(struct mrc_memory *memory, const struct mrc_hub_shape *const *shapes,
                            size_t n, apr_time_t start)
{
    struct hub **place = &memory->first;
    struct hub *hub;

    for (hub = memory->first; hub; hub = hub->next)
        hub->wanted = false;
    for (size_t i = 0; i < n; i++) {
        hub = find_hub(memory, shapes[i]->key);
        if (hub)
            hub->wanted = true;
    }
    while (*place) {
        hub = *place;
        if (hub->wanted) {
            place = &hub->next;
            continue;
        }
        mrc_ring_supersede(mrc_hub_segment_ring(hub->segment), remaining(start));
        mrc_hub_segment_wake(hub->segment, memory->notify);
        *place = hub->next;
        destroy_hub(memory, hub);
    }
}

static apr_status_t add_hub(struct mrc_memory *memory, const struct mrc_hub_shape *shape,
                            struct mrc_error *error)
{
    struct hub *hub;
    apr_status_t status = create_hub(memory, shape, error, &hub);

    if (status)
        return status;
    hub->next = memory->first;
    memory->first = hub;
    note_key(memory, hub);
    return APR_SUCCESS;
}

/* Gives HUB the new SHAPE. If that fails, HUB stays as it is, and WARNING, if still empty, gets the
 * reason. */
static void change_hub(struct mrc_memory *memory, struct hub *hub,
                       const struct mrc_hub_shape *shape, int64_t wait_us,
                       struct mrc_error *warning)
{
    struct mrc_error reason = {""};
    apr_status_t status = mrc_hub_segment_has_shape(hub->segment, shape)
                              ? rebound_hub(hub, shape, wait_us, &reason)
                              : resize_hub(memory, hub, shape, wait_us, &reason);

    if (warning->text[0])
        return;
    if (status)
        mrc_error_set(warning, MRC_OK,
                      "the hub %.80s keeps the memory and history bounds it had before: %.140s",
                      shape->key, reason.text);
    else if (reason.text[0])
        mrc_error_set(warning, MRC_OK, "the hub %.80s %.140s", shape->key, reason.text);
}

static apr_status_t update_list(struct mrc_memory *memory, struct mrc_error *error)
{
    size_t n = 0;
    apr_pool_t *pool;

    if (apr_pool_create(&pool, memory->pool))
        return mrc_status_set(error, APR_ENOMEM, "out of memory");
    for (const struct hub *hub = memory->first; hub; hub = hub->next)
        n++;
    if (memory->list_pool)
        apr_pool_destroy(memory->list_pool);
    memory->list_pool = pool;
    memory->list = apr_palloc(pool, sizeof(*memory->list) * (n + 1));
    memory->list_count = 0;
    for (struct hub *hub = memory->first; hub; hub = hub->next)
        memory->list[memory->list_count++] = hub;
    return APR_SUCCESS;
}

apr_status_t mrc_memory_reconcile(struct mrc_memory *memory,
                                  const struct mrc_hub_shape *const *shapes, size_t n,
                                  struct mrc_error *error)
{
    apr_status_t status = check_shapes(memory, shapes, n, error);
    struct mrc_error warning = {""};
    apr_time_t start = apr_time_now();

    if (status)
        return status;
    remove_unwanted(memory, shapes, n, start); /* first, because the others may need their room */
    for (size_t i = 0; i < n; i++) {
        struct hub *hub = find_hub(memory, shapes[i]->key);
        struct mrc_error reason = {""};
        apr_status_t one;

        if (hub) {
            change_hub(memory, hub, shapes[i], remaining(start), &warning);
            continue;
        }
        one = add_hub(memory, shapes[i], &reason);
        if (one && !status)
            status = mrc_status_set(error, one, "%s", reason.text);
    }
    leave_batch(memory->batch);
    memory->batch = NULL;
    if (!status)
        status = update_list(memory, error);
    else
        update_list(memory, NULL);
    if (!status && error)
        *error = warning;
    return status;
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
    struct hub *hub = find_hub(memory, key);

    return hub ? hub->segment : NULL;
}

struct mrc_hub_segment *mrc_memory_hub_at(const struct mrc_memory *memory, size_t i)
{
    return i < memory->list_count ? memory->list[i]->segment : NULL;
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

/* If the clock is set, the next time comes too early or at once; too late after at most as long. */
void mrc_memory_reclaim(struct mrc_memory *memory)
{
    apr_time_t now = apr_time_now();

    if (memory->owner != getpid() || llabs(now - memory->reclaimed_at) < MRC_MEMORY_RECLAIM_US)
        return;
    memory->reclaimed_at = now;
    for (struct hub *hub = memory->first; hub; hub = hub->next)
        (void)mrc_hub_segment_reclaim(hub->segment, &hub->passed, now);
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
        struct hub *hub = memory->first;

        memory->first = hub->next;
        destroy_hub(memory, hub);
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
