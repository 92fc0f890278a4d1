#include "hub/presence/reap.h"

#include <stdlib.h>

#include "core/base/buf.h"
#include "hub/base/status.h"
#include "hub/hub/hub.h"
#include "hub/presence/events.h"
#include "hub/transport/listed.h"
#include "hub/transport/query.h"
#include "store/base/record.h"
#include "store/base/status.h"
#include "store/regions/roster.h"

/* The members of one step. */
struct piece {
    struct mrc_presence_events *events;
    struct mrc_buf text; /* the members */
    size_t ends[MRC_QUERY_REAP_MAX];
    size_t count;
    apr_status_t status;
};

/*
 * Adds MEMBER, and the event that it has ended. One that makes no sense is removed without an
 * event.
 */
static bool add(void *ctx, struct mrc_bytes member)
{
    struct mrc_roster_entry entry = {.type = 0};
    struct piece *piece = ctx;
    enum mrc_err err;
    apr_status_t status;

    if (piece->count == MRC_QUERY_REAP_MAX || mrc_presence_events_is_full(piece->events))
        return false;
    err = mrc_listed_parse(member, &entry);
    status = mrc_status_of(err);
    if (!err)
        status = mrc_presence_events_add(piece->events, MRC_PRESENCE_EVENTS_NO_ID, &entry, false);
    if (err == MRC_EINVAL || status == MRC_STATUS_TOO_LARGE)
        status = mrc_presence_events_add_silent(piece->events, MRC_PRESENCE_EVENTS_NO_ID);
    mrc_roster_entry_free(&entry);
    mrc_buf_add_bytes(&piece->text, member);
    piece->status = status;
    if (status == APR_SUCCESS)
        piece->ends[piece->count++] = piece->text.len;
    return status == APR_SUCCESS;
}

static apr_status_t reap_piece(struct mrc_hub *hub, const struct mrc_query_dead *dead,
                               const struct piece *piece, uint64_t *ret_left)
{
    struct mrc_bytes members[MRC_QUERY_REAP_MAX];
    struct mrc_record ends[MRC_QUERY_REAP_MAX];

    if (mrc_buf_error(&piece->text))
        return APR_ENOMEM;
    for (size_t i = 0, at = 0; i < piece->count; at = piece->ends[i++]) {
        members[i] = (struct mrc_bytes){mrc_buf_bytes(&piece->text).ptr + at, piece->ends[i] - at};
        mrc_presence_events_record(piece->events, i, &ends[i]);
    }
    return mrc_query_reap(mrc_hub_get_query(hub), dead, members, ends, piece->count, ret_left);
}

/* Reads and removes some subscriptions. RET_LEFT: the number of the others. */
static apr_status_t reap_some(struct mrc_hub *hub, const struct mrc_query_dead *dead,
                              struct piece *piece, uint64_t *ret_left)
{
    const struct mrc_bytes none = {"", 0};
    apr_status_t status;
    size_t unused;

    mrc_presence_events_reset(piece->events);
    mrc_buf_reset(&piece->text);
    piece->count = 0;
    piece->status = APR_SUCCESS;
    status = mrc_query_subscriptions(mrc_hub_get_query(hub), dead->machine, none, none, add, piece,
                                     &unused);
    if (status == APR_SUCCESS)
        status = piece->status;
    if (status == APR_SUCCESS)
        status = reap_piece(hub, dead, piece, ret_left);
    if (piece->count == 0) /* whatever count the engine gives */
        *ret_left = 0;
    return status;
}

apr_status_t mrc_presence_reap(struct mrc_hub *hub)
{
    struct mrc_query *query = mrc_hub_get_query(hub);
    apr_status_t status = APR_SUCCESS;
    struct mrc_query_dead dead;
    struct piece piece;
    uint64_t left = 1;

    if (!query || !mrc_hub_roster(hub) || !mrc_query_take_dead(query, &dead))
        return APR_SUCCESS;
    piece.events = mrc_presence_events_open(hub);
    if (!piece.events)
        return APR_ENOMEM;
    mrc_buf_init(&piece.text, SIZE_MAX);
    while (left > 0 && !status)
        status = reap_some(hub, &dead, &piece, &left);
    mrc_buf_free(&piece.text);
    mrc_presence_events_close(piece.events);
    return status;
}
