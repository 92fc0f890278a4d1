#include "hub/hub/revocation.h"

#include "core/base/buf.h"
#include "hub/base/thread.h"
#include "hub/control/order.h"
#include "hub/control/revoked.h"
#include "hub/hub/hub.h"
#include "store/history/history.h"
#include "store/regions/revocations.h"

bool mrc_revocation_has(const struct mrc_hub *hub, const struct mrc_token *token, int64_t now_us)
{
    struct mrc_revoked *revoked = mrc_hub_revoked(hub);

    return revoked && token && mrc_revoked_has(revoked, token, now_us);
}

static void undo(struct mrc_hub *hub, const unsigned char *id, int64_t now_us)
{
    mrc_revocations_remove(mrc_hub_revocations(hub), id, now_us);
    mrc_history_lift(mrc_hub_history(hub), id);
}

static apr_status_t store(struct mrc_hub *hub, const struct mrc_revocation *entry, int64_t now_us)
{
    apr_status_t status = mrc_history_revoke(mrc_hub_history(hub), entry, now_us);

    if (status == APR_SUCCESS)
        status = mrc_revocations_add(mrc_hub_revocations(hub), entry, now_us);
    if (status == APR_SUCCESS)
        status = mrc_hub_order(hub, entry->data, now_us);
    if (status != APR_SUCCESS)
        undo(hub, entry->id, now_us);
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
        status = store(hub, &entry, now_us);
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
    mrc_thread_hold_signals(&mask);
    status = mrc_history_lift(mrc_hub_history(hub), id);
    if (status == APR_SUCCESS)
        status = mrc_revocations_remove(mrc_hub_revocations(hub), id, now_us);
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
               ? mrc_revocations_add(loading->list, entry, loading->now_us)
               : APR_SUCCESS;
}

/* Several children may do it at once: an entry replaces itself. */
apr_status_t mrc_revocation_load(struct mrc_hub *hub, int64_t now_us)
{
    struct loading loading = {mrc_hub_revocations(hub), now_us};
    apr_status_t status;
    uint64_t epoch;

    if (!loading.list || mrc_revocations_epoch(loading.list) ||
        !mrc_history_is_durable(mrc_hub_history(hub)))
        return APR_SUCCESS;
    status = mrc_history_revoked(mrc_hub_history(hub), take, &loading, &epoch);
    if (status == APR_SUCCESS && epoch)
        mrc_revocations_set_epoch(loading.list, epoch);
    return status;
}
