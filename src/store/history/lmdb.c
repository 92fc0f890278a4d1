/*
 * The durable history: a file of LMDB, and the ring before it. commit.h explains how updates get
 * into both.
 */
#include <stdlib.h>
#include <string.h>

#include "apr_time.h"

#include "store/base/clock.h"
#include "store/base/status.h"
#include "store/history/begun.h"
#include "store/history/commit.h"
#include "store/history/history.h"
#include "store/hub/segment.h"
#include "store/lmdb/env.h"
#include "store/lmdb/revoked.h"
#include "store/lmdb/table.h"
#include "store/regions/staging.h"
#include "store/ring/ring.h"

/*
 * A publisher that waits for its leader looks for the result after this time, even if it is not
 * woken.
 */
#define LOOK_US ((int64_t)100 * 1000)

/* After this time it leaves its update to the leader that has taken it. */
#define ABANDON_US ((int64_t)30 * 1000 * 1000)

/* A reader that finds more old records than this removes some, instead of the next publisher. */
#define BEHIND_MAX 1000

static struct mrc_history_lmdb *lmdb_of(const struct mrc_history *history)
{
    return (struct mrc_history_lmdb *)(uintptr_t)history;
}

/* ---- Publishing -------------------------------------------------------------------------------*/

/* Commits COUNT updates that are in no slot. */
static apr_status_t append_own(const struct mrc_history_lmdb *history, struct mrc_staged *updates,
                               size_t count)
{
    apr_status_t status = mrc_staging_lock(history->staging, MRC_HISTORY_WAIT_US);

    if (status)
        return status;
    status = mrc_history_commit_lead(history, updates, count);
    mrc_staging_unlock(history->staging);
    mrc_history_commit_clean_up(history);
    return status;
}

/* Waits until the update of TICKET is decided, or leads. */
static apr_status_t follow(const struct mrc_history_lmdb *history, int64_t ticket)
{
    struct mrc_staging *staging = history->staging;
    int64_t start_us = mrc_clock_us();
    apr_status_t status;

    for (;;) {
        int64_t waited_us;

        mrc_staging_answer_nudge(staging, ticket);
        if (mrc_staging_poll(staging, ticket, &status))
            return status;
        if (mrc_staging_lock(staging, 0) == APR_SUCCESS) {
            bool is_decided = mrc_staging_poll(staging, ticket, &status);

            if (!is_decided)
                mrc_history_commit_lead(history, NULL, 0);
            mrc_staging_unlock(staging);
            mrc_history_commit_clean_up(history);
            if (is_decided)
                return status;
            continue;
        }
        waited_us = mrc_clock_us() - start_us;
        if (waited_us > MRC_HISTORY_WAIT_US && mrc_staging_withdraw(staging, ticket))
            return APR_TIMEUP;
        if (waited_us > ABANDON_US && mrc_staging_abandon(staging, ticket))
            return APR_TIMEUP;
        mrc_staging_wait(staging, ticket, LOOK_US);
    }
}

/* Makes an update of RECORD, which comes at NOW_US; MRC_STATUS_TOO_LARGE. */
static apr_status_t make_update(const struct mrc_history_lmdb *history,
                                const struct mrc_record *record, int64_t now_us,
                                struct mrc_staged *ret_update)
{
    uint64_t largest = mrc_ring_largest(history->base.ring);

    if (record->stored_bytes > MRC_RECORD_STORED_BYTES_MAX || record->id.len > largest ||
        record->payload.len > largest - record->id.len)
        return MRC_STATUS_TOO_LARGE;
    *ret_update = (struct mrc_staged){.record = *record, .slot = -1};
    ret_update->record.seq = 0;
    ret_update->record.time_us = now_us;
    return APR_SUCCESS;
}

static apr_status_t append_one(const struct mrc_history_lmdb *history,
                               const struct mrc_record *record, int64_t now_us)
{
    struct mrc_staged update;
    apr_status_t status = make_update(history, record, now_us, &update);
    int64_t ticket = -1;

    if (status)
        return status;
    if (history->sync != MRC_HISTORY_SYNC_FULL)
        ticket = mrc_staging_stage(history->staging, history->slot, &update.record);
    return ticket < 0 ? append_own(history, &update, 1) : follow(history, ticket);
}

/* Stores all records or none: a group has one publisher, and so one commit even with sync=full. */
static apr_status_t append_several(const struct mrc_history_lmdb *history,
                                   const struct mrc_record *records, size_t count, int64_t now_us)
{
    struct mrc_staged *updates = calloc(count, sizeof(*updates));
    apr_status_t status = updates ? APR_SUCCESS : APR_ENOMEM;

    for (size_t i = 0; i < count && !status; i++)
        status = make_update(history, &records[i], now_us, &updates[i]);
    if (!status)
        status = append_own(history, updates, count);
    free(updates);
    return status;
}

/* A single record shares its commit with those of other publishers. */
static apr_status_t append(struct mrc_history *base, const struct mrc_record *records, size_t count,
                           int64_t now_us, size_t *ret_done)
{
    const struct mrc_history_lmdb *history = lmdb_of(base);
    apr_status_t status = count == 1 ? append_one(history, records, now_us)
                                     : append_several(history, records, count, now_us);

    *ret_done = status ? 0 : count;
    return status;
}

/* ---- Reading ----------------------------------------------------------------------------------*/

/*
 * The place where replay begins; if ID is given, the place after that record. The place in the ring
 * is taken first: what is in the file and not yet in the ring will come from the ring.
 */
static apr_status_t find_place(struct mrc_history *base, const struct mrc_bytes *id, int64_t now_us,
                               struct mrc_place *ret_place)
{
    const struct mrc_history_lmdb *history = lmdb_of(base);
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
    if (behind > BEHIND_MAX)
        mrc_history_commit_try_trim(history, &bounds, now_us);
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

/* Records that the bounds exclude cannot be reached any more, as in oldest(). */
static apr_status_t seek_row(const struct mrc_history_txn *txn,
                             const struct mrc_ring_bounds *bounds, uint64_t number, int64_t now_us,
                             int64_t *ret_before_us)
{
    struct mrc_history_row last, before;
    uint64_t first, unused;
    apr_status_t status = mrc_history_table_oldest(txn, bounds, now_us, &first, &unused);

    if (!status)
        status = mrc_history_table_last(txn, &last);
    if (!status && (number < first || number > last.record.seq + 1))
        status = APR_NOTFOUND;
    if (status)
        return status;
    status = mrc_history_table_get(txn, number - 1, &before);
    if (status && status != APR_NOTFOUND)
        return status;
    *ret_before_us = status ? 0 : before.record.time_us;
    return APR_SUCCESS;
}

static apr_status_t seek(struct mrc_history *base, uint64_t number, int64_t now_us,
                         struct mrc_place *ret_place, int64_t *ret_before_us)
{
    struct mrc_ring_bounds bounds;
    struct mrc_history_txn txn;
    struct mrc_place place;
    apr_status_t status;

    mrc_history_head(base, &place); /* first, as in find_place() */
    mrc_ring_get_bounds(base->ring, &bounds);
    if (bounds.off)
        return APR_NOTFOUND;
    status = mrc_history_env_begin(lmdb_of(base)->env, false, &txn);
    if (status)
        return status;
    status = seek_row(&txn, &bounds, number, now_us, ret_before_us);
    mrc_history_env_abort(&txn);
    if (status)
        return status;
    place.next = number;
    *ret_place = place;
    return APR_SUCCESS;
}

static apr_status_t read_slice(const struct mrc_history *base, const struct mrc_place *place,
                               size_t max_bytes, struct mrc_history_slice *slice)
{
    const struct mrc_history_lmdb *history = lmdb_of(base);
    struct mrc_history_txn txn;
    apr_status_t status = mrc_history_env_begin(history->env, false, &txn);

    if (status)
        return status;
    for (uint64_t number = place->next;
         number < place->until && mrc_buf_bytes(&slice->buf).len < max_bytes; number++) {
        struct mrc_history_row row;

        status = mrc_history_table_get(&txn, number, &row);
        if (status)
            break;
        mrc_history_slice_add(slice, &row.record);
    }
    mrc_history_env_abort(&txn);
    if (mrc_buf_error(&slice->buf))
        return APR_ENOMEM;
    return status == APR_NOTFOUND ? MRC_STATUS_OVERRUN : status;
}

static apr_status_t read_left(const struct mrc_history *base, struct mrc_history_left *at,
                              size_t max_bytes, struct mrc_history_slice *slice)
{
    const struct mrc_history_lmdb *history = lmdb_of(base);
    uint64_t horizon = mrc_staging_horizon(history->staging);
    struct mrc_history_txn txn;
    apr_status_t status;

    if (!mrc_staging_claim_left(history->staging, history->slot))
        return APR_EOF;
    status = mrc_history_env_begin(history->env, false, &txn);
    if (status)
        return status;
    status = mrc_history_begun_read(&txn, horizon, at, max_bytes, slice);
    mrc_history_env_abort(&txn);
    return status;
}

static void end_left(const struct mrc_history *base, bool is_done)
{
    mrc_staging_release_left(lmdb_of(base)->staging, lmdb_of(base)->slot, is_done);
}

static apr_status_t count(struct mrc_history *base, int64_t now_us, uint64_t *ret_records,
                          uint64_t *ret_bytes)
{
    struct mrc_ring_bounds bounds;
    struct mrc_history_row first = {.sum_bytes = 0}, last = {.sum_bytes = 0};
    struct mrc_history_txn txn;
    uint64_t number, behind;
    apr_status_t status = mrc_history_env_begin(lmdb_of(base)->env, false, &txn);

    if (status)
        return status;
    mrc_ring_get_bounds(base->ring, &bounds);
    status = mrc_history_table_oldest(&txn, &bounds, now_us, &number, &behind);
    if (!status)
        status = mrc_history_table_last(&txn, &last);
    if (!status && number <= last.record.seq)
        status = mrc_history_table_get(&txn, number, &first);
    mrc_history_env_abort(&txn);
    if (status && status != APR_NOTFOUND)
        return status;
    *ret_records = first.record.seq ? last.record.seq - first.record.seq + 1 : 0;
    *ret_bytes = first.record.seq ? mrc_history_table_bytes(&first, &last) : 0;
    return APR_SUCCESS;
}

/* ---- Revocations ------------------------------------------------------------------------------*/

/* Adds the COUNT ENTRIES, or removes the revocation ID (NULL: none), in one commit. */
static apr_status_t change_revoked(const struct mrc_history_lmdb *history,
                                   const struct mrc_revocation *entries, size_t count,
                                   const unsigned char *id, int64_t now_us)
{
    for (;;) {
        struct mrc_history_txn txn;
        apr_status_t status = mrc_history_env_begin(history->env, true, &txn);

        if (status)
            return status;
        status = id ? mrc_history_revoked_remove(&txn, id)
                    : mrc_history_revoked_put(&txn, entries, count, now_us);
        if (status)
            mrc_history_env_abort(&txn);
        else
            status = mrc_history_env_commit(&txn);
        if (status == MRC_STATUS_MAP_FULL)
            status = mrc_history_env_grow(history->env);
        else
            return status;
        if (status)
            return status;
    }
}

static apr_status_t keep_revoked(const struct mrc_history *base,
                                 const struct mrc_revocation *entries, size_t count, int64_t now_us)
{
    return change_revoked(lmdb_of(base), entries, count, NULL, now_us);
}

static apr_status_t lift_revoked(const struct mrc_history *base,
                                 const unsigned char id[MRC_REVOCATION_ID_BYTES])
{
    return change_revoked(lmdb_of(base), NULL, 0, id, 0);
}

static apr_status_t read_revoked(const struct mrc_history *base, mrc_revocation_fn *fn, void *ctx)
{
    struct mrc_history_txn txn;
    apr_status_t status = mrc_history_env_begin(lmdb_of(base)->env, false, &txn);

    if (status)
        return status;
    status = mrc_history_revoked_each(&txn, fn, ctx);
    mrc_history_env_abort(&txn);
    return status;
}

static uint64_t epoch_of(const struct mrc_history *base)
{
    return lmdb_of(base)->epoch;
}

/* ---- Opening and closing ----------------------------------------------------------------------*/

static void close_history(struct mrc_history *history)
{
    mrc_history_env_close(lmdb_of(history)->env);
}

static const struct mrc_history_ops lmdb_ops = {
    .append = append,
    .revoke = keep_revoked,
    .lift = lift_revoked,
    .revoked = read_revoked,
    .epoch = epoch_of,
    .oldest = oldest,
    .find = find,
    .seek = seek,
    .read = read_slice,
    .read_left = read_left,
    .end_left = end_left,
    .count = count,
    .close = close_history,
};

bool mrc_history_has_lmdb(void)
{
    return true;
}

apr_status_t mrc_history_open_lmdb(apr_pool_t *pool, struct mrc_hub_segment *segment,
                                   const struct mrc_notify *notify, unsigned slot, const char *dir,
                                   enum mrc_history_sync sync, int64_t wait_us,
                                   struct mrc_error *error, struct mrc_history **ret_history)
{
    struct mrc_history_lmdb *history = apr_pcalloc(pool, sizeof(*history));
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
    mrc_history_set_position_key(&history->base, mrc_history_env_position_key(history->env));
    status = mrc_staging_lock(history->staging, wait_us);
    if (!status) {
        status = mrc_history_commit_bind(history);
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
