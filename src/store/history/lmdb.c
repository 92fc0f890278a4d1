/*
 * The durable history: an LMDB file beside the ring.
 *
 * Whoever has the publish lock (staging.h) commits what is staged in one transaction, then appends
 * it to the ring in the same order. Between the two a leader may die. So each leader looks first
 * whether the file has more than the ring, and appends that: nothing that was committed stays
 * unseen, and what the tool imports while the hub runs comes to light, too (history_bind.h).
 *
 * The ring belongs to one file: epoch and offset in the staging area say to which. A ring without
 * one, after a start or after the hub has got another store, is bound by the first child.
 */
#include "store/history/bind.h"
#include "store/history/env.h"
#include "store/history/internal.h"
#include "store/history/table.h"

#include <stdlib.h>
#include <string.h>

#include "apr_time.h"

#include "store/base/status.h"
#include "store/regions/hub_segment.h"
#include "store/regions/staging.h"
#include "store/ring/ring.h"

#define LOOK_US ((int64_t)100 * 1000) /* a publisher looks by itself so often */
#define ABANDON_US                                                                                 \
    ((int64_t)30 * 1000 * 1000) /* it leaves its update to a leader after so long                  \
                                 */
#define OPEN_WAIT_US ((int64_t)30 * 1000 * 1000)

/* Old records that one commit removes beside as many as it adds. */
#define TRIM_MORE 1000

/* So many that readers find past the bounds are not left to the next publisher. */
#define MANY_BEHIND 1000

/* Readers of dead processes keep room from being used again: looked for after so many commits. */
#define COMMITS_PER_READER_CHECK 256

struct lmdb_history {
    struct mrc_history base;
    struct mrc_history_env *env;
    struct mrc_staging *staging;
    unsigned slot;
    enum mrc_history_sync sync;
    uint64_t epoch;
};

static struct lmdb_history *lmdb_of(const struct mrc_history *history)
{
    return (struct lmdb_history *)(uintptr_t)history;
}

/* ---- opening ----------------------------------------------------------------------------------*/

/* Whether the ring, which ends with NUMBER, has more than the file: the hub was without it a while.
 */
static bool is_ahead(const struct mrc_history_txn *txn, uint64_t number)
{
    struct mrc_history_row last = {.number = 0};

    return mrc_history_table_last(txn, &last) == APR_SUCCESS && number > last.number;
}

/* Binds the ring to the file, in the transaction TXN. */
static apr_status_t bind_in(struct lmdb_history *history, const struct mrc_history_txn *txn)
{
    uint64_t offset;
    uint64_t epoch = mrc_staging_epoch(history->staging, &offset);
    uint64_t pos, seq;

    mrc_ring_end(history->base.ring, &pos, &seq);
    if (epoch == history->epoch && !is_ahead(txn, seq + offset)) {
        uint64_t last;

        history->base.offset = offset;
        return mrc_history_bind_catch_up(&history->base, txn, &last);
    }
    return seq == 0 ? mrc_history_bind_fill(&history->base, txn)
                    : mrc_history_bind_adopt(&history->base, txn);
}

static apr_status_t bind_ring(struct lmdb_history *history)
{
    for (;;) {
        struct mrc_history_txn txn;
        apr_status_t status = mrc_history_env_begin(history->env, true, &txn);

        if (status)
            return status;
        history->epoch = txn.dbs.epoch;
        status = bind_in(history, &txn);
        if (status)
            mrc_history_env_abort(&txn);
        else
            status = mrc_history_env_commit(&txn);
        if (status == MRC_STATUS_MAP_FULL)
            status = mrc_history_env_grow(history->env);
        else if (!status) {
            mrc_staging_bind(history->staging, history->epoch, history->base.offset);
            return APR_SUCCESS;
        }
        if (status)
            return status;
    }
}

/* ---- leading, under the publish lock ----------------------------------------------------------*/

/*
 * What one commit takes: what publishers have staged, then what the leader itself brings. That
 * comes last, since what a dead leader leaves of it is in the file alone, where the newest is
 * always found.
 */
struct batch {
    struct mrc_staged staged[MRC_STAGING_SLOTS];
    size_t staged_count;
    struct mrc_staged *own;
    size_t own_count;
};

static size_t count_of(const struct batch *batch)
{
    return batch->staged_count + batch->own_count;
}

static struct mrc_staged *update_at(struct batch *batch, size_t i)
{
    return i < batch->staged_count ? &batch->staged[i] : &batch->own[i - batch->staged_count];
}

/* Gives the updates numbers and writes them, in TXN. */
static apr_status_t write_batch(const struct lmdb_history *history,
                                const struct mrc_history_txn *txn, struct batch *batch)
{
    struct mrc_ring_bounds bounds;
    int64_t now_us = apr_time_now();
    uint64_t last;
    apr_status_t status = mrc_history_bind_catch_up(&history->base, txn, &last);

    for (size_t i = 0; !status && i < count_of(batch); i++) {
        struct mrc_staged *update = update_at(batch, i);
        const struct mrc_history_row row = {
            .number = last + 1 + i,
            .time_us = update->time_us,
            .stored_bytes = update->stored_bytes,
            .id = update->id,
            .payload = update->payload,
        };

        update->number = row.number;
        if (update->slot >= 0)
            mrc_staging_set_number(history->staging, update);
        status = mrc_history_table_append(txn, &row);
    }
    if (status)
        return status;
    mrc_ring_get_bounds(history->base.ring, &bounds);
    return mrc_history_table_trim(txn, &bounds, now_us, last + 1,
                                  (unsigned)count_of(batch) + TRIM_MORE);
}

/* Commits the updates; nothing of them is in the file on failure. */
static apr_status_t commit_batch(const struct lmdb_history *history, struct batch *batch)
{
    for (;;) {
        struct mrc_history_txn txn;
        apr_status_t status = mrc_history_env_begin(history->env, true, &txn);

        if (status)
            return status;
        status = write_batch(history, &txn, batch);
        if (status)
            mrc_history_env_abort(&txn);
        else
            status = mrc_history_env_commit(&txn);
        if (status != MRC_STATUS_MAP_FULL)
            return status;
        mrc_history_env_check_readers(history->env);
        status = mrc_history_env_grow(history->env);
        if (status)
            return status;
    }
}

/*
 * The ring may have been moved or removed since the lock was taken, by a parent that could not
 * wait: then its successor takes from the file what this one has not got.
 */
static void append_batch(const struct lmdb_history *history, struct batch *batch)
{
    for (size_t i = 0; i < count_of(batch); i++) {
        const struct mrc_staged *update = update_at(batch, i);
        const struct mrc_ring_record record = {
            .seq = update->number - history->base.offset,
            .time_us = update->time_us,
            .stored_bytes = update->stored_bytes,
            .id = update->id,
            .payload = update->payload,
        };

        mrc_ring_append_as(history->base.ring, &record, update->time_us, MRC_RING_WAIT_FOREVER);
    }
}

/* Before it is finished: the slots are their publishers' then. */
static void describe_batch(const struct lmdb_history *history, struct batch *batch,
                           struct mrc_tags *ret_tags)
{
    mrc_tags_clear(ret_tags);
    for (size_t i = 0; i < count_of(batch); i++)
        mrc_history_describe(&history->base, update_at(batch, i)->payload, ret_tags);
}

static void finish_batch(const struct lmdb_history *history, struct batch *batch,
                         apr_status_t status)
{
    for (size_t i = 0; i < count_of(batch); i++) {
        struct mrc_staged *update = update_at(batch, i);

        update->status = status;
        if (update->slot >= 0)
            mrc_staging_finish(history->staging, update);
    }
}

/*
 * Mends what a leader has left that died: what it committed comes to light, the rest is staged. In
 * a transaction that could write, since LMDB mends then what its own writer has left: one that only
 * reads may not see the last commit.
 */
static apr_status_t recover(const struct lmdb_history *history)
{
    struct mrc_history_txn txn;
    apr_status_t status = mrc_history_env_sync(history->env); /* before anybody is told so */
    uint64_t last;

    if (!status)
        status = mrc_history_env_begin(history->env, true, &txn);
    if (status)
        return status;
    status = mrc_history_bind_catch_up(&history->base, &txn, &last);
    mrc_history_env_abort(&txn);
    if (status && status != MRC_STATUS_SUPERSEDED)
        return status;
    mrc_staging_recover(history->staging, last);
    mrc_staging_recovered(history->staging);
    return APR_SUCCESS;
}

/* Whether this process may lead: the ring lives, and goes along with the file that we have. */
static apr_status_t check_binding(const struct lmdb_history *history)
{
    uint64_t offset;

    if (mrc_staging_epoch(history->staging, &offset) != history->epoch)
        return MRC_STATUS_SUPERSEDED;
    if (mrc_staging_needs_recovery(history->staging)) {
        apr_status_t status = recover(history);

        if (status)
            return status;
    }
    return mrc_ring_is_superseded(history->base.ring) ? MRC_STATUS_SUPERSEDED : APR_SUCCESS;
}

/* Commits what is staged, and the COUNT updates of its OWN, which may be none. */
static apr_status_t lead(const struct lmdb_history *history, struct mrc_staged *own, size_t count)
{
    struct batch batch = {.own = own, .own_count = count};
    apr_status_t status = check_binding(history);
    struct mrc_tags tags;

    if (history->sync != MRC_HISTORY_SYNC_FULL || count == 0)
        batch.staged_count = mrc_staging_take(history->staging, batch.staged, MRC_STAGING_SLOTS);
    if (count_of(&batch) == 0)
        return APR_SUCCESS;
    if (!status)
        status = commit_batch(history, &batch);
    if (!status) {
        append_batch(history, &batch);
        mrc_staging_count_commit(history->staging);
    }
    describe_batch(history, &batch, &tags);
    finish_batch(history, &batch, status);
    if (!status)
        mrc_hub_segment_wake_for(history->base.segment, history->base.notify, &tags);
    return status;
}

/* Readers that are dead are forgotten now and then, by who has just led. */
static void look_after(const struct lmdb_history *history)
{
    if (mrc_staging_commits(history->staging) % COMMITS_PER_READER_CHECK == 0)
        mrc_history_env_check_readers(history->env);
}

/* ---- publishing -------------------------------------------------------------------------------*/

/* Commits COUNT updates that are in no slot. */
static apr_status_t append_own(const struct lmdb_history *history, struct mrc_staged *updates,
                               size_t count)
{
    apr_status_t status = mrc_staging_lock(history->staging, MRC_HISTORY_WAIT_US);

    if (status)
        return status;
    status = lead(history, updates, count);
    mrc_staging_unlock(history->staging);
    look_after(history);
    return status;
}

/* Waits until what is in SLOT is decided, or leads. */
static apr_status_t follow(const struct lmdb_history *history, int slot)
{
    struct mrc_staging *staging = history->staging;
    apr_time_t start = apr_time_now();
    apr_status_t status;

    for (;;) {
        int64_t waited_us;

        mrc_staging_answer_nudge(staging, slot);
        if (mrc_staging_poll(staging, slot, &status))
            return status;
        if (mrc_staging_lock(staging, 0) == APR_SUCCESS) {
            bool is_decided = mrc_staging_poll(staging, slot, &status);

            if (!is_decided)
                lead(history, NULL, 0);
            mrc_staging_unlock(staging);
            look_after(history);
            if (is_decided)
                return status;
            continue;
        }
        waited_us = apr_time_now() - start;
        if (waited_us > MRC_HISTORY_WAIT_US && mrc_staging_withdraw(staging, slot))
            return APR_TIMEUP;
        if (waited_us > ABANDON_US && mrc_staging_abandon(staging, slot))
            return APR_TIMEUP;
        mrc_staging_wait(staging, slot, LOOK_US);
    }
}

/* Makes ITEM, which comes at NOW_US, an update; MRC_STATUS_TOO_LARGE. */
static apr_status_t make_update(const struct lmdb_history *history,
                                const struct mrc_history_item *item, int64_t now_us,
                                struct mrc_staged *ret_update)
{
    uint64_t largest = mrc_ring_largest(history->base.ring);

    if (item->stored_bytes > UINT32_MAX || item->id.len > largest ||
        item->payload.len > largest - item->id.len)
        return MRC_STATUS_TOO_LARGE;
    *ret_update = (struct mrc_staged){
        .id = item->id,
        .payload = item->payload,
        .stored_bytes = (uint32_t)item->stored_bytes,
        .time_us = now_us,
        .slot = -1,
    };
    return APR_SUCCESS;
}

static apr_status_t append(struct mrc_history *base, struct mrc_bytes id, struct mrc_bytes payload,
                           uint64_t stored_bytes, int64_t now_us)
{
    const struct lmdb_history *history = lmdb_of(base);
    const struct mrc_history_item item = {id, payload, stored_bytes};
    struct mrc_staged update;
    apr_status_t status = make_update(history, &item, now_us, &update);
    int slot = -1;

    if (status)
        return status;
    if (history->sync != MRC_HISTORY_SYNC_FULL)
        slot = mrc_staging_stage(history->staging, history->slot, &update);
    return slot < 0 ? append_own(history, &update, 1) : follow(history, slot);
}

/* All or none: a group is one publisher's, and so one commit even with sync=full. */
static apr_status_t append_several(struct mrc_history *base, const struct mrc_history_item *items,
                                   size_t count, int64_t now_us, size_t *ret_done)
{
    const struct lmdb_history *history = lmdb_of(base);
    struct mrc_staged *updates = calloc(count, sizeof(*updates));
    apr_status_t status = updates ? APR_SUCCESS : APR_ENOMEM;

    for (size_t i = 0; i < count && !status; i++)
        status = make_update(history, &items[i], now_us, &updates[i]);
    if (!status)
        status = append_own(history, updates, count);
    free(updates);
    *ret_done = status ? 0 : count;
    return status;
}

/* A single one shares its commit with those of others. */
static apr_status_t append_group(struct mrc_history *base, const struct mrc_history_item *items,
                                 size_t count, int64_t now_us, size_t *ret_done)
{
    apr_status_t status;

    if (count > 1)
        return append_several(base, items, count, now_us, ret_done);
    status = append(base, items->id, items->payload, items->stored_bytes, now_us);
    *ret_done = status ? 0 : 1;
    return status;
}

/* ---- reading ----------------------------------------------------------------------------------*/

/* Removes what is past the bounds, if the publish lock is free: when nobody publishes. */
static void try_trim(const struct lmdb_history *history, const struct mrc_ring_bounds *bounds,
                     int64_t now_us)
{
    struct mrc_history_txn txn;

    if (mrc_staging_lock(history->staging, 0))
        return;
    if (!mrc_staging_needs_recovery(history->staging) &&
        mrc_history_env_begin(history->env, true, &txn) == APR_SUCCESS) {
        if (mrc_history_table_trim(&txn, bounds, now_us, UINT64_MAX, TRIM_MORE))
            mrc_history_env_abort(&txn);
        else
            mrc_history_env_commit(&txn);
    }
    mrc_staging_unlock(history->staging);
}

/*
 * The number that replay begins with, and the one after ID from there on if ID is given. The place
 * in the ring is taken before: what is in the file and not yet in the ring will come from there.
 */
static apr_status_t find_place(struct mrc_history *base, const struct mrc_bytes *id, int64_t now_us,
                               struct mrc_place *ret_place)
{
    const struct lmdb_history *history = lmdb_of(base);
    struct mrc_ring_bounds bounds;
    struct mrc_history_txn txn;
    struct mrc_place place;
    uint64_t number = UINT64_MAX;
    uint64_t behind = 0;
    apr_status_t status;

    mrc_history_head(base, &place);
    mrc_ring_get_bounds(base->ring, &bounds);
    status = mrc_history_env_begin(history->env, false, &txn);
    if (status)
        return status;
    status = mrc_history_table_oldest(&txn, &bounds, now_us, &number, &behind);
    if (status == APR_NOTFOUND && !id)
        status = APR_SUCCESS;
    if (!status && id) {
        status = mrc_history_table_find(&txn, *id, number, &number);
        number++;
    }
    mrc_history_env_abort(&txn);
    if (behind > MANY_BEHIND)
        try_trim(history, &bounds, now_us);
    if (status)
        return status;
    if (number != UINT64_MAX)
        place.next = number;
    *ret_place = place;
    return APR_SUCCESS;
}

static apr_status_t oldest(struct mrc_history *history, int64_t now_us, struct mrc_place *ret_place)
{
    return find_place(history, NULL, now_us, ret_place);
}

static apr_status_t find(struct mrc_history *history, struct mrc_bytes id, int64_t now_us,
                         struct mrc_place *ret_place)
{
    return find_place(history, &id, now_us, ret_place);
}

static apr_status_t read_slice(const struct mrc_history *base, const struct mrc_place *place,
                               size_t max_bytes, struct mrc_history_slice *slice)
{
    const struct lmdb_history *history = lmdb_of(base);
    struct mrc_history_txn txn;
    apr_status_t status = mrc_history_env_begin(history->env, false, &txn);

    if (status)
        return status;
    for (uint64_t number = place->next;
         number < place->until && mrc_buf_bytes(&slice->buf).len < max_bytes; number++) {
        struct mrc_history_row row;
        struct mrc_ring_record record;

        status = mrc_history_table_get(&txn, number, &row);
        if (status)
            break;
        record = mrc_history_bind_record(&row, number);
        mrc_history_slice_add(slice, &record);
    }
    mrc_history_env_abort(&txn);
    if (mrc_buf_error(&slice->buf))
        return APR_ENOMEM;
    return status == APR_NOTFOUND ? MRC_STATUS_OVERRUN : status;
}

static apr_status_t count(struct mrc_history *base, int64_t now_us, uint64_t *ret_records,
                          uint64_t *ret_bytes)
{
    struct mrc_ring_bounds bounds;
    struct mrc_history_row row = {.number = 0}, last = {.number = 0};
    struct mrc_history_txn txn;
    uint64_t number, behind;
    apr_status_t status = mrc_history_env_begin(lmdb_of(base)->env, false, &txn);

    if (status)
        return status;
    mrc_ring_get_bounds(base->ring, &bounds);
    status = mrc_history_table_oldest(&txn, &bounds, now_us, &number, &behind);
    if (!status)
        status = mrc_history_table_last(&txn, &last);
    if (!status && number <= last.number)
        status = mrc_history_table_get(&txn, number, &row);
    mrc_history_env_abort(&txn);
    if (status && status != APR_NOTFOUND)
        return status;
    *ret_records = row.number ? last.number - row.number + 1 : 0;
    *ret_bytes = row.number ? last.sum_bytes - row.sum_bytes + row.stored_bytes : 0;
    return APR_SUCCESS;
}

static void close_history(struct mrc_history *history)
{
    mrc_history_env_close(lmdb_of(history)->env);
}

static const struct mrc_history_ops lmdb_ops = {
    .append = append,
    .append_group = append_group,
    .oldest = oldest,
    .find = find,
    .read = read_slice,
    .count = count,
    .close = close_history,
};

bool mrc_history_has_lmdb(void)
{
    return true;
}

apr_status_t mrc_history_open_lmdb(apr_pool_t *pool, struct mrc_hub_segment *segment,
                                   const struct mrc_notify *notify, unsigned slot, const char *dir,
                                   enum mrc_history_sync sync, struct mrc_error *error,
                                   struct mrc_history **ret_history)
{
    struct lmdb_history *history = apr_pcalloc(pool, sizeof(*history));
    const struct mrc_history_env_options options = {
        .key = mrc_hub_segment_key(segment),
        .unsynced = sync == MRC_HISTORY_SYNC_NONE,
    };
    char reason[120];
    apr_status_t status;

    history->base = (struct mrc_history){
        .ops = &lmdb_ops,
        .segment = segment,
        .notify = notify,
        .ring = mrc_hub_segment_ring(segment),
    };
    history->slot = slot;
    history->sync = sync;
    history->staging = mrc_hub_segment_staging(segment);
    if (!history->staging)
        return mrc_status_set(error, APR_EINVAL, "the hub's memory has no staging area");
    status = mrc_history_env_open(pool, dir, &options, error, &history->env);
    if (status)
        return status;
    status = mrc_staging_lock(history->staging, OPEN_WAIT_US);
    if (!status) {
        status = bind_ring(history);
        mrc_staging_unlock(history->staging);
    }
    if (status) {
        mrc_history_env_close(history->env);
        return mrc_status_set(error, status, "%.200s: %s", dir,
                              mrc_status_text(status)
                                  ? mrc_status_text(status)
                                  : apr_strerror(status, reason, sizeof(reason)));
    }
    *ret_history = &history->base;
    return APR_SUCCESS;
}
