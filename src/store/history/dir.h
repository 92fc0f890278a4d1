/*
 * The directories of durable histories: their names, suitable places, and which server holds them.
 *
 *     PATH/NAME-HASH/              one for each hub, named after its key
 *         history-N.mdb            lmdb/env.h
 *         history-N.mdb.damaged-T  a damaged history, set aside when the server started at time T
 *
 * The server's user owns the directory of a hub.
 *
 * The main process creates and holds the directories. It never opens a history, because its
 * children would inherit open files and locks of LMDB. A separate process checks a history, as the
 * server's user: if a file crashes that process, the file counts as damaged and the server starts.
 *
 * A server holds flock() on the directories of its hubs as long as any of its processes lives, so
 * two servers cannot share a history.
 */
#ifndef MRC_STORE_HISTORY_DIR_H
#define MRC_STORE_HISTORY_DIR_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "apr_errno.h"
#include "apr_pools.h"

#include "core/base/err.h"

/* The directories that one server holds; it survives reloads. */
struct mrc_history_dirs;

/* The user and group of the children. */
struct mrc_history_owner {
    uid_t uid;
    gid_t gid;
};

/* How long another server may take to release a directory. */
#define MRC_HISTORY_DIR_WAIT_US ((int64_t)5 * 1000 * 1000)

/* The directory of the hub KEY below PATH; in POOL. */
const char *mrc_history_dir_name(apr_pool_t *pool, const char *path, const char *key);

/*
 * Whether PATH can contain directories of hubs, checked without creating anything: it is a
 * directory or can be created, it is writable, and it is on this machine. ERROR has the problem and
 * the fix.
 */
apr_status_t mrc_history_dir_check(const char *path, struct mrc_error *error);

/* Whether a file system of this type (of statfs()) is on another machine. */
bool mrc_history_dir_is_remote(unsigned long type);

/* Called when a damaged history was set aside. TEXT is valid during the call only. */
typedef void mrc_history_warn_fn(void *ctx, const char *text);

/* Holds no directory yet; lives in PROCESS_POOL and refers to nothing in the module. */
struct mrc_history_dirs *mrc_history_dirs_create(apr_pool_t *process_pool);

/*
 * Makes the server hold the N directories NAMES (of mrc_history_dir_name()) and no others. Creates,
 * locks and checks those that it does not hold yet. Sets a damaged history aside and calls WARN. On
 * failure ERROR has the first problem and the fix; the other directories are held nevertheless, and
 * RET_HELD says for each of NAMES whether it is.
 */
apr_status_t mrc_history_dirs_reconcile(struct mrc_history_dirs *dirs, const char *const *names,
                                        size_t n, const struct mrc_history_owner *owner,
                                        mrc_history_warn_fn *warn, void *warn_ctx,
                                        struct mrc_error *error, bool *ret_held);

/* Releases all of them in this process. Accepts NULL. */
void mrc_history_dirs_close(struct mrc_history_dirs *dirs);

#endif
