/*
 * Checks the file of a durable history.
 */
#ifndef MRC_STORE_HISTORY_CHECK_H
#define MRC_STORE_HISTORY_CHECK_H

#include "apr_errno.h"
#include "apr_pools.h"

#include "core/base/err.h"

/* A check takes at most this long. It begins with the newest records, and does not check the
 * records that it does not reach in time. */
#define MRC_HISTORY_CHECK_US ((int64_t)5 * 1000 * 1000)

/*
 * Reads the history in the directory DIR; POOL is scratch. A damaged file may crash the calling
 * process. APR_SUCCESS: the history is undamaged, or there is none. MRC_STATUS_CORRUPT: it is
 * damaged, and ERROR has the reason. Others: it cannot be read.
 */
apr_status_t mrc_history_check(apr_pool_t *pool, const char *dir, struct mrc_error *error);

#endif
