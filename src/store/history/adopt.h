/*
 * Directories of histories whose hub has another key now: the history moves to the directory of the
 * new key, or is kept under another name.
 *
 * In the main process, before mrc_history_dirs_reconcile().
 */
#ifndef MRC_STORE_HISTORY_ADOPT_H
#define MRC_STORE_HISTORY_ADOPT_H

#include <stdbool.h>
#include <stddef.h>

#include "apr_errno.h"
#include "apr_pools.h"

#include "core/base/err.h"

/* Whether there is a directory NAME, with or without a history. */
bool mrc_history_adopt_exists(const char *name);

/*
 * The index of the directory among the N NAMES whose history is the newest; N: none has a history.
 */
size_t mrc_history_adopt_newest(const char *const *names, size_t n);

/*
 * Renames the directory FORMER to NAME, which must not exist, or be an empty directory. APR_EBUSY:
 * another server uses it. ERROR has the problem.
 */
apr_status_t mrc_history_adopt_move(const char *former, const char *name, struct mrc_error *error);

/* Renames the directory FORMER so that no hub uses it, to the path RET_KEPT in POOL. */
apr_status_t mrc_history_adopt_keep(apr_pool_t *pool, const char *former, struct mrc_error *error,
                                    const char **ret_kept);

#endif
