/*
 * The id of the record before a given one: the last event id of a stream that has received
 * everything before that record.
 */
#ifndef MRC_HUB_HUB_LAST_ID_H
#define MRC_HUB_HUB_LAST_ID_H

#include <stdint.h>

#include "apr_errno.h"

#include "core/base/buf.h"

struct mrc_hub;

/*
 * Appends the id of the record before number NEXT of the history of HUB to RET_ID; `earliest` if
 * nothing was published before. APR_NOTFOUND: the history no longer has it. It may wait for the
 * disk. Takes a time that grows with the number of records from there to the newest.
 */
apr_status_t mrc_hub_last_id(const struct mrc_hub *hub, uint64_t next, int64_t now_us,
                             struct mrc_buf *ret_id);

#endif
