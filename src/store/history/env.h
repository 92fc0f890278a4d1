/*
 * One LMDB environment: the file of a hub's durable history, opened by this process.
 *
 *     DIR/history-N.mdb         the data; the file with the highest N counts
 *     DIR/history-N.mdb-lock    LMDB's own lock and table of readers
 *
 * N grows when `mercure-history compact` puts a smaller copy in the file's place: every process
 * finds the new file before its next transaction and goes over to it.
 *
 * A process opens an environment after its fork, and once only. Transactions are short. Any thread
 * may have one, but not two at a time. While the file's map grows in this process no other thread
 * of it has a transaction; other processes find the larger map by themselves.
 */
#ifndef MRC_STORE_HISTORY_ENV_H
#define MRC_STORE_HISTORY_ENV_H

#include <lmdb.h>
#include <stdbool.h>
#include <stdint.h>

#include "apr_errno.h"
#include "apr_pools.h"

#include "core/base/err.h"

struct mrc_history_env;

/* The first map: address space, not memory. It doubles when it is full. */
#define MRC_HISTORY_ENV_MAP_BYTES     ((uint64_t)256 << 20)
#define MRC_HISTORY_ENV_MAP_MAX_BYTES ((uint64_t)1 << 44)

struct mrc_history_env_options {
    const char *key;    /* of the hub, written into a new file; NULL: a new file is not made */
    uint64_t map_bytes; /* 0: MRC_HISTORY_ENV_MAP_BYTES */
    bool unsynced;      /* commits do not wait for the disk */
    bool read_only;
};

/* The databases in the file, and what it says of itself. */
struct mrc_history_dbs {
    MDB_dbi records; /* number (native, 8 bytes) -> record; history_table.h */
    MDB_dbi ids;     /* keyed hash of the id -> numbers */
    MDB_dbi about;   /* "format", "epoch", "hash", "key" */
    uint64_t epoch;  /* random, of this history: not of another in the same place. Never 0 */
    uint64_t hash_key[2];
};

/* A transaction that is open. */
struct mrc_history_txn {
    struct mrc_history_env *env;
    MDB_txn *txn;
    struct mrc_history_dbs dbs;
};

/*
 * Opens, or makes, the file in DIR. The struct lives in POOL. MRC_STATUS_CORRUPT: the file is
 * damaged or none of ours, ERROR says why; APR_ENOENT; errors of the operating system.
 */
apr_status_t mrc_history_env_open(apr_pool_t *pool, const char *dir,
                                  const struct mrc_history_env_options *options,
                                  struct mrc_error *error, struct mrc_history_env **ret_env);

/* No transaction is open. Accepts NULL. */
void mrc_history_env_close(struct mrc_history_env *env);

/* The path of the file that is open now. */
const char *mrc_history_env_path(const struct mrc_history_env *env);

/* Begins a transaction; it must be ended by the same thread. */
apr_status_t mrc_history_env_begin(struct mrc_history_env *env, bool writes,
                                   struct mrc_history_txn *ret_txn);

/* Ends it: what it wrote is on the disk (unless unsynced), or nothing of it is there. */
apr_status_t mrc_history_env_commit(struct mrc_history_txn *txn);
void mrc_history_env_abort(struct mrc_history_txn *txn);

/* After a transaction that found the map full, and was aborted: makes the map larger. APR_ENOSPC:
 * it has its largest size. */
apr_status_t mrc_history_env_grow(struct mrc_history_env *env);

/* Waits until all that was committed is on the disk. */
apr_status_t mrc_history_env_sync(struct mrc_history_env *env);

/* Forgets readers of processes that are dead: what they were reading can be used again. */
void mrc_history_env_check_readers(struct mrc_history_env *env);

/*
 * Writes a copy without free room beside the file and puts it in its place; nobody writes
 * meanwhile.
 */
apr_status_t mrc_history_env_compact(struct mrc_history_env *env, struct mrc_error *error);

/* LMDB's code as a status: errno values stay. */
apr_status_t mrc_history_env_status(int rc);

/* Whether the map was too small. */
#define MRC_STATUS_MAP_FULL (APR_OS_START_USERERR + 7306)

#endif
