/*
 * Where a stream begins: the place in the history that a client's cursor (its last event id) names;
 * draft-dunglas-mercure-08, "Reconciliation".
 */
#ifndef MRC_HUB_SUBSCRIBER_CURSOR_H
#define MRC_HUB_SUBSCRIBER_CURSOR_H

#include <stdint.h>

#include "apr_errno.h"

#include "core/base/bytes.h"

struct mrc_history;
struct mrc_place;

/*
 * Finds where a stream with CURSOR begins, and the id of the event before that, a string for
 * free():
 *
 *     cursor        the stream begins           the id
 *     a known id    after that event            the cursor
 *     empty         with the next new event     the newest id, or `earliest` if there is none
 *     any other     with the oldest event       `earliest`: something may be lost
 *
 * APR_ENOMEM, and errors of the history.
 */
apr_status_t mrc_cursor_find(struct mrc_history *history, struct mrc_bytes cursor, int64_t now_us,
                             struct mrc_place *ret_place, char **ret_id);

#endif
