/*
 * Cursors: the place in the history that the last event id of a client names, and the position that
 * the hub gives a client that may have no event yet (draft-dunglas-mercure-08, "Reconciliation").
 */
#ifndef MRC_HUB_SUBSCRIBER_CURSOR_H
#define MRC_HUB_SUBSCRIBER_CURSOR_H

#include <stdbool.h>
#include <stdint.h>

#include "apr_errno.h"

#include "core/base/bytes.h"

struct mrc_buf;
struct mrc_history;
struct mrc_hub;
struct mrc_place;

/*
 * Finds where a stream with CURSOR begins, and the id of the event before that, which the caller
 * free()s:
 *
 *     cursor        the stream begins           the id
 *     a known id    after that event            the cursor
 *     a position    at that place               the cursor
 *     empty         with the next new event     the newest id, or `earliest` if there is none
 *     any other     with the oldest event       `earliest`: something may be lost
 *
 * APR_ENOMEM, and errors of the history.
 */
apr_status_t mrc_cursor_find(struct mrc_history *history, struct mrc_bytes cursor, int64_t now_us,
                             struct mrc_place *ret_place, char **ret_id);

/*
 * Appends a block to OUT that sets the client's last event id to the position before record NUMBER
 * of the history (core/protocol/position.h), or to `earliest` if the history is empty at NOW_US.
 * False: NUMBER is 0, which is not a place, or the system has no random bytes; nothing is appended.
 * AS_EVENT: in the form of mrc_sse_add_id_event(). Errors of OUT stay there.
 */
bool mrc_cursor_add_position(struct mrc_hub *hub, uint64_t number, int64_t now_us, bool as_event,
                             struct mrc_buf *out);

#endif
