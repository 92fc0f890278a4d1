/*
 * An LMDB environment: the file of a hub's durable history, opened by this process.
 *
 *     DIR/history-N.mdb         the data; only the file with the highest N is used
 *     DIR/history-N.mdb-lock    LMDB's own lock and table of readers
 *
 * N grows when `mercure-history compact` replaces the file by a smaller copy. Every process notices
 * the new file before its next transaction, and opens it instead.
 *
 * A process opens an environment after its fork, and only once; it may close the file while it
 * needs other files or addresses more (base/opened.h). Transactions are short. Any thread may have
 * one, but not two at a time. While this process makes the memory map larger, none of its other
 * threads has a transaction; other processes make theirs larger by themselves.
 */
#ifndef MRC_STORE_LMDB_ENV_H
#define MRC_STORE_LMDB_ENV_H

#include <lmdb.h>
#include <stdbool.h>
#include <stdint.h>

#include "apr_errno.h"
#include "apr_pools.h"

#include "core/base/err.h"
#include "store/lmdb/dbs.h"

struct mrc_history_env;

/*
 * The size of the first map: address space, not memory. A full map doubles, or becomes larger by
 * STEP if that is less. The maps of all open files (base/opened.h) share the addresses of a process
 * with the regions of all hubs and the stacks of all threads, and a 32-bit one has 2 or 3 GB. A
 * tool has them to itself, and needs a map for all that it writes in one transaction.
 */
#if SIZE_MAX > UINT32_MAX
#define MRC_HISTORY_ENV_MAP_BYTES      ((uint64_t)256 << 20)
#define MRC_HISTORY_ENV_MAP_STEP_BYTES MRC_HISTORY_ENV_MAP_MAX_BYTES
#define MRC_HISTORY_ENV_MAP_MAX_BYTES  ((uint64_t)1 << 44)
#define MRC_HISTORY_ENV_MAP_TOOL_BYTES ((uint64_t)1 << 36)
#else
#define MRC_HISTORY_ENV_MAP_BYTES      ((uint64_t)32 << 20)
#define MRC_HISTORY_ENV_MAP_STEP_BYTES ((uint64_t)32 << 20)
#define MRC_HISTORY_ENV_MAP_MAX_BYTES  ((uint64_t)1 << 31)
#define MRC_HISTORY_ENV_MAP_TOOL_BYTES ((uint64_t)1 << 30)
#endif

struct mrc_history_env_options {
    const char *key;    /* of the hub, written into a new file; NULL: creates no file */
    uint64_t map_bytes; /* at most MRC_HISTORY_ENV_MAP_MAX_BYTES; 0: MRC_HISTORY_ENV_MAP_BYTES */
    bool unsynced;      /* commits do not wait for the disk */
    bool read_only;
};

/* An open transaction. */
struct mrc_history_txn {
    struct mrc_history_env *env;
    MDB_txn *txn;
    struct mrc_history_dbs dbs;
};

/*
 * Opens or creates the file in DIR. The struct lives in POOL. MRC_STATUS_CORRUPT: the file is
 * damaged or not a history, ERROR has the reason; APR_ENOENT; errors of the operating system.
 */
apr_status_t mrc_history_env_open(apr_pool_t *pool, const char *dir,
                                  const struct mrc_history_env_options *options,
                                  struct mrc_error *error, struct mrc_history_env **ret_env);

/* Closes it; no transaction may be open. Accepts NULL. */
void mrc_history_env_close(struct mrc_history_env *env);

/* The path of the file that is open now. */
const char *mrc_history_env_path(const struct mrc_history_env *env);

/* The key for positions in this history (history.h); zeros if the file has none and was opened
 * without a hub's key. It stays the same while ENV is open. */
const unsigned char *mrc_history_env_position_key(const struct mrc_history_env *env);

/* Begins a transaction, which the same thread must end. */
apr_status_t mrc_history_env_begin(struct mrc_history_env *env, bool writes,
                                   struct mrc_history_txn *ret_txn);

/* Ends it. After a commit all changes are on the disk (unless unsynced); on failure, none. */
apr_status_t mrc_history_env_commit(struct mrc_history_txn *txn);
void mrc_history_env_abort(struct mrc_history_txn *txn);

/*
 * Makes the map larger after a transaction found it full and was aborted. ENOSPC: the map has its
 * largest size. ENOMEM: there are not enough addresses, even after other files were closed; what
 * the file has can still be read.
 */
apr_status_t mrc_history_env_grow(struct mrc_history_env *env);

/* Waits until all commits are on the disk. */
apr_status_t mrc_history_env_sync(struct mrc_history_env *env);

/* Removes readers of dead processes from the table, so that the pages they kept can be reused. */
void mrc_history_env_check_readers(struct mrc_history_env *env);

/* Replaces the file with a copy without free pages. Blocks all writers in the meantime. */
apr_status_t mrc_history_env_compact(struct mrc_history_env *env, struct mrc_error *error);

/* LMDB's code as a status; values of errno stay as they are. */
apr_status_t mrc_history_env_status(int rc);

/* The map is too small: see mrc_history_env_grow(). */
#define MRC_STATUS_MAP_FULL (APR_OS_START_USERERR + 7308)

#endif
