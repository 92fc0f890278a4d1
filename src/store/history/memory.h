/*
 * The functions of the history in memory that other back ends use too: those whose ring holds the
 * whole history. history.h says what each does.
 */
#ifndef MRC_STORE_HISTORY_MEMORY_H
#define MRC_STORE_HISTORY_MEMORY_H

#include <stdint.h>

#include "apr_errno.h"

#include "core/base/bytes.h"
#include "store/history/place.h"

struct mrc_history;

apr_status_t mrc_history_memory_oldest(struct mrc_history *history, int64_t now_us,
                                       struct mrc_place *ret_place);
apr_status_t mrc_history_memory_find(struct mrc_history *history, struct mrc_bytes id,
                                     int64_t now_us, struct mrc_place *ret_place);
apr_status_t mrc_history_memory_seek(struct mrc_history *history, uint64_t number, int64_t now_us,
                                     struct mrc_place *ret_place, int64_t *ret_before_us);
apr_status_t mrc_history_memory_count(struct mrc_history *history, int64_t now_us,
                                      uint64_t *ret_records, uint64_t *ret_bytes);

#endif
