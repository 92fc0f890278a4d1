#include "hub/hub/revocation.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/buf.h"
#include "core/protocol/update.h"
#include "hub/base/thread.h"
#include "hub/control/order.h"
#include "hub/control/revoked.h"
#include "hub/hub/hub.h"
#include "store/base/status.h"
#include "store/history/history.h"
#include "store/regions/revocations.h"
#include "store/ring/ring.h"

/* The wait for the first connection with the engine. */
#define JOIN_WAIT_US ((int64_t)1000 * 1000)

bool mrc_revocation_has(const struct mrc_hub *hub, const struct mrc_token *token, int64_t now_us)
{
    struct mrc_revoked *revoked = mrc_hub_revoked(hub);

    return revoked && token && mrc_revoked_has(revoked, token, now_us);
}

bool mrc_revocation_wait(struct mrc_hub *hub)
{
    return !mrc_hub_revoked(hub) || mrc_hub_has_history(hub) ||
           mrc_history_catch_up(mrc_hub_history(hub), JOIN_WAIT_US) == APR_SUCCESS;
}

static void undo(struct mrc_hub *hub, const unsigned char *id, int64_t now_us)
{
    mrc_revocations_remove(mrc_hub_revocations(hub), id, now_us);
    mrc_history_lift(mrc_hub_history(hub), id);
}

/*
 * Whether the list is still that of the hub, and belongs to the file that is open here. Otherwise a
 * reload has moved the hub, or changed its file, and a child of the new configuration has joined
 * the list with the new one. A list does not change while it is moved: if this is true after a
 * change, a later move takes the change along.
 */
static bool is_current(const struct mrc_hub *hub)
{
    return !mrc_ring_is_superseded(mrc_hub_ring(hub)) &&
           mrc_revocations_epoch(mrc_hub_revocations(hub)) ==
               mrc_history_epoch(mrc_hub_history(hub));
}

static apr_status_t store(struct mrc_hub *hub, const struct mrc_revocation *entry, int64_t now_us)
{
    apr_status_t status = mrc_history_revoke(mrc_hub_history(hub), entry, 1, now_us);

    if (status == APR_SUCCESS)
        status = mrc_revocations_add(mrc_hub_revocations(hub), entry, now_us);
    if (status == APR_SUCCESS && !is_current(hub))
        status = MRC_STATUS_SUPERSEDED;
    if (status == APR_SUCCESS)
        status = mrc_hub_order(hub, entry->data, now_us);
    if (status != APR_SUCCESS)
        undo(hub, entry->id, now_us);
    return status;
}

/* With a transport. In this machine's list it is in force at once; it may have to be taken back. */
static apr_status_t store_in_engine(struct mrc_hub *hub, const struct mrc_revocation *entry,
                                    int64_t now_us)
{
    apr_status_t status = mrc_revocations_add(mrc_hub_revocations(hub), entry, now_us);
    struct mrc_buf operation;

    if (status)
        return status;
    mrc_buf_init(&operation, SIZE_MAX);
    mrc_buf_printf(&operation, "r%" PRId64 " ", entry->until_us);
    mrc_buf_add_bytes(&operation, entry->data);
    status = mrc_buf_error(&operation)
                 ? APR_ENOMEM
                 : mrc_hub_order_with(hub, entry->data, mrc_buf_bytes(&operation), now_us);
    mrc_buf_free(&operation);
    if (status)
        mrc_revocations_remove(mrc_hub_revocations(hub), entry->id, now_us);
    return status;
}

/* Makes OPERATION, which lifts the entry ID of LIST in the engine. APR_NOTFOUND: the list does not
 * have it. */
static apr_status_t find_operation(const struct mrc_revocations *list, const unsigned char *id,
                                   struct mrc_buf *operation)
{
    struct mrc_revocation entry;
    apr_status_t status = APR_NOTFOUND;
    struct mrc_buf copy;
    size_t at = 0;

    mrc_buf_init(&copy, SIZE_MAX);
    mrc_revocations_copy(list, &copy);
    if (mrc_buf_error(&copy))
        status = APR_ENOMEM;
    while (status == APR_NOTFOUND && mrc_revocations_next(mrc_buf_bytes(&copy), &at, &entry)) {
        if (memcmp(entry.id, id, sizeof(entry.id)) != 0)
            continue;
        mrc_buf_printf(operation, "l%" PRId64 " ", entry.until_us);
        mrc_buf_add_bytes(operation, entry.data);
        status = mrc_buf_error(operation) ? APR_ENOMEM : APR_SUCCESS;
    }
    mrc_buf_free(&copy);
    return status;
}

static apr_status_t lift_in_engine(struct mrc_hub *hub, const unsigned char *id, int64_t now_us)
{
    struct mrc_order order = mrc_order_init(MRC_ORDER_LIFT);
    apr_status_t status;
    struct mrc_buf operation, payload;
    char text[MRC_UPDATE_ID_BYTES];

    mrc_buf_init(&operation, SIZE_MAX);
    mrc_buf_init(&payload, SIZE_MAX);
    mrc_update_id_make(id, text);
    order.id = mrc_bytes_of(text);
    mrc_order_encode(&order, &payload);
    status = mrc_buf_error(&payload) ? APR_ENOMEM
                                     : find_operation(mrc_hub_revocations(hub), id, &operation);
    if (status == APR_SUCCESS)
        status =
            mrc_hub_order_with(hub, mrc_buf_bytes(&payload), mrc_buf_bytes(&operation), now_us);
    mrc_buf_free(&operation);
    mrc_buf_free(&payload);
    return status;
}

apr_status_t mrc_revocation_add(struct mrc_hub *hub,
                                const unsigned char id[MRC_REVOCATION_ID_BYTES],
                                const struct mrc_order *order, int64_t now_us)
{
    struct mrc_revocation entry = {.until_us = order->until_us};
    apr_status_t status = APR_ENOMEM;
    struct mrc_buf buf;
    sigset_t mask;

    if (!mrc_hub_revocations(hub))
        return APR_ENOTIMPL;
    memcpy(entry.id, id, sizeof(entry.id));
    mrc_buf_init(&buf, SIZE_MAX);
    mrc_order_encode(order, &buf);
    entry.data = mrc_buf_bytes(&buf);
    mrc_thread_hold_signals(&mask);
    if (!mrc_buf_error(&buf))
        status =
            mrc_hub_link(hub) ? store_in_engine(hub, &entry, now_us) : store(hub, &entry, now_us);
    mrc_thread_let_signals(&mask);
    mrc_buf_free(&buf);
    return status;
}

apr_status_t mrc_revocation_lift(struct mrc_hub *hub,
                                 const unsigned char id[MRC_REVOCATION_ID_BYTES], int64_t now_us)
{
    apr_status_t status;
    sigset_t mask;

    if (!mrc_hub_revocations(hub))
        return APR_NOTFOUND;
    if (mrc_hub_link(hub))
        return lift_in_engine(hub, id, now_us);
    mrc_thread_hold_signals(&mask);
    status = is_current(hub) ? mrc_history_lift(mrc_hub_history(hub), id) : MRC_STATUS_SUPERSEDED;
    if (status == APR_SUCCESS)
        status = mrc_revocations_remove(mrc_hub_revocations(hub), id, now_us);
    if ((status == APR_SUCCESS || status == APR_NOTFOUND) && !is_current(hub))
        status = MRC_STATUS_SUPERSEDED;
    mrc_thread_let_signals(&mask);
    return status;
}

/* ---- at the start -----------------------------------------------------------------------------*/

struct loading {
    struct mrc_revocations *list;
    int64_t now_us;
};

static apr_status_t take(void *ctx, const struct mrc_revocation *entry)
{
    const struct loading *loading = ctx;

    return entry->until_us > loading->now_us
               ? mrc_revocations_add_held(loading->list, entry, loading->now_us)
               : APR_SUCCESS;
}

/* Writes what LIST, which is held, has in force to the file. */
static apr_status_t keep_all(const struct mrc_hub *hub, const struct mrc_revocations *list,
                             int64_t now_us)
{
    struct mrc_bytes held = mrc_revocations_held(list);
    struct mrc_revocation entry, *entries;
    size_t count = 0, at = 0;
    apr_status_t status;

    while (mrc_revocations_next(held, &at, &entry))
        count++;
    entries = calloc(count + 1, sizeof(*entries));
    if (!entries)
        return APR_ENOMEM;
    for (at = count = 0; mrc_revocations_next(held, &at, &entry);) {
        if (entry.until_us > now_us)
            entries[count++] = entry;
    }
    status = mrc_history_revoke(mrc_hub_history(hub), entries, count, now_us);
    free(entries);
    return status;
}

/* The file's entries come first: if the list has no room for them, nothing is written. */
static apr_status_t join(const struct mrc_hub *hub, struct mrc_revocations *list, int64_t now_us)
{
    struct loading loading = {list, now_us};
    bool was_empty = mrc_revocations_is_empty(list);
    apr_status_t status = mrc_history_revoked(mrc_hub_history(hub), take, &loading);

    return status || was_empty ? status : keep_all(hub, list, now_us);
}

apr_status_t mrc_revocation_load(struct mrc_hub *hub, int64_t now_us)
{
    struct mrc_revocations *list = mrc_hub_revocations(hub);
    uint64_t epoch = mrc_history_epoch(mrc_hub_history(hub));
    apr_status_t status;

    if (!list || mrc_revocations_epoch(list) == epoch)
        return APR_SUCCESS;
    status = mrc_revocations_hold(list);
    if (status)
        return status;
    if (mrc_revocations_epoch(list) != epoch) /* no other child was first */
        status = epoch ? join(hub, list, now_us) : APR_SUCCESS;
    if (!status)
        mrc_revocations_set_epoch(list, epoch);
    mrc_revocations_release(list);
    return status;
}
