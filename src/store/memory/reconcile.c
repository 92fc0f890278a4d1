#include <stdatomic.h>

#include "apr_hash.h"
#include "store/base/clock.h"
#include "store/base/status.h"
#include "store/memory/batch.h"
#include "store/memory/hub.h"
#include "store/memory/idle.h"
#include "store/memory/internal.h"
#include "store/memory/memory.h"
#include "store/memory/sites.h"
#include "store/regions/staging.h"

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

/* Moves the ring, and before it the revocations: a revoked token stays revoked. */
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

/* Moves what OLD has to HUB. A text in ERROR on success is a warning. */
static apr_status_t move_hub(struct mrc_memory_hub *old, struct mrc_memory_hub *hub,
                             int64_t wait_us, struct mrc_error *error)
{
    struct mrc_hub_segment *from = mrc_memory_hub_segment(old), *to;
    apr_status_t status = mrc_memory_hub_make(hub, error, &to);

    if (status)
        return status;
    status = move_to(from, to, wait_us);
    if (status)
        return mrc_status_set(error, status, "%s",
                              APR_STATUS_IS_TIMEUP(status)   ? "another process holds its lock"
                              : status == MRC_STATUS_NO_ROOM ? "no room for a copy of its history"
                                                             : "its history could not be copied");
    mrc_hub_segment_carry(from, to);
    /* After the move: a subscription that ends from now on cannot be announced in the old ring, so
     * it is still in the old roster. */
    if (mrc_hub_segment_roster(from) && mrc_hub_segment_roster(to) &&
        mrc_roster_carry(mrc_hub_segment_roster(from), mrc_hub_segment_roster(to)) > 0)
        mrc_error_set(error, MRC_OK, "has no room to announce the end of each subscription");
    return APR_SUCCESS;
}

/*
 * Replaces OLD with a new hub of SHAPE, at PLACE, which takes over what OLD has. On failure OLD
 * stays in use. A text in ERROR on success is a warning to be logged.
 */
static apr_status_t replace_hub(struct mrc_memory *memory, struct mrc_memory_hub *old,
                                const struct mrc_hub_shape *shape, size_t place, int64_t wait_us,
                                struct mrc_error *error)
{
    struct mrc_memory_hub *hub;
    apr_status_t status = mrc_memory_hub_create(memory, shape, place, error, &hub);

    if (status)
        return status;
    hub->was_given = mrc_memory_hub_was_given(old);
    if (old->place == MRC_MEMORY_OWN_FILE ||
        !mrc_hub_file_give_up_unmade(old->batch->file, old->place))
        status = move_hub(old, hub, wait_us, error);
    if (status) {
        mrc_memory_hub_destroy(memory, hub);
        return status;
    }
    mrc_memory_hub_delist(memory, old); /* first, because the table points to its key */
    mrc_memory_hub_enlist(memory, hub);
    mrc_memory_hub_wake(memory, old); /* its children then see that it ended */
    mrc_memory_hub_destroy(memory, old);
    return APR_SUCCESS;
}

/*
 * Gives back OLD, which its site has not used for a long time: a new hub, at PLACE, is for another
 * site. False: OLD stays in use.
 */
static bool give_back(struct mrc_memory *memory, struct mrc_memory_hub *old,
                      const struct mrc_hub_shape *shape, size_t place, int64_t wait_us)
{
    struct mrc_memory_hub *hub;

    if (place == MRC_MEMORY_OWN_FILE || !mrc_memory_idle_is_long(old, apr_time_now()) ||
        mrc_memory_hub_create(memory, shape, place, NULL, &hub) != APR_SUCCESS)
        return false;
    if (!mrc_memory_idle_end(old, apr_time_now(), wait_us)) {
        mrc_memory_hub_destroy(memory, hub);
        return false;
    }
    hub->was_given = true;
    mrc_memory_hub_delist(memory, old);
    mrc_memory_hub_enlist(memory, hub);
    mrc_memory_hub_wake(memory, old); /* somebody may have begun to listen just now */
    mrc_memory_hub_destroy(memory, old);
    return true;
}

static apr_status_t rebound_hub(const struct mrc_hub_segment *segment,
                                const struct mrc_hub_shape *shape, int64_t wait_us,
                                struct mrc_error *error)
{
    apr_status_t status = mrc_ring_set_bounds(mrc_hub_segment_ring(segment), &shape->history,
                                              apr_time_now(), wait_us);

    return status ? mrc_status_set(error, status, "another process holds its lock") : APR_SUCCESS;
}

/* Whether A and B differ in nothing but their key, and when they are made. */
static bool are_same(const struct mrc_hub_shape *a, const struct mrc_hub_shape *b)
{
    return a->history.count == b->history.count && a->history.bytes == b->history.bytes &&
           a->history.age_us == b->history.age_us && a->history.off == b->history.off &&
           a->ring_bytes == b->ring_bytes && a->body_max_bytes == b->body_max_bytes &&
           a->staging_bytes == b->staging_bytes && a->staging_large == b->staging_large &&
           a->roster_subscribers == b->roster_subscribers &&
           a->census_streams == b->census_streams && a->is_controlled == b->is_controlled &&
           a->has_link == b->has_link;
}

/* Whether HUB can be kept for SHAPE, perhaps with new bounds. */
static bool can_keep(struct mrc_memory_hub *hub, const struct mrc_hub_shape *shape)
{
    const struct mrc_hub_segment *segment = mrc_memory_hub_segment(hub);

    return segment ? mrc_hub_segment_has_shape(segment, shape) : are_same(&hub->shape, shape);
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
        if (mrc_hub_shape_bytes(shapes[i], memory->nslots, error) == 0)
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

/* The rest of MRC_MEMORY_WAIT_US since START_US, at least MRC_MEMORY_WAIT_MIN_US. */
static int64_t remaining(int64_t start_us)
{
    int64_t left = MRC_MEMORY_WAIT_US - (mrc_clock_us() - start_us);

    return left < MRC_MEMORY_WAIT_MIN_US ? MRC_MEMORY_WAIT_MIN_US : left;
}

/* Ends HUB for all children. */
static void end_hub(struct mrc_memory *memory, struct mrc_memory_hub *hub, int64_t wait_us)
{
    struct mrc_hub_segment *segment;

    if (hub->place != MRC_MEMORY_OWN_FILE && mrc_hub_file_give_up(hub->batch->file, hub->place))
        mrc_memory_hub_attach(hub);
    segment = atomic_load(&hub->segment);
    if (segment)
        mrc_ring_supersede(mrc_hub_segment_ring(segment), wait_us);
    mrc_memory_hub_wake(memory, hub);
    mrc_memory_hub_delist(memory, hub);
    mrc_memory_hub_destroy(memory, hub);
}

/* Removes the hubs that are in none of the N SHAPES. */
static void remove_unwanted(struct mrc_memory *memory, const struct mrc_hub_shape *const *shapes,
                            size_t n, int64_t start_us)
{
    struct mrc_memory_hub *hub, *next;

    for (hub = memory->first; hub; hub = hub->next)
        hub->wanted = false;
    for (size_t i = 0; i < n; i++) {
        hub = mrc_memory_hub_find(memory, shapes[i]->key);
        if (hub)
            hub->wanted = true;
    }
    for (hub = memory->first; hub; hub = next) {
        next = hub->next;
        if (!hub->wanted)
            end_hub(memory, hub, remaining(start_us));
    }
}

static apr_status_t add_hub(struct mrc_memory *memory, const struct mrc_hub_shape *shape,
                            size_t place, struct mrc_error *error)
{
    struct mrc_memory_hub *hub;
    apr_status_t status = mrc_memory_hub_create(memory, shape, place, error, &hub);

    if (!status)
        mrc_memory_hub_enlist(memory, hub);
    return status;
}

/* Gives HUB the new SHAPE. If that fails, HUB stays as it is, and WARNING gets the reason. PLACE is
 * that of a new hub in the batch's file. */
static void change_hub(struct mrc_memory *memory, struct mrc_memory_hub *hub,
                       const struct mrc_hub_shape *shape, size_t place, int64_t wait_us,
                       struct mrc_error *warning)
{
    struct mrc_hub_segment *segment = mrc_memory_hub_segment(hub);
    struct mrc_error reason = {""};
    apr_status_t status = APR_SUCCESS;

    if (give_back(memory, hub, shape, place, wait_us))
        return;
    if (!can_keep(hub, shape))
        status = replace_hub(memory, hub, shape, place, wait_us, &reason);
    else if (segment)
        status = rebound_hub(segment, shape, wait_us, &reason);
    if (status)
        mrc_error_set(warning, MRC_OK,
                      "the hub %.80s keeps the memory and history bounds it had before: %.140s",
                      shape->key, reason.text);
    else if (reason.text[0])
        mrc_error_set(warning, MRC_OK, "the hub %.80s %.140s", shape->key, reason.text);
}

/* Creates the file for those of SHAPES that become new hubs on demand. RET_PLACES, of N, gets the
 * place of each in the file. */
static void plan_file(struct mrc_memory *memory, apr_pool_t *temp,
                      const struct mrc_hub_shape *const *shapes, size_t n, size_t *ret_places)
{
    const struct mrc_hub_shape **planned = apr_palloc(temp, sizeof(*planned) * (n + 1));
    size_t count = 0;

    for (size_t i = 0; i < n; i++) {
        struct mrc_memory_hub *hub = mrc_memory_hub_find(memory, shapes[i]->key);

        ret_places[i] = MRC_MEMORY_OWN_FILE;
        if (!shapes[i]->is_on_demand || !mrc_hub_file_can_have(shapes[i]) ||
            (hub && can_keep(hub, shapes[i]) && !mrc_memory_idle_is_long(hub, apr_time_now())))
            continue;
        ret_places[i] = count;
        planned[count++] = shapes[i];
    }
    if (count)
        mrc_memory_batch_create_file(memory, planned, count);
}

/* Changes the hubs that stay, and adds the new ones. */
static apr_status_t apply_shapes(struct mrc_memory *memory,
                                 const struct mrc_hub_shape *const *shapes, size_t n,
                                 const size_t *places, int64_t start_us, mrc_memory_warn_fn *warn,
                                 void *warn_ctx, struct mrc_error *error)
{
    apr_status_t status = APR_SUCCESS;

    for (size_t i = 0; i < n; i++) {
        struct mrc_memory_hub *hub = mrc_memory_hub_find(memory, shapes[i]->key);
        struct mrc_error warning = {""}, reason = {""};
        apr_status_t one;

        if (hub) {
            change_hub(memory, hub, shapes[i], places[i], remaining(start_us), &warning);
            if (warning.text[0])
                warn(warn_ctx, warning.text);
            continue;
        }
        one = add_hub(memory, shapes[i], places[i], &reason);
        if (one && !status)
            status = mrc_status_set(error, one, "%s", reason.text);
    }
    return status;
}

static apr_status_t update_list(struct mrc_memory *memory, struct mrc_error *error)
{
    size_t n = 0;
    apr_pool_t *pool;

    if (apr_pool_create(&pool, memory->pool))
        return mrc_status_set(error, APR_ENOMEM, "out of memory");
    for (const struct mrc_memory_hub *hub = memory->first; hub; hub = hub->next)
        n++;
    if (memory->list_pool)
        apr_pool_destroy(memory->list_pool);
    memory->list_pool = pool;
    memory->list = apr_palloc(pool, sizeof(*memory->list) * (n + 1));
    memory->list_count = 0;
    for (struct mrc_memory_hub *hub = memory->first; hub; hub = hub->next)
        memory->list[memory->list_count++] = hub;
    return APR_SUCCESS;
}

apr_status_t mrc_memory_reconcile(struct mrc_memory *memory,
                                  const struct mrc_hub_shape *const *shapes, size_t n,
                                  mrc_memory_warn_fn *warn, void *warn_ctx, struct mrc_error *error)
{
    apr_status_t status = check_shapes(memory, shapes, n, error);
    int64_t start_us = mrc_clock_us();
    apr_pool_t *temp;
    size_t *places;

    if (status)
        return status;
    if (apr_pool_create(&temp, memory->pool) != APR_SUCCESS)
        return mrc_status_set(error, APR_ENOMEM, "out of memory");
    places = apr_palloc(temp, sizeof(*places) * (n + 1));
    mrc_memory_sites_arrange(memory, temp, shapes, n, remaining(start_us));
    /* This comes before the new hubs, because they may need the room. */
    remove_unwanted(memory, shapes, n, start_us);
    plan_file(memory, temp, shapes, n, places);
    status = apply_shapes(memory, shapes, n, places, start_us, warn, warn_ctx, error);
    apr_pool_destroy(temp);
    mrc_memory_batch_leave(memory, memory->batch);
    memory->batch = NULL;
    if (!status)
        status = update_list(memory, error);
    else
        update_list(memory, NULL);
    return status;
}
