/*
 * The directories of durable histories: where they are, whether they will do, and who has them.
 *
 *     PATH/NAME-HASH/              one for each hub, of its key; belongs to the server's user
 *         history-N.mdb            history_env.h
 *         history-N.mdb.damaged-T  set aside when the server started at the time T
 *
 * The main process makes and holds them, and never opens a history: it would hand open files and
 * locks of LMDB down to its children. What must be looked into, a child of its own looks into, as
 * the server's user; a file that crashes its reader is damaged then, and the server is not.
 *
 * A server holds flock() on the directories of its hubs, as long as any process of it lives: two
 * servers cannot have one history.
 */
#ifndef MRC_STORE_HISTORY_DIR_H
#define MRC_STORE_HISTORY_DIR_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "apr_errno.h"
#include "apr_pools.h"

#include "core/base/err.h"

/* All that one server holds; it survives reloads. */
struct mrc_history_dirs;

/* Who the children will be. */
struct mrc_history_owner {
    uid_t uid;
    gid_t gid;
};

/* What another server may take to end, before it is said to have the directory. */
#define MRC_HISTORY_DIR_WAIT_US ((int64_t)5 * 1000 * 1000)

/* The directory of the hub KEY below PATH; in POOL. */
const char *mrc_history_dir_name(apr_pool_t *pool, const char *path, const char *key);

/*
 * Whether directories of hubs can be below PATH, as far as that shows without making anything: it
 * is a directory, or can be made one; it can be written to; it is on this machine. ERROR says what
 * to mend.
 */
apr_status_t mrc_history_dir_check(const char *path, struct mrc_error *error);

/* Whether a file system of this type (statfs()) lies on another machine. */
bool mrc_history_dir_is_remote(unsigned long type);

/* Is told, with CTX, of a history that was just set aside. TEXT is good for the call only. */
typedef void mrc_history_warn_fn(void *ctx, const char *text);

/* No directory yet; lives in PROCESS_POOL and refers to nothing in the module. */
struct mrc_history_dirs *mrc_history_dirs_create(apr_pool_t *process_pool);

/*
 * Makes the server hold the N directories NAMES (of mrc_history_dir_name()) and no others. Those
 * that are new to it are made, locked and looked into; one that is damaged is set aside, and
 * WARN told so. On failure ERROR says what to mend.
 */
apr_status_t mrc_history_dirs_reconcile(struct mrc_history_dirs *dirs, const char *const *names,
                                        size_t n, const struct mrc_history_owner *owner,
                                        mrc_history_warn_fn *warn, void *warn_ctx,
                                        struct mrc_error *error);

/* Lets all go, in this process. Accepts NULL. */
void mrc_history_dirs_close(struct mrc_history_dirs *dirs);

#endif
