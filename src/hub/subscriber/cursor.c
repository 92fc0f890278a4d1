#include "hub/subscriber/cursor.h"

#include <stdlib.h>
#include <string.h>

#include "core/protocol/position.h"
#include "core/protocol/sse.h"
#include "hub/hub/hub.h"
#include "store/base/status.h"
#include "store/history/history.h"
#include "store/ring/ring.h"

_Static_assert(MRC_HUB_POSITION_KEY_BYTES == MRC_POSITION_KEY_BYTES,
               "the store keeps the keys of positions");

static apr_status_t find_newest(struct mrc_history *history, struct mrc_ring_record *record,
                                struct mrc_place *ret_place, struct mrc_bytes *ret_id)
{
    apr_status_t status = mrc_history_newest(history, record, ret_place);

    if (status != APR_SUCCESS && status != APR_NOTFOUND)
        return status;
    *ret_id = status == APR_SUCCESS ? record->view.id : mrc_bytes_of("earliest");
    return APR_SUCCESS;
}

/* How long a cursor may wait for what other machines have published. */
#define CATCH_UP_US ((int64_t)1000 * 1000)

/* The place of CURSOR, an id or a position. No update has an id that looks like a position. */
static apr_status_t find_known(struct mrc_history *history, struct mrc_bytes cursor, int64_t now_us,
                               struct mrc_place *ret_place)
{
    unsigned char key[MRC_POSITION_KEY_BYTES];
    struct mrc_position position;

    return mrc_history_get_position_key(history, key) && mrc_position_read(key, cursor, &position)
               ? mrc_history_seek_position(history, position.number, position.made_us, now_us,
                                           ret_place)
               : mrc_history_find(history, cursor, now_us, ret_place);
}

/* The same; a cursor that this machine does not know may be that of an update on another one. */
static apr_status_t find_id(struct mrc_history *history, struct mrc_bytes cursor, int64_t now_us,
                            struct mrc_place *ret_place)
{
    apr_status_t status = find_known(history, cursor, now_us, ret_place);

    if (status != APR_NOTFOUND)
        return status;
    status = mrc_history_catch_up(history, CATCH_UP_US);
    if (status == APR_TIMEUP)
        status = MRC_STATUS_UNREACHABLE;
    if (status == APR_SUCCESS)
        status = find_known(history, cursor, now_us, ret_place);
    return status == APR_NOTFOUND && mrc_history_may_come(history, now_us) ? MRC_STATUS_UNREACHABLE
                                                                           : status;
}

/* RET_ID is a view of CURSOR or RECORD, or a constant. */
static apr_status_t find(struct mrc_history *history, struct mrc_bytes cursor, int64_t now_us,
                         struct mrc_ring_record *record, struct mrc_place *ret_place,
                         struct mrc_bytes *ret_id)
{
    apr_status_t status = APR_NOTFOUND;

    if (cursor.len == 0)
        return find_newest(history, record, ret_place, ret_id);
    if (!mrc_bytes_eq_str(cursor, "earliest"))
        status = find_id(history, cursor, now_us, ret_place);
    if (status == APR_SUCCESS) {
        *ret_id = cursor;
        return APR_SUCCESS;
    }
    if (status == APR_NOTFOUND)
        status = mrc_history_oldest(history, now_us, ret_place);
    *ret_id = mrc_bytes_of("earliest");
    return status;
}

static char *copy_text(struct mrc_bytes text)
{
    char *copy = malloc(text.len + 1);

    if (!copy)
        return NULL;
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    return copy;
}

apr_status_t mrc_cursor_find(struct mrc_history *history, struct mrc_bytes cursor, int64_t now_us,
                             struct mrc_place *ret_place, char **ret_id)
{
    struct mrc_ring_record record = {0};
    struct mrc_place place;
    struct mrc_bytes id;
    apr_status_t status = find(history, cursor, now_us, &record, &place, &id);

    if (status == APR_SUCCESS) {
        char *copy = copy_text(id);

        if (copy) {
            *ret_place = place;
            *ret_id = copy;
        } else {
            status = APR_ENOMEM;
        }
    }
    mrc_ring_record_free(&record);
    return status;
}

bool mrc_cursor_add_position(struct mrc_hub *hub, uint64_t number, int64_t now_us, bool as_event,
                             struct mrc_buf *out)
{
    const struct mrc_history *history = mrc_hub_history(hub);
    unsigned char key[MRC_POSITION_KEY_BYTES];
    struct mrc_position position;
    unsigned char nonce[MRC_POSITION_NONCE_BYTES];
    char text[MRC_POSITION_TEXT_BYTES] = "earliest";

    if (number == 0)
        return false;
    if (!mrc_history_is_empty(history, now_us) &&
        (!mrc_history_get_position_key(history, key) ||
         !mrc_history_make_position(history, number, now_us, &position.number, &position.made_us) ||
         mrc_hub_random(hub, nonce, sizeof(nonce)) != APR_SUCCESS ||
         !mrc_position_write(key, nonce, &position, text)))
        return false;
    if (as_event)
        mrc_sse_add_id_event(out, mrc_bytes_of(text));
    else
        mrc_sse_add_id(out, mrc_bytes_of(text));
    return true;
}
