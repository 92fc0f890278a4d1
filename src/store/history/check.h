/*
 * Whether the file of a durable history is sound.
 */
#ifndef MRC_STORE_HISTORY_CHECK_H
#define MRC_STORE_HISTORY_CHECK_H

#include "apr_errno.h"

#include "core/base/err.h"

/* So long at most it takes: what is not reached then, is believed. The newest records come first.
 */
#define MRC_HISTORY_CHECK_US ((int64_t)5 * 1000 * 1000)

/*
 * Reads the history in the directory DIR, in this process, which it may crash. APR_SUCCESS: it is
 * sound, or there is none. MRC_STATUS_CORRUPT: it is damaged, ERROR says how. Others: it cannot be
 * read.
 */
apr_status_t mrc_history_check(const char *dir, struct mrc_error *error);

#endif
