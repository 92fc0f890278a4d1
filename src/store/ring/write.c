#include <stdlib.h>

#include "core/base/siphash.h"
#include "store/ring/codec.h"
#include "store/ring/index.h"
#include "store/ring/lock.h"
#include "store/ring/ring.h"
#include "store/ring/window.h"

/*
 * This part of what the ring has had so far is allocated beyond the head in advance, but no more
 * than this many bytes.
 */
#define AHEAD_PART      4
#define AHEAD_MAX_BYTES ((uint64_t)1 << 20)

/* ---- Groups -----------------------------------------------------------------------------------*/

/* The bytes that RECORD takes in RING; 0: it does not fit. */
static uint64_t size_in(const struct mrc_ring *ring, const struct mrc_record *record)
{
    uint64_t total;

    if (record->id.len > MRC_RING_RECORD_MAX || record->payload.len > MRC_RING_RECORD_MAX ||
        record->stored_bytes > MRC_RECORD_STORED_BYTES_MAX)
        return 0;
    total = mrc_ring_codec_bytes(record->id.len, record->payload.len);
    return total > ring->capacity / 4 || total > MRC_RING_RECORD_MAX ? 0 : total;
}

/* One record of a group that is appended together. */
struct member {
    uint64_t at;     /* its position, counted from the first one's */
    uint64_t total;  /* its size in the ring */
    uint64_t hash;   /* of its id */
    uint64_t bucket; /* its number, once the group has its place */
    size_t before;   /* 1 + the index of the last member before it in its bucket; 0: none */
    size_t link;     /* for chain_members() */
};

/* Records that become visible together. */
struct group {
    const struct mrc_record *records;
    struct member *members;
    size_t count;
    uint64_t total;     /* their size in the ring */
    uint64_t first_seq; /* the number of the first one; 0: the next number */
    int64_t time_us;    /* of all */
    size_t *slots;      /* for chain_members(), zeros; NULL: the group has one member */
    uint64_t slot_mask;
};

/* Measures RECORD, which becomes the group's member number I. False: it does not fit. */
static bool measure(const struct mrc_ring *ring, struct group *group, size_t i)
{
    struct member *member = &group->members[i];

    *member = (struct member){
        .at = group->total,
        .total = size_in(ring, &group->records[i]),
        .hash = mrc_siphash(ring->hash_key, group->records[i].id),
    };
    group->total += member->total;
    return member->total != 0;
}

/*
 * Finds for each member the last one before it in the same bucket, through a small hash table:
 *
 *     slots[bucket & mask] --> last member of the slot --link--> the one before it --> … 0
 *
 * Slots and links hold 1 + an index.
 */
static void chain_members(struct group *group)
{
    for (size_t i = 0; group->slots && i < group->count; i++) {
        struct member *member = &group->members[i];
        size_t *slot = &group->slots[member->bucket & group->slot_mask];
        size_t before = *slot;

        while (before && group->members[before - 1].bucket != member->bucket)
            before = group->members[before - 1].link;
        member->before = before;
        member->link = *slot;
        *slot = i + 1;
    }
}

/* ---- Memory -----------------------------------------------------------------------------------*/

/* Allocates the words for BYTES from the position POS on; POS may be any. */
static apr_status_t take_words(struct mrc_ring *ring, uint64_t pos, uint64_t bytes)
{
    uint64_t at = pos % ring->capacity;
    uint64_t part = bytes < ring->capacity - at ? bytes : ring->capacity - at;
    apr_status_t status = mrc_sparse_take(ring->pages, (char *)ring->words + at, part);

    return status || part == bytes ? status
                                   : mrc_sparse_take(ring->pages, ring->words, bytes - part);
}

/*
 * The same, and some more for the next records if there is room, so that there are fewer system
 * calls.
 */
static apr_status_t take_ahead(struct mrc_ring *ring, uint64_t pos, uint64_t bytes)
{
    uint64_t at = pos % ring->capacity;
    uint64_t more = pos / AHEAD_PART < AHEAD_MAX_BYTES ? pos / AHEAD_PART : AHEAD_MAX_BYTES;

    if (!ring->pages || (at + bytes <= ring->capacity &&
                         mrc_sparse_have(ring->pages, (char *)ring->words + at, bytes)))
        return APR_SUCCESS;
    if (bytes + more <= ring->capacity && take_words(ring, pos, bytes + more) == APR_SUCCESS)
        return APR_SUCCESS;
    return take_words(ring, pos, bytes);
}

/* Under the lock: gives GROUP its place after the head, and allocates its memory. */
static apr_status_t place(struct mrc_ring *ring, struct group *group)
{
    uint64_t start = mrc_ring_held(&ring->header->head);
    apr_status_t status = take_ahead(ring, start, group->total);

    for (size_t i = 0; i < group->count && !status && !group->records->is_control; i++) {
        struct member *member = &group->members[i];

        member->bucket = mrc_ring_index_bucket_at(ring, start + member->at, member->hash);
        status = mrc_sparse_take(ring->pages, (void *)&ring->buckets[member->bucket],
                                 sizeof(*ring->buckets));
    }
    if (!status)
        chain_members(group);
    return status;
}

apr_status_t mrc_ring_prepare(struct mrc_ring *ring, const struct mrc_record *records, size_t count)
{
    uint64_t pos = mrc_ring_held(&ring->header->head), start = pos;
    apr_status_t status = APR_SUCCESS;

    for (size_t i = 0; i < count && !status; i++) {
        uint64_t hash = mrc_siphash(ring->hash_key, records[i].id);
        uint64_t bucket = mrc_ring_index_bucket_at(ring, pos, hash);

        status =
            mrc_sparse_take(ring->pages, (void *)&ring->buckets[bucket], sizeof(*ring->buckets));
        pos += size_in(ring, &records[i]);
    }
    return status ? status
                  : take_ahead(ring, start,
                               pos - start < ring->capacity ? pos - start : ring->capacity);
}

/* ---- Appending --------------------------------------------------------------------------------*/

/* Under the lock: the five steps of layout.h. */
static void put(struct mrc_ring *ring, const struct group *group)
{
    struct mrc_ring_header *header = ring->header;
    uint64_t start = mrc_ring_held(&header->head);

    mrc_ring_window_make_room(ring, group->total);

    for (size_t i = 0; i < group->count; i++) {
        const struct member *member = &group->members[i];
        uint64_t chain = member->before ? start + group->members[member->before - 1].at + 1
                                        : mrc_ring_held(&ring->buckets[member->bucket]);
        struct mrc_record record = group->records[i];

        record.seq = group->first_seq + i;
        record.time_us = group->time_us;
        mrc_ring_codec_write(ring, start + member->at, &record, member->total, chain, member->hash);
    }

    atomic_store(&header->head, start + group->total);

    for (size_t i = 0; i < group->count; i++) {
        const struct member *member = &group->members[i];

        mrc_ring_publish(&ring->buckets[member->bucket], start + member->at + 1);
    }

    mrc_ring_publish(&header->last_seq, group->first_seq + group->count - 1);
    for (size_t i = 0; i < group->count; i++)
        mrc_ring_window_add(ring, group->records[i].stored_bytes);
}

/* Under the lock: the same for the control record of GROUP. */
static void put_control(struct mrc_ring *ring, const struct group *group)
{
    struct mrc_ring_header *header = ring->header;
    uint64_t pos = mrc_ring_held(&header->head), update;
    struct mrc_record record = *group->records;

    /* This comes first: the update before it may be overwritten, and is found from the head. */
    mrc_ring_window_make_room(ring, group->total);
    record.seq = mrc_ring_held(&header->last_seq);
    record.time_us = group->time_us;
    update = mrc_ring_newest_before(ring, pos, &update) == APR_SUCCESS ? update + 1 : 0;
    mrc_ring_codec_write(ring, pos, &record, group->total, update, mrc_ring_held(&header->control));
    atomic_store(&header->head, pos + group->total);
    mrc_ring_publish(&header->control, pos + 1);
}

/* Appends GROUP, which is measured, and sets its first_seq. */
static apr_status_t append(struct mrc_ring *ring, struct group *group, int64_t now_us,
                           int64_t wait_us, uint64_t *ret_pos)
{
    struct mrc_ring_header *header = ring->header;
    apr_status_t status = mrc_ring_lock(ring, now_us, wait_us);

    if (status)
        return status;
    if (mrc_ring_held(&header->state) != MRC_RING_OPEN)
        status = MRC_STATUS_SUPERSEDED;
    else if (group->records->is_control)
        group->first_seq = 0; /* put_control() finds the number */
    else if (group->first_seq == 0)
        group->first_seq = mrc_ring_held(&header->last_seq) + 1;
    else if (group->first_seq <= mrc_ring_held(&header->last_seq))
        status = APR_EINVAL;
    if (!status)
        status = place(ring, group);
    if (!status) {
        if (group->records->is_control)
            put_control(ring, group);
        else
            put(ring, group);
        mrc_ring_window_trim(ring, now_us);
        *ret_pos = mrc_ring_held(&header->head);
    }
    mrc_ring_unlock(ring);
    return status;
}

apr_status_t mrc_ring_append(struct mrc_ring *ring, struct mrc_bytes id, struct mrc_bytes payload,
                             uint64_t stored_bytes, int64_t now_us, int64_t wait_us,
                             uint64_t *ret_seq, uint64_t *ret_pos)
{
    const struct mrc_record record = {.stored_bytes = stored_bytes, .id = id, .payload = payload};
    struct member member;
    struct group group = {.records = &record, .members = &member, .count = 1, .time_us = now_us};
    apr_status_t status;

    if (!measure(ring, &group, 0))
        return MRC_STATUS_TOO_LARGE;
    status = append(ring, &group, now_us, wait_us, ret_pos);
    if (!status)
        *ret_seq = group.first_seq;
    return status;
}

/* A group of RECORD alone, with its own number and time. */
static struct group group_of(const struct mrc_record *record, struct member *member)
{
    return (struct group){
        .records = record,
        .members = member,
        .count = 1,
        .first_seq = record->seq,
        .time_us = record->time_us,
    };
}

apr_status_t mrc_ring_append_as(struct mrc_ring *ring, const struct mrc_record *record,
                                int64_t now_us, int64_t wait_us)
{
    struct member member;
    struct group group = group_of(record, &member);
    uint64_t unused;

    if (!record->seq)
        return APR_EINVAL;
    return measure(ring, &group, 0) ? append(ring, &group, now_us, wait_us, &unused)
                                    : MRC_STATUS_TOO_LARGE;
}

/* ---- Several at once --------------------------------------------------------------------------*/

/* Half of the ring stays for records that readers have not read yet. */
static uint64_t largest_group(const struct mrc_ring *ring)
{
    return ring->capacity / 2;
}

size_t mrc_ring_count_fitting(const struct mrc_ring *ring, const struct mrc_record *records,
                              size_t count)
{
    uint64_t total = 0;

    for (size_t i = 0; i < count; i++) {
        uint64_t bytes = size_in(ring, &records[i]);

        if (!bytes || bytes > largest_group(ring) - total)
            return i;
        total += bytes;
    }
    return count;
}

/* Measures the members of GROUP, and makes room for their chains. */
static apr_status_t prepare(const struct mrc_ring *ring, struct group *group)
{
    for (size_t i = 0; i < group->count; i++)
        if (!measure(ring, group, i))
            return MRC_STATUS_TOO_LARGE;
    if (group->total > largest_group(ring))
        return MRC_STATUS_TOO_LARGE;
    while (group->slot_mask < group->count)
        group->slot_mask = group->slot_mask << 1 | 1;
    group->slots = calloc(group->slot_mask + 1, sizeof(*group->slots));
    return group->slots ? APR_SUCCESS : APR_ENOMEM;
}

apr_status_t mrc_ring_append_group(struct mrc_ring *ring, const struct mrc_record *records,
                                   size_t count, int64_t now_us, int64_t wait_us,
                                   uint64_t *ret_first_seq)
{
    struct group group = {.records = records, .count = count, .time_us = now_us};
    apr_status_t status;
    uint64_t unused;

    group.members = calloc(count, sizeof(*group.members));
    if (!group.members)
        return APR_ENOMEM;
    status = prepare(ring, &group);
    if (!status)
        status = append(ring, &group, now_us, wait_us, &unused);
    if (!status)
        *ret_first_seq = group.first_seq;
    free(group.slots);
    free(group.members);
    return status;
}

static apr_status_t append_control(struct mrc_ring *ring, struct mrc_bytes id,
                                   struct mrc_bytes payload, int64_t time_us, int64_t now_us,
                                   int64_t wait_us, uint64_t *ret_pos)
{
    const struct mrc_record record = {
        .time_us = time_us, .id = id, .payload = payload, .is_control = true};
    struct member member;
    struct group group = group_of(&record, &member);

    return measure(ring, &group, 0) ? append(ring, &group, now_us, wait_us, ret_pos)
                                    : MRC_STATUS_TOO_LARGE;
}

apr_status_t mrc_ring_append_control(struct mrc_ring *ring, struct mrc_bytes payload,
                                     int64_t now_us, int64_t wait_us, uint64_t *ret_pos)
{
    return append_control(ring, mrc_bytes_of(""), payload, now_us, now_us, wait_us, ret_pos);
}

apr_status_t mrc_ring_append_control_as(struct mrc_ring *ring, struct mrc_bytes id,
                                        struct mrc_bytes payload, int64_t time_us, int64_t now_us,
                                        int64_t wait_us)
{
    uint64_t unused;

    return append_control(ring, id, payload, time_us, now_us, wait_us, &unused);
}

apr_status_t mrc_ring_settle(struct mrc_ring *ring, int64_t now_us, int64_t wait_us)
{
    apr_status_t status = mrc_ring_lock(ring, now_us, wait_us); /* it repairs the ring */

    if (!status)
        mrc_ring_unlock(ring);
    return status;
}

/* ---- A reload: the parent ---------------------------------------------------------------------*/

apr_status_t mrc_ring_set_bounds(struct mrc_ring *ring, const struct mrc_ring_bounds *bounds,
                                 int64_t now_us, int64_t wait_us)
{
    apr_status_t status = mrc_ring_lock(ring, now_us, wait_us);

    if (status)
        return status;
    mrc_ring_window_set_bounds(ring, bounds);
    mrc_ring_window_trim(ring, now_us);
    mrc_ring_unlock(ring);
    return APR_SUCCESS;
}

apr_status_t mrc_ring_forget(struct mrc_ring *ring, int64_t now_us, int64_t wait_us)
{
    apr_status_t status = mrc_ring_lock(ring, now_us, wait_us);

    if (status)
        return status;
    mrc_ring_window_clear(ring);
    mrc_ring_unlock(ring);
    return APR_SUCCESS;
}

/*
 * Copies the updates of FROM between POS and HEAD. Leaves out a record that cannot fit into TO. A
 * contradiction ends the copy without an error, because no record after it can be read. Control
 * records are for the streams that exist, which read FROM to its end.
 */
static apr_status_t copy_records(const struct mrc_ring *from, uint64_t pos, uint64_t head,
                                 struct mrc_ring *to)
{
    struct mrc_ring_record record = {.buf = NULL};
    apr_status_t status = APR_SUCCESS;

    while (pos < head) {
        struct member member;
        struct group group;

        status = mrc_ring_read(from, &pos, &record);
        if (status)
            break;
        group = group_of(&record.view, &member);
        if (record.view.is_control || !measure(to, &group, 0))
            continue;
        status = place(to, &group);
        if (status)
            break;
        put(to, &group);
    }
    mrc_ring_record_free(&record);
    return status == APR_ENOMEM || status == MRC_STATUS_NO_ROOM ? status : APR_SUCCESS;
}

apr_status_t mrc_ring_move(struct mrc_ring *from, struct mrc_ring *to, int64_t now_us,
                           int64_t wait_us)
{
    apr_status_t status = mrc_ring_lock(from, now_us, wait_us);
    struct mrc_ring_record newest = {.buf = NULL};
    uint64_t history;
    uint64_t head;
    bool empty;

    if (status)
        return status;
    if (mrc_ring_held(&from->header->state) != MRC_RING_OPEN) {
        mrc_ring_unlock(from);
        return MRC_STATUS_SUPERSEDED;
    }
    mrc_ring_window_trim(from, now_us);
    head = mrc_ring_held(&from->header->head);
    history = mrc_ring_held(&from->header->history);
    empty = history == head;
    /* The newest record moves even if the history is empty, because new subscribers get its id. */
    if (empty && mrc_ring_newest(from, &newest) == APR_SUCCESS)
        history = newest.pos;
    mrc_ring_record_free(&newest);
    status = copy_records(from, history, head, to);
    if (!status) {
        if (empty)
            mrc_ring_window_clear(to);
        mrc_ring_publish(&to->header->last_seq, mrc_ring_held(&from->header->last_seq));
        mrc_ring_window_trim(to, now_us);
        mrc_ring_publish(&from->header->state, MRC_RING_SUPERSEDED);
    }
    mrc_ring_unlock(from);
    return status;
}

void mrc_ring_supersede(struct mrc_ring *ring, int64_t wait_us)
{
    apr_status_t status = mrc_ring_lock(ring, 0, wait_us);

    mrc_ring_publish(&ring->header->state, MRC_RING_SUPERSEDED);
    if (!status)
        mrc_ring_unlock(ring);
}

bool mrc_ring_supersede_unused(struct mrc_ring *ring, uint64_t head, int64_t now_us,
                               int64_t wait_us)
{
    struct mrc_ring_header *header = ring->header;
    bool is_unused;

    if (mrc_ring_lock(ring, now_us, wait_us) != APR_SUCCESS)
        return false;
    mrc_ring_window_trim(ring, now_us);
    is_unused =
        mrc_ring_held(&header->head) == head && mrc_ring_held(&header->history_records) == 0;
    if (is_unused)
        mrc_ring_publish(&header->state, MRC_RING_SUPERSEDED);
    mrc_ring_unlock(ring);
    return is_unused;
}
