#include "hub/transport/relay.h"

#include <stdlib.h>
#include <string.h>

#include "apr_time.h"

#include "core/base/buf.h"
#include "core/protocol/update.h"
#include "hub/control/order.h"
#include "hub/hub/hub.h"
#include "hub/lineage/walk.h"
#include "store/base/status.h"
#include "store/engine/registry.h"
#include "store/regions/link.h"
#include "store/regions/revocations.h"
#include "store/ring/ring.h"

/* The wait for the lock of the ring: its owner works for microseconds, unless it is stopped. */
#define RING_WAIT_US ((int64_t)5 * 1000 * 1000)

/* No engine has more revocations: a list holds fewer (regions/revocations.h). */
#define ENTRIES_MAX 100000

/* ---- orders -----------------------------------------------------------------------------------*/

/* Reads the revocation in BYTES, an order. False: it is not one. */
static bool parse_revocation(struct mrc_bytes bytes, enum mrc_order_kind kind,
                             struct mrc_revocation *ret_entry)
{
    struct mrc_order order;

    if (mrc_order_decode(bytes, &order) != MRC_OK || order.kind != kind ||
        !mrc_update_id_parse(order.id, ret_entry->id))
        return false;
    ret_entry->until_us = order.until_us;
    ret_entry->data = bytes;
    return true;
}

static apr_status_t note_revocation(const struct mrc_hub *hub, struct mrc_bytes bytes)
{
    struct mrc_revocations *list = mrc_hub_revocations(hub);
    struct mrc_revocation entry;
    apr_status_t status;

    if (!list)
        return APR_SUCCESS;
    if (parse_revocation(bytes, MRC_ORDER_REVOKE, &entry))
        return mrc_revocations_add(list, &entry, apr_time_now());
    if (!parse_revocation(bytes, MRC_ORDER_LIFT, &entry))
        return APR_SUCCESS; /* an order of another kind */
    status = mrc_revocations_remove(list, entry.id, apr_time_now());
    return status == APR_NOTFOUND ? APR_SUCCESS : status;
}

apr_status_t mrc_relay_take(struct mrc_hub *hub, struct mrc_bytes bytes,
                            const struct mrc_update_origin *origin, int64_t time_us)
{
    struct mrc_order order;
    apr_status_t noted, status = APR_SUCCESS;

    if (mrc_order_decode(bytes, &order) != MRC_OK)
        return APR_EINVAL;
    noted = note_revocation(hub, bytes); /* before the streams end, so that none comes back */
    if (noted != APR_SUCCESS && noted != APR_ENOSPC)
        return noted; /* an order in the ring is not taken again */
    if (order.kind != MRC_ORDER_LIFT)
        status = mrc_ring_append_control_as(mrc_hub_ring(hub), mrc_walk_order_id(origin), bytes,
                                            time_us, apr_time_now(), RING_WAIT_US);
    return status ? status : noted;
}

apr_status_t mrc_relay_take_again(struct mrc_hub *hub)
{
    return mrc_ring_settle(mrc_hub_ring(hub), apr_time_now(), RING_WAIT_US);
}

/* ---- joining ----------------------------------------------------------------------------------*/

struct taking {
    struct mrc_hub *hub;
    struct mrc_revocations *list;
    const struct mrc_redis_keys *keys;
    unsigned debts;       /* of the link, when joining began */
    struct mrc_buf known; /* the ids in the list before; sorted */
    struct mrc_buf ids;   /* of all revocations in the engine */
    apr_status_t status;  /* of the list */
    apr_status_t ordered; /* of the orders */
    bool has_orders;
};

static int compare_ids(const void *a, const void *b)
{
    return memcmp(a, b, MRC_REVOCATION_ID_BYTES);
}

static void note_known(struct mrc_buf *known, struct mrc_bytes copy)
{
    struct mrc_revocation entry;
    size_t at = 0;

    while (mrc_revocations_next(copy, &at, &entry))
        mrc_buf_add(known, entry.id, sizeof(entry.id));
    if (known->len)
        qsort(known->ptr, known->len / MRC_REVOCATION_ID_BYTES, MRC_REVOCATION_ID_BYTES,
              compare_ids);
}

static bool is_known(const struct mrc_buf *known, const unsigned char *id)
{
    return known->len && bsearch(id, known->ptr, known->len / MRC_REVOCATION_ID_BYTES,
                                 MRC_REVOCATION_ID_BYTES, compare_ids) != NULL;
}

/* Adds ENTRY to the list, and gives BYTES, its order, to the children. If this leader dies in
 * between, the next one finds ENTRY in the list. */
static void take_new(struct taking *taking, const struct mrc_revocation *entry,
                     struct mrc_bytes bytes)
{
    struct mrc_link *link = mrc_hub_link(taking->hub);
    uint64_t unused;

    mrc_link_set_debts(link, taking->debts | MRC_LINK_OWES_ORDER);
    taking->status = mrc_revocations_add(taking->list, entry, apr_time_now());
    taking->ordered = mrc_ring_append_control(mrc_hub_ring(taking->hub), bytes, apr_time_now(),
                                              RING_WAIT_US, &unused);
    if (taking->ordered == APR_SUCCESS)
        mrc_link_set_debts(link, taking->debts);
    taking->has_orders = true;
}

/* The order may have been lost with the end of a log, and only the revocation was entered again. */
static bool take(void *ctx, struct mrc_bytes bytes)
{
    struct mrc_revocation entry;
    struct taking *taking = ctx;

    if (!parse_revocation(bytes, MRC_ORDER_REVOKE, &entry))
        return true; /* a later version has written it */
    mrc_buf_add(&taking->ids, entry.id, sizeof(entry.id));
    if (taking->debts & MRC_LINK_OWES_ORDER || !is_known(&taking->known, entry.id))
        take_new(taking, &entry, bytes);
    return taking->status == APR_SUCCESS && taking->ordered == APR_SUCCESS;
}

/* Takes all revocations from the engine. */
static bool take_all(struct taking *taking, struct mrc_redis *redis, struct mrc_engine_error *error)
{
    int64_t now_us = apr_time_now();
    size_t at = 0, count = 1;

    for (; count > 0 && at < ENTRIES_MAX && taking->status == APR_SUCCESS &&
           taking->ordered == APR_SUCCESS;
         at += count) {
        if (!mrc_registry_revocations(redis, taking->keys, now_us, at, take, taking, &count, error))
            return false;
    }
    return true;
}

static bool has_id(const struct mrc_buf *ids, const unsigned char *id)
{
    for (size_t at = 0; at < ids->len; at += MRC_REVOCATION_ID_BYTES) {
        if (!memcmp(ids->ptr + at, id, MRC_REVOCATION_ID_BYTES))
            return true;
    }
    return false;
}

/* The engine is right: removes the revocations of COPY that it does not have. */
static void remove_others(const struct taking *taking, struct mrc_bytes copy)
{
    struct mrc_revocation entry;
    size_t at = 0;

    if (mrc_buf_error(&taking->ids) || taking->status != APR_SUCCESS)
        return;
    while (mrc_revocations_next(copy, &at, &entry)) {
        if (!has_id(&taking->ids, entry.id))
            mrc_revocations_remove(taking->list, entry.id, apr_time_now());
    }
}

/* The engine may have lost some: enters those of COPY that it does not have. */
static bool enter_others(const struct taking *taking, struct mrc_redis *redis,
                         struct mrc_bytes copy, struct mrc_engine_error *error)
{
    int64_t now_us = apr_time_now();
    struct mrc_revocation entry;
    size_t at = 0;

    while (mrc_revocations_next(copy, &at, &entry)) {
        if (entry.until_us <= now_us || has_id(&taking->ids, entry.id))
            continue;
        mrc_registry_begin(redis, taking->keys, MRC_REGISTRY_REVOKE, 1);
        mrc_registry_add(redis, (uint64_t)entry.until_us, entry.data);
        if (!mrc_registry_end(redis, error))
            return false;
    }
    return true;
}

static bool out_of_memory(struct mrc_engine_error *error)
{
    error->reason = MRC_ENGINE_PROTOCOL;
    mrc_error_set(&error->text, MRC_ENOMEM, "out of memory");
    return false;
}

static bool set_order_error(struct mrc_engine_error *error, apr_status_t status)
{
    error->reason = MRC_ENGINE_PROTOCOL;
    mrc_status_set(&error->text, status, "an order cannot be given to the children");
    return false;
}

bool mrc_relay_join(struct mrc_hub *hub, struct mrc_redis *redis, const struct mrc_redis_keys *keys,
                    unsigned debts, struct mrc_relay_joined *ret_joined,
                    struct mrc_engine_error *error)
{
    struct taking taking = {
        .hub = hub, .list = mrc_hub_revocations(hub), .keys = keys, .debts = debts};
    struct mrc_buf copy;
    bool is_good;

    *ret_joined = (struct mrc_relay_joined){.is_full = false};
    if (!taking.list)
        return true;
    mrc_buf_init(&copy, SIZE_MAX);
    mrc_buf_init(&taking.known, SIZE_MAX);
    mrc_buf_init(&taking.ids, SIZE_MAX);
    mrc_revocations_copy(taking.list, &copy);
    note_known(&taking.known, mrc_buf_bytes(&copy));
    if (mrc_buf_error(&copy) || mrc_buf_error(&taking.known))
        is_good = out_of_memory(error);
    else
        is_good = take_all(&taking, redis, error);
    if (is_good && mrc_buf_error(&taking.ids))
        is_good = out_of_memory(error);
    if (is_good && taking.status != APR_SUCCESS && taking.status != APR_ENOSPC)
        is_good = set_order_error(error, taking.status);
    if (is_good && taking.ordered != APR_SUCCESS)
        is_good = set_order_error(error, taking.ordered);
    /* Without debts, what has changed is in the log. */
    if (is_good && (debts & MRC_LINK_OWES_ENTRIES))
        is_good = enter_others(&taking, redis, mrc_buf_bytes(&copy), error);
    else if (is_good && (debts & MRC_LINK_OWES_LIST))
        remove_others(&taking, mrc_buf_bytes(&copy));
    ret_joined->is_full = taking.status != APR_SUCCESS;
    ret_joined->has_orders = taking.has_orders;
    mrc_buf_free(&copy);
    mrc_buf_free(&taking.known);
    mrc_buf_free(&taking.ids);
    return is_good;
}
