/*
 * The history of a hub with a transport. A publisher stages its updates as one package; the link of
 * one child of this machine sends them to the engine, and appends to the ring what comes back from
 * there, of this machine and of the others. The rest is as with the history in memory.
 */
#include "apr_thread_proc.h"
#include "apr_time.h"

#include "core/base/buf.h"
#include "store/base/status.h"
#include "store/engine/entry.h"
#include "store/history/backend.h"
#include "store/history/history.h"
#include "store/regions/hub_segment.h"
#include "store/regions/link.h"
#include "store/regions/staging.h"
#include "store/ring/ring.h"
#include "store/shm/notify.h"

/* A publisher that waits looks by itself after this time. */
#define LOOK_US ((int64_t)100 * 1000)

/* The pause of a publisher that finds no free slot. */
#define FULL_PAUSE_US ((int64_t)1000)

struct engine_history {
    struct mrc_history base;
    struct mrc_staging *staging;
    struct mrc_link *link;
    unsigned slot; /* of this child */
    int64_t timeout_us;
};

static struct engine_history *engine_of(const struct mrc_history *history)
{
    return (struct engine_history *)(uintptr_t)history;
}

/* ---- publishing -------------------------------------------------------------------------------*/

static apr_status_t refuse(struct engine_history *history, enum mrc_link_refusal refusal,
                           apr_status_t status)
{
    mrc_link_count(history->link, (unsigned)MRC_LINK_REFUSED + (unsigned)refusal, 1);
    return status;
}

static bool is_down(const struct engine_history *history)
{
    struct mrc_link_status status;

    mrc_link_get_status(history->link, &status);
    return status.state == MRC_LINK_DOWN;
}

static void ring_bell(const struct engine_history *history)
{
    if (mrc_link_is_napping(history->link))
        mrc_notify_ring_bell(history->base.notify);
}

/* The publisher stops waiting. False: the result is known after all. */
static bool give_up(struct engine_history *history, int slot, apr_status_t *ret_status)
{
    if (mrc_staging_withdraw(history->staging, slot)) {
        *ret_status = refuse(history, MRC_LINK_REFUSED_TIMEOUT, MRC_STATUS_UNREACHABLE);
        return true;
    }
    if (mrc_staging_abandon(history->staging, slot)) {
        *ret_status = refuse(history, MRC_LINK_REFUSED_TIMEOUT, MRC_STATUS_UNCONFIRMED);
        return true;
    }
    return false;
}

/* Waits until the package in SLOT is decided. */
static apr_status_t wait_for(struct engine_history *history, int slot, int64_t until_us)
{
    apr_status_t status;

    for (;;) {
        int64_t left_us;

        mrc_staging_answer_nudge(history->staging, slot);
        if (mrc_staging_poll(history->staging, slot, &status))
            return status;
        left_us = until_us - apr_time_now();
        if (left_us <= 0 && give_up(history, slot, &status))
            return status;
        mrc_staging_wait(history->staging, slot,
                         left_us < 1         ? 1
                         : left_us < LOOK_US ? left_us
                                             : LOOK_US);
    }
}

/* Stages PACKAGE, which may have to wait for a free slot. */
static apr_status_t stage(struct engine_history *history, const struct mrc_record *package,
                          int64_t until_us, int *ret_slot)
{
    for (;;) {
        if (mrc_ring_is_superseded(history->base.ring))
            return MRC_STATUS_SUPERSEDED;
        if (is_down(history))
            return refuse(history, MRC_LINK_REFUSED_DOWN, MRC_STATUS_UNREACHABLE);
        *ret_slot = mrc_staging_stage(history->staging, history->slot, package);
        if (*ret_slot >= 0)
            return APR_SUCCESS;
        if (apr_time_now() >= until_us)
            return refuse(history, MRC_LINK_REFUSED_TIMEOUT, MRC_STATUS_UNREACHABLE);
        ring_bell(history);
        apr_sleep(FULL_PAUSE_US);
    }
}

static apr_status_t append_package(struct engine_history *history, struct mrc_bytes bytes)
{
    const struct mrc_record package = {.payload = bytes};
    int64_t until_us = apr_time_now() + history->timeout_us;
    int slot = -1;
    apr_status_t status = stage(history, &package, until_us, &slot);

    if (status)
        return status;
    ring_bell(history);
    return wait_for(history, slot, until_us);
}

static apr_status_t append(struct mrc_history *base, const struct mrc_record *records, size_t count,
                           int64_t now_us, size_t *ret_done)
{
    struct engine_history *history = engine_of(base);
    uint64_t largest = mrc_ring_largest(base->ring);
    apr_status_t status = APR_SUCCESS;
    struct mrc_buf package;

    *ret_done = 0;
    for (size_t i = 0; i < count; i++) {
        if (records[i].stored_bytes > MRC_RECORD_STORED_BYTES_MAX || records[i].id.len > largest ||
            records[i].payload.len > largest - records[i].id.len)
            return MRC_STATUS_TOO_LARGE;
    }
    mrc_buf_init(&package, mrc_staging_largest(history->staging));
    mrc_entry_add_package(&package, records, count);
    if (mrc_buf_error(&package))
        status = mrc_buf_error(&package) == MRC_ENOMEM ? APR_ENOMEM : MRC_STATUS_TOO_LARGE;
    if (!status)
        status = append_package(history, mrc_buf_bytes(&package));
    mrc_buf_free(&package);
    if (!status)
        *ret_done = count;
    return status;
}

/* ---- reading ----------------------------------------------------------------------------------*/

static apr_status_t catch_up(struct mrc_history *base, int64_t wait_us)
{
    struct engine_history *history = engine_of(base);
    uint32_t ticket;

    if (is_down(history))
        return MRC_STATUS_UNREACHABLE;
    ticket = mrc_link_ask(history->link);
    ring_bell(history);
    return mrc_link_wait(history->link, ticket, wait_us);
}

static const struct mrc_history_ops engine_ops = {
    .append = append,
    .oldest = mrc_history_memory_oldest,
    .find = mrc_history_memory_find,
    .seek = mrc_history_memory_seek,
    .count = mrc_history_memory_count,
    .catch_up = catch_up,
};

apr_status_t mrc_history_open_engine(apr_pool_t *pool, struct mrc_hub_segment *segment,
                                     const struct mrc_notify *notify, unsigned slot,
                                     int64_t timeout_us, struct mrc_error *error,
                                     struct mrc_history **ret_history)
{
    struct engine_history *history = apr_pcalloc(pool, sizeof(*history));

    history->base = (struct mrc_history){
        .ops = &engine_ops,
        .segment = segment,
        .notify = notify,
        .ring = mrc_hub_segment_ring(segment),
    };
    mrc_history_set_position_key(&history->base, mrc_hub_segment_position_key(segment));
    history->staging = mrc_hub_segment_staging(segment);
    history->link = mrc_hub_segment_link(segment);
    history->slot = slot;
    history->timeout_us = timeout_us;
    if (!history->staging || !history->link)
        return mrc_status_set(error, APR_EINVAL,
                              "the hub has no room for its transport in the shared memory");
    *ret_history = &history->base;
    return APR_SUCCESS;
}
