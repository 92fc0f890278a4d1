#include "store/history/commit.h"

#include <stdlib.h>

#include "apr_time.h"

#include "store/base/status.h"
#include "store/history/begun.h"
#include "store/history/bind.h"
#include "store/hub/segment.h"
#include "store/lmdb/table.h"
#include "store/ring/ring.h"

/* One commit removes as many old records as it adds, and this many more. */
#define TRIM_MORE 1000

/* Readers of dead processes keep pages in use; they are looked for once in this many commits. */
#define COMMITS_PER_READER_CHECK 256

/* ---- Binding ----------------------------------------------------------------------------------*/

/* Whether the ring, which ends with NUMBER, has more than the file: the hub had another store for a
 * while. */
static bool is_ahead(const struct mrc_history_txn *txn, uint64_t number)
{
    struct mrc_history_row last;

    return mrc_history_table_last(txn, &last) == APR_SUCCESS && number > last.record.seq;
}

/*
 * RET_HORIZON gets the number up to which everything belongs to servers before this one; 0: all of
 * it has been dealt with.
 */
static apr_status_t bind_in(struct mrc_history_lmdb *history, const struct mrc_history_txn *txn,
                            uint64_t *ret_horizon)
{
    uint64_t offset;
    uint64_t epoch = mrc_staging_epoch(history->staging, &offset);
    struct mrc_history_row last;
    uint64_t pos, seq;

    mrc_ring_end(history->base.ring, &pos, &seq);
    if (epoch == history->epoch && !is_ahead(txn, seq + offset)) {
        uint64_t unused;

        history->base.offset = offset;
        *ret_horizon = mrc_staging_horizon(history->staging);
        return mrc_history_bind_catch_up(&history->base, txn, &unused);
    }
    *ret_horizon = mrc_history_table_last(txn, &last) ? 0 : last.record.seq;
    return seq == 0 ? mrc_history_bind_fill(&history->base, txn)
                    : mrc_history_bind_adopt(&history->base, txn);
}

apr_status_t mrc_history_commit_bind(struct mrc_history_lmdb *history)
{
    for (;;) {
        struct mrc_history_txn txn;
        apr_status_t status = mrc_history_env_begin(history->env, true, &txn);
        uint64_t horizon;

        if (status)
            return status;
        history->epoch = txn.dbs.epoch;
        status = bind_in(history, &txn, &horizon);
        if (status)
            mrc_history_env_abort(&txn);
        else
            status = mrc_history_env_commit(&txn);
        if (status == MRC_STATUS_MAP_FULL)
            status = mrc_history_env_grow(history->env);
        else if (!status) {
            mrc_staging_set_horizon(history->staging, horizon);
            mrc_staging_bind(history->staging, history->epoch, history->base.offset);
            return APR_SUCCESS;
        }
        if (status)
            return status;
    }
}

/* ---- Leading ----------------------------------------------------------------------------------*/

/*
 * The updates of one commit: those that publishers have staged, then the leader's own. Its own come
 * last, because a dead leader leaves them in the file only, where the newest records are always
 * found.
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

/* Whether TXN already has what RECORD says: that its subject has ended. */
static apr_status_t find_repeated(const struct mrc_history_txn *txn,
                                  const struct mrc_record *record, bool *ret_is_repeated)
{
    uint64_t number;
    apr_status_t status = APR_NOTFOUND;

    if (record->mark == MRC_RECORD_ENDS)
        status = mrc_history_table_find(txn, record->id, 0, &number);
    *ret_is_repeated = status == APR_SUCCESS;
    return status == APR_NOTFOUND ? APR_SUCCESS : status;
}

static apr_status_t note_mark(const struct mrc_history_txn *txn, const struct mrc_record *record)
{
    switch (record->mark) {
    case MRC_RECORD_BEGINS:
        return mrc_history_begun_add(txn, record);
    case MRC_RECORD_ENDS:
        return mrc_history_begun_remove(txn, &record->subject);
    default:
        return APR_SUCCESS;
    }
}

/*
 * Writes UPDATE with the number after *LAST. An update that repeats that its subject has ended
 * keeps the number 0 and is not written: two children may have adopted the same end.
 */
static apr_status_t write_update(const struct mrc_history_lmdb *history,
                                 const struct mrc_history_txn *txn, struct mrc_staged *update,
                                 uint64_t *last)
{
    bool is_repeated;
    apr_status_t status = find_repeated(txn, &update->record, &is_repeated);

    update->record.seq = 0;
    if (!status && !is_repeated) {
        update->record.seq = ++*last;
        if (update->slot >= 0)
            mrc_staging_set_number(history->staging, update);
        status = mrc_history_table_append(txn, &update->record);
    }
    return status ? status : note_mark(txn, &update->record);
}

/* Gives the updates their numbers and writes them, in TXN. */
static apr_status_t write_batch(const struct mrc_history_lmdb *history,
                                const struct mrc_history_txn *txn, struct batch *batch)
{
    struct mrc_ring_bounds bounds;
    int64_t now_us = apr_time_now();
    uint64_t last, first;
    apr_status_t status = mrc_history_bind_catch_up(&history->base, txn, &last);

    first = last + 1;
    for (size_t i = 0; !status && i < count_of(batch); i++)
        status = write_update(history, txn, update_at(batch, i), &last);
    if (status)
        return status;
    mrc_ring_get_bounds(history->base.ring, &bounds);
    return mrc_history_table_trim(txn, &bounds, now_us, first,
                                  (unsigned)count_of(batch) + TRIM_MORE);
}

/* Makes sure that the ring will have room for what is committed. */
static apr_status_t prepare_ring(const struct mrc_history_lmdb *history, struct batch *batch)
{
    struct mrc_record *records = calloc(count_of(batch), sizeof(*records));
    apr_status_t status;

    if (!records)
        return APR_ENOMEM;
    for (size_t i = 0; i < count_of(batch); i++)
        records[i] = update_at(batch, i)->record;
    status = mrc_ring_prepare(history->base.ring, records, count_of(batch));
    free(records);
    return status;
}

/* Commits the updates. On failure, none of them is in the file. */
static apr_status_t commit_batch(const struct mrc_history_lmdb *history, struct batch *batch)
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
 * A parent that could not wait may have moved or removed the ring since the lock was acquired. Then
 * the new ring gets these records from the file, so errors are ignored.
 */
static void append_batch(const struct mrc_history_lmdb *history, struct batch *batch)
{
    for (size_t i = 0; i < count_of(batch); i++) {
        struct mrc_record record = update_at(batch, i)->record;

        if (record.seq == 0)
            continue; /* it was not written */
        record.seq -= history->base.offset;
        mrc_ring_append_as(history->base.ring, &record, record.time_us, MRC_RING_WAIT_FOREVER);
    }
}

/* Called before finish_batch(): after that, the publishers own the slots. */
static void describe_batch(const struct mrc_history_lmdb *history, struct batch *batch,
                           struct mrc_tags *ret_tags)
{
    mrc_tags_clear(ret_tags);
    for (size_t i = 0; i < count_of(batch); i++)
        mrc_history_describe(&history->base, update_at(batch, i)->record.payload, ret_tags);
}

static void finish_batch(const struct mrc_history_lmdb *history, struct batch *batch,
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
 * Repairs what a dead leader left: its committed updates are published, the others are staged
 * again. It uses a write transaction, because LMDB then repairs what its own dead writer left; a
 * read transaction might not see the last commit.
 */
static apr_status_t recover(const struct mrc_history_lmdb *history)
{
    struct mrc_history_txn txn;
    apr_status_t status =
        mrc_history_env_sync(history->env); /* before publishers learn the result */
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

/* Whether this process may lead: the ring is in use, and belongs to the file that is open here. */
static apr_status_t check_binding(const struct mrc_history_lmdb *history)
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

apr_status_t mrc_history_commit_lead(const struct mrc_history_lmdb *history, struct mrc_staged *own,
                                     size_t count)
{
    struct batch batch = {.own = own, .own_count = count};
    apr_status_t status = check_binding(history);
    struct mrc_tags tags;

    if (history->sync != MRC_HISTORY_SYNC_FULL || count == 0)
        batch.staged_count = mrc_staging_take(history->staging, batch.staged, MRC_STAGING_SLOTS);
    if (count_of(&batch) == 0)
        return APR_SUCCESS;
    if (!status)
        status = prepare_ring(history, &batch);
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

/* ---- Cleaning up ------------------------------------------------------------------------------*/

void mrc_history_commit_clean_up(const struct mrc_history_lmdb *history)
{
    if (mrc_staging_commits(history->staging) % COMMITS_PER_READER_CHECK == 0)
        mrc_history_env_check_readers(history->env);
}

void mrc_history_commit_try_trim(const struct mrc_history_lmdb *history,
                                 const struct mrc_ring_bounds *bounds, int64_t now_us)
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
