#include "hub/transport/restore.h"

#include <stdlib.h>

#include "core/base/buf.h"
#include "core/protocol/update.h"
#include "hub/hub/hub.h"
#include "hub/lineage/walk.h"
#include "hub/transport/member.h"
#include "store/engine/redis.h"
#include "store/regions/link.h"
#include "store/ring/ring.h"

/* Limits of one command, so that the engine serves others soon. */
#define BATCH_ENTRIES_MAX 64
#define BATCH_BYTES_MAX   ((size_t)1024 * 1024)

/* The updates of more writers than these are not put back. */
#define WRITERS_MAX MRC_MACHINES_MAX

/* Machines look at different times within this part of a lease, so that mostly one of them acts. */
#define SPREAD 16

struct writer {
    uint64_t name;
    uint64_t last; /* the counter of its last entry in the engine */
};

struct restoring {
    struct mrc_member *member;
    struct mrc_redis *redis;
    struct mrc_engine_error *error;
    struct writer *writers; /* WRITERS_MAX */
    size_t count;
    uint64_t fork;  /* number of the last entry before what the engine has lost */
    bool is_broken; /* the engine has refused a command */

    /* Entries of one writer with adjacent counters, which are sent together. */
    struct mrc_buf blobs;
    size_t ends[BATCH_ENTRIES_MAX];
    uint64_t stored_bytes[BATCH_ENTRIES_MAX];
    size_t entries;
    uint64_t name, first; /* the writer, and the counter of the first one */
    uint64_t restored;
};

/* ---- when -------------------------------------------------------------------------------------*/

void mrc_restore_begin(struct mrc_member *member, int64_t now_us)
{
    int64_t lease_us = member->spec->lease_us;
    uint64_t unused, number;

    member->restore_at_us = 0;
    if (mrc_link_get_fork(member->link, &unused, &number))
        member->restore_at_us =
            now_us + lease_us +
            lease_us / SPREAD * (int64_t)(mrc_link_writer(member->link) / 2 % SPREAD);
}

bool mrc_restore_is_due(const struct mrc_member *member, int64_t now_us)
{
    return member->state == MRC_MEMBER_IN && member->restore_at_us &&
           now_us >= member->restore_at_us;
}

/* ---- what the engine has ----------------------------------------------------------------------*/

static struct writer *find(const struct restoring *restoring, uint64_t name)
{
    for (size_t i = 0; i < restoring->count; i++) {
        if (restoring->writers[i].name == name)
            return &restoring->writers[i];
    }
    return NULL;
}

/* This machine's own updates are put back when it joins. */
static bool note_writer(void *ctx, const struct mrc_ring_record *record,
                        const struct mrc_update_origin *origin, size_t len)
{
    struct restoring *restoring = ctx;

    if (origin->writer != mrc_link_writer(restoring->member->link) &&
        restoring->count < WRITERS_MAX && !find(restoring, origin->writer))
        restoring->writers[restoring->count++].name = origin->writer;
    return true;
}

static bool ask_counters(struct restoring *restoring)
{
    uint64_t names[WRITERS_MAX], counters[WRITERS_MAX];

    if (restoring->count == 0)
        return true;
    for (size_t i = 0; i < restoring->count; i++)
        names[i] = restoring->writers[i].name;
    if (!mrc_redis_counters(restoring->redis, &restoring->member->keys, names, restoring->count,
                            counters, restoring->error))
        return false;
    for (size_t i = 0; i < restoring->count; i++)
        restoring->writers[i].last = counters[i];
    return true;
}

/* ---- putting back -----------------------------------------------------------------------------*/

/* Sends what is gathered. False: the engine has refused it. */
static bool send_batch(struct restoring *restoring)
{
    struct mrc_redis_publish publish = {
        .generation = restoring->member->position.generation,
        .writer = restoring->name,
        .counter = restoring->first,
        .entries = restoring->entries,
        .is_again = true,
        .fork = restoring->fork,
    };
    struct writer *writer = find(restoring, restoring->name);
    uint64_t newest, last;

    if (restoring->entries == 0 || !writer)
        return true;
    mrc_member_fill_bounds(restoring->member, &publish);
    mrc_redis_publish_add(restoring->redis, &restoring->member->keys, &publish);
    for (size_t i = 0, at = 0; i < restoring->entries; at = restoring->ends[i++])
        mrc_redis_entry_add(restoring->redis, restoring->stored_bytes[i],
                            (struct mrc_bytes){restoring->blobs.ptr + at, restoring->ends[i] - at},
                            mrc_bytes_of(""));
    if (!mrc_redis_publish_end(restoring->redis, &newest, &last, restoring->error)) {
        restoring->is_broken = true;
        return false;
    }
    if (writer->last < restoring->first - 1) /* the ring lacks some, too */
        writer->last = restoring->first - 1;
    if (last > writer->last)
        restoring->restored += last - writer->last;
    writer->last = last;
    mrc_buf_reset(&restoring->blobs);
    restoring->entries = 0;
    return true;
}

/* Gathers a record that the engine lacks. */
static bool put_back(void *ctx, const struct mrc_ring_record *record,
                     const struct mrc_update_origin *origin, size_t len)
{
    struct restoring *restoring = ctx;
    const struct writer *writer = find(restoring, origin->writer);
    struct mrc_bytes payload = {record->view.payload.ptr, len};

    if (!writer || origin->counter <= writer->last)
        return true;
    if ((restoring->name != origin->writer ||
         origin->counter != restoring->first + restoring->entries ||
         restoring->entries == BATCH_ENTRIES_MAX || restoring->blobs.len > BATCH_BYTES_MAX) &&
        !send_batch(restoring))
        return false;
    if (restoring->entries == 0) {
        restoring->name = origin->writer;
        restoring->first = origin->counter;
    }
    mrc_update_clear_origin((char *)(uintptr_t)payload.ptr); /* in the copy of the record */
    mrc_entry_add_blob(&restoring->blobs, MRC_ENTRY_AGAIN, record->view.id, payload);
    restoring->stored_bytes[restoring->entries] = record->view.stored_bytes;
    restoring->ends[restoring->entries++] = restoring->blobs.len;
    return mrc_buf_error(&restoring->blobs) == MRC_OK;
}

/* False: something has failed; what is not put back is tried again. */
static bool run(struct restoring *restoring, uint64_t fork)
{
    const struct mrc_ring *ring = restoring->member->ring;

    if (!mrc_walk(ring, fork, note_writer, restoring))
        return false;
    if (!ask_counters(restoring)) {
        restoring->is_broken = true;
        return false;
    }
    return mrc_walk(ring, fork, put_back, restoring) && send_batch(restoring);
}

bool mrc_restore(struct mrc_member *member, struct mrc_redis *redis, int64_t now_us,
                 struct mrc_engine_error *error)
{
    struct restoring restoring = {.member = member, .redis = redis, .error = error};
    uint64_t fork;
    bool is_done = false;

    member->restore_at_us = 0;
    if (!mrc_link_get_fork(member->link, &fork, &restoring.fork))
        return true;
    mrc_buf_init(&restoring.blobs, SIZE_MAX);
    restoring.writers = calloc(WRITERS_MAX, sizeof(*restoring.writers));
    if (restoring.writers)
        is_done = run(&restoring, fork);
    free(restoring.writers);
    mrc_buf_free(&restoring.blobs);
    if (restoring.restored) {
        mrc_link_count(member->link, MRC_LINK_RESTORED, restoring.restored);
        mrc_member_report(member, MRC_LINK_EVENT_RESTORED, NULL, restoring.restored, 0);
    }
    is_done = is_done && !mrc_outbox_restores(member->outbox);
    if (is_done) {
        mrc_link_clear_fork(member->link);
        mrc_unsettled_restored(&member->unsettled);
    } else {
        mrc_restore_begin(member, now_us);
    }
    return !restoring.is_broken || error->reason == MRC_ENGINE_FULL;
}
