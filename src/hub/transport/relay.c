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

/* ---- the revocations of the engine ------------------------------------------------------------*/

struct taking {
    struct mrc_hub *hub;
    struct mrc_revocations *list;
    const struct mrc_redis_keys *keys;
    unsigned debts;       /* of the link, before this */
    bool was_full;        /* the list, before this */
    size_t lacks_bytes;   /* as in struct mrc_relay_found */
    struct mrc_buf copy;  /* of the list, before this */
    struct mrc_buf known; /* the ids in it; sorted */
    struct mrc_buf ids;   /* of all revocations in the engine; sorted once they are complete */
    apr_status_t status;  /* of the list */
    apr_status_t ordered; /* of the orders */
    bool is_refused, has_orders, is_stuck;
};

static int compare_ids(const void *a, const void *b)
{
    return memcmp(a, b, MRC_REVOCATION_ID_BYTES);
}

static void sort_ids(struct mrc_buf *ids)
{
    if (ids->len)
        qsort(ids->ptr, ids->len / MRC_REVOCATION_ID_BYTES, MRC_REVOCATION_ID_BYTES, compare_ids);
}

/* IDS are sorted. */
static bool has_id(const struct mrc_buf *ids, const unsigned char *id)
{
    return ids->len && bsearch(id, ids->ptr, ids->len / MRC_REVOCATION_ID_BYTES,
                               MRC_REVOCATION_ID_BYTES, compare_ids) != NULL;
}

static bool out_of_memory(struct mrc_engine_error *error)
{
    error->reason = MRC_ENGINE_PROTOCOL;
    mrc_error_set(&error->text, MRC_ENOMEM, "out of memory");
    return false;
}

/* The ring or the list has not taken an order, with STATUS. */
static bool get_stuck(struct taking *taking, apr_status_t status, struct mrc_engine_error *error)
{
    taking->is_stuck = true;
    error->reason = MRC_ENGINE_PROTOCOL;
    mrc_status_set(&error->text, status, "an order cannot be given to the children: %s",
                   mrc_status_text(status) ? mrc_status_text(status) : "the lock is held");
    return false;
}

/* An entry that is as large as one that the list had no room for needs no try. */
static apr_status_t add(struct taking *taking, const struct mrc_revocation *entry)
{
    apr_status_t status = APR_ENOSPC;

    if (!taking->lacks_bytes || entry->data.len < taking->lacks_bytes)
        status = mrc_revocations_add(taking->list, entry, apr_time_now());
    if (status == APR_ENOSPC && (!taking->lacks_bytes || entry->data.len < taking->lacks_bytes))
        taking->lacks_bytes = entry->data.len;
    return status;
}

/*
 * Adds ENTRY to the list, and gives BYTES, its order, to the children. If this leader dies in
 * between, the next one finds ENTRY in the list. The streams of a token end even if the list has no
 * room for its revocation, but not again with each attempt after that.
 */
static void take_new(struct taking *taking, const struct mrc_revocation *entry,
                     struct mrc_bytes bytes)
{
    struct mrc_link *link = mrc_hub_link(taking->hub);
    uint64_t unused;

    mrc_link_set_debts(link, taking->debts | MRC_LINK_OWES_ORDER);
    taking->status = add(taking, entry);
    if (taking->status != APR_SUCCESS && (taking->status != APR_ENOSPC || taking->was_full)) {
        mrc_link_set_debts(link, taking->debts);
        return;
    }
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
    if (taking->debts & MRC_LINK_OWES_ORDER || !has_id(&taking->known, entry.id))
        take_new(taking, &entry, bytes);
    return (taking->status == APR_SUCCESS || taking->status == APR_ENOSPC) &&
           taking->ordered == APR_SUCCESS;
}

static void copy_list(struct taking *taking)
{
    struct mrc_revocation entry;
    size_t at = 0;

    mrc_revocations_copy(taking->list, &taking->copy);
    while (mrc_revocations_next(mrc_buf_bytes(&taking->copy), &at, &entry))
        mrc_buf_add(&taking->known, entry.id, sizeof(entry.id));
    sort_ids(&taking->known);
}

/* Takes all revocations from the engine. */
static bool take_all(struct taking *taking, struct mrc_redis *redis, struct mrc_engine_error *error)
{
    copy_list(taking);
    if (mrc_buf_error(&taking->copy) || mrc_buf_error(&taking->known))
        return out_of_memory(error);
    if (!mrc_registry_revocations(redis, taking->keys, apr_time_now(), take, taking, error))
        return false;
    if (mrc_buf_error(&taking->ids))
        return out_of_memory(error);
    if (taking->status != APR_SUCCESS && taking->status != APR_ENOSPC)
        return get_stuck(taking, taking->status, error);
    if (taking->ordered != APR_SUCCESS)
        return get_stuck(taking, taking->ordered, error);
    sort_ids(&taking->ids);
    return true;
}

/* Enters ENTRIES in the engine. Those that were lifted there are removed from the list, because the
 * log may not have the orders any more. */
static bool enter_some(struct taking *taking, struct mrc_redis *redis,
                       const struct mrc_revocation *entries, size_t count,
                       struct mrc_engine_error *error)
{
    bool are_lifted[MRC_REGISTRY_PIECE];
    struct mrc_link_position position;

    if (count == 0)
        return true;
    mrc_link_get_position(mrc_hub_link(taking->hub), &position);
    if (!mrc_registry_enter(redis, taking->keys, position.generation, entries, count, are_lifted,
                            error))
        return false;
    for (size_t i = 0; i < count; i++) {
        apr_status_t status = APR_SUCCESS;

        if (are_lifted[i])
            status = mrc_revocations_remove(taking->list, entries[i].id, apr_time_now());
        if (status != APR_SUCCESS && status != APR_NOTFOUND)
            return get_stuck(taking, status, error);
    }
    return true;
}

/* The engine may have lost some: enters those of the list that it does not have. The verdict on the
 * log does not tell, because the log lacks what machines enter again. */
static bool enter_others(struct taking *taking, struct mrc_redis *redis,
                         struct mrc_engine_error *error)
{
    struct mrc_revocation entries[MRC_REGISTRY_PIECE];
    struct mrc_bytes copy = mrc_buf_bytes(&taking->copy);
    int64_t now_us = apr_time_now();
    size_t at = 0, count = 0;
    bool is_good = true;

    while (is_good && mrc_revocations_next(copy, &at, &entries[count])) {
        if (entries[count].until_us > now_us && !has_id(&taking->ids, entries[count].id))
            count++;
        if (count < MRC_REGISTRY_PIECE)
            continue;
        is_good = enter_some(taking, redis, entries, count, error);
        count = 0;
    }
    return is_good && enter_some(taking, redis, entries, count, error);
}

/* An engine that is full answers everything else, so the hub goes on with it. */
static bool try_to_enter(struct taking *taking, struct mrc_redis *redis,
                         struct mrc_engine_error *error)
{
    if (enter_others(taking, redis, error))
        return true;
    taking->is_refused = error->reason == MRC_ENGINE_FULL;
    return taking->is_refused;
}

static bool run(struct mrc_hub *hub, struct mrc_redis *redis, const struct mrc_redis_keys *keys,
                bool is_joining, bool was_full, struct mrc_relay_found *ret_found,
                struct mrc_engine_error *error)
{
    struct taking taking = {
        .hub = hub,
        .was_full = was_full,
        .list = mrc_hub_revocations(hub),
        .keys = keys,
        .debts = mrc_link_get_debts(mrc_hub_link(hub)),
    };
    bool is_good;

    *ret_found = (struct mrc_relay_found){.lacks_bytes = 0};
    if (!taking.list)
        return true;
    mrc_buf_init(&taking.copy, SIZE_MAX);
    mrc_buf_init(&taking.known, SIZE_MAX);
    mrc_buf_init(&taking.ids, SIZE_MAX);
    is_good =
        take_all(&taking, redis, error) && (!is_joining || try_to_enter(&taking, redis, error));
    ret_found->lacks_bytes = taking.lacks_bytes;
    ret_found->is_refused = taking.is_refused;
    ret_found->is_stuck = taking.is_stuck;
    ret_found->has_orders = taking.has_orders;
    mrc_buf_free(&taking.copy);
    mrc_buf_free(&taking.known);
    mrc_buf_free(&taking.ids);
    return is_good;
}

bool mrc_relay_join(struct mrc_hub *hub, struct mrc_redis *redis, const struct mrc_redis_keys *keys,
                    bool was_full, struct mrc_relay_found *ret_found,
                    struct mrc_engine_error *error)
{
    return run(hub, redis, keys, true, was_full, ret_found, error);
}

bool mrc_relay_read(struct mrc_hub *hub, struct mrc_redis *redis, const struct mrc_redis_keys *keys,
                    bool was_full, struct mrc_relay_found *ret_found,
                    struct mrc_engine_error *error)
{
    return run(hub, redis, keys, false, was_full, ret_found, error);
}
