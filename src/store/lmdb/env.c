#include "store/lmdb/env.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "apr_strings.h"

#include "mrc_config.h"
#include "store/base/fork.h"
#include "store/base/opened.h"
#include "store/base/status.h"
#include "store/lmdb/files.h"

#define READERS_MAX 4096 /* read transactions at the same time, in all processes */
#define MODE        0600
#define TRIES       10
#define PATH_BYTES  MRC_HISTORY_FILES_PATH_BYTES

/* Not one of LMDB's codes: the file is not open. */
#define NOT_OPEN (-1)

/* The most bytes of the lock file. */
#define LOCK_BYTES (READERS_MAX * 64 + 8192)

struct mrc_history_env {
    const char *dir;
    struct mrc_history_env_options options;
    pthread_rwlock_t lock; /* every transaction holds it for reading, every change for writing */
    MDB_env *env;
    struct mrc_history_dbs dbs;
    unsigned number; /* N of the file */
    char path[PATH_BYTES];
    char next_path[PATH_BYTES]; /* with N + 1: if this file exists, it replaces the open one */
    struct mrc_opened *opened;
    struct mrc_opened_file file; /* among those */
};

apr_status_t mrc_history_env_status(int rc)
{
    switch (rc) {
    case MDB_SUCCESS:
        return APR_SUCCESS;
    case MDB_NOTFOUND:
        return APR_NOTFOUND;
    case MDB_MAP_FULL:
        return MRC_STATUS_MAP_FULL;
    case MDB_READERS_FULL:
        return APR_EAGAIN;
    default:
        return rc > 0 ? rc : MRC_STATUS_CORRUPT;
    }
}

static bool exists(const char *path)
{
    struct stat st;

    return lstat(path, &st) == 0;
}

/* ---- Signals ----------------------------------------------------------------------------------*/

/*
 * A write beyond the limit on file sizes raises a signal that ends the process. The thread blocks
 * the signal while it writes, and consumes it afterwards: the write then fails as on a full disk.
 */
static void hold_xfsz(sigset_t *ret_mask)
{
    sigset_t xfsz;

    sigemptyset(&xfsz);
    sigaddset(&xfsz, SIGXFSZ);
    pthread_sigmask(SIG_BLOCK, &xfsz, ret_mask);
}

static void release_xfsz(const sigset_t *mask)
{
    const struct timespec now = {0, 0};
    sigset_t xfsz;

    sigemptyset(&xfsz);
    sigaddset(&xfsz, SIGXFSZ);
    while (!sigismember(mask, SIGXFSZ) && sigtimedwait(&xfsz, NULL, &now) == SIGXFSZ)
        ;
    pthread_sigmask(SIG_SETMASK, mask, NULL);
}

/* ---- Opening ----------------------------------------------------------------------------------*/

/* Reading beyond the end of a truncated file would raise SIGBUS. */
static int check_length(MDB_env *env, const char *path)
{
    MDB_envinfo info;
    MDB_stat stat_;
    struct stat st;
    int rc = mdb_env_info(env, &info);

    if (!rc)
        rc = mdb_env_stat(env, &stat_);
    if (rc)
        return rc;
    if (stat(path, &st) != 0)
        return errno;
    return (uint64_t)st.st_size / stat_.ms_psize > info.me_last_pgno ? MDB_SUCCESS : MDB_CORRUPTED;
}

/* LMDB would initialize a file without a first page; a reader must not do that. */
static int check_begun(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && st.st_size == 0 ? MDB_INVALID : MDB_SUCCESS;
}

/*
 * Allocates the lock file on the disk: LMDB maps it, and a hole in it would be a SIGBUS on a full
 * disk. Only while this process has the environment closed, because closing the file releases all
 * locks that the process has on it.
 */
static int reserve_lock_file(const char *data_path)
{
    char path[PATH_BYTES + 8];
    struct stat st;
    int err = 0;
    int fd;

    snprintf(path, sizeof(path), "%s-lock", data_path);
    fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, MODE);
    /* The server's user could not open a file that belongs to root. */
    if (fd >= 0 && geteuid() == 0 && lstat(data_path, &st) == 0 &&
        fchown(fd, st.st_uid, st.st_gid) != 0)
        err = errno;
    if (fd < 0 && errno == EEXIST)
        fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return errno;
    if (!err)
        err = posix_fallocate(fd, 0, LOCK_BYTES);
    close(fd);
    return err == EOPNOTSUPP || err == EINVAL ? 0 : err;
}

/*
 * Opens the file and makes sure that no program that httpd starts inherits it: LMDB sets FD_CLOEXEC
 * on its other descriptors, and leaves that of the data to the caller. fork() waits meanwhile, so
 * that no other thread starts a program before the flag is set.
 */
static int open_unshared(MDB_env *env, const char *path, unsigned flags)
{
    int fd, rc;

    mrc_fork_hold();
    rc = mdb_env_open(env, path, flags, MODE);
    if (!rc)
        rc = mdb_env_get_fd(env, &fd);
    if (!rc && fcntl(fd, F_SETFD, FD_CLOEXEC) != 0)
        rc = errno;
    mrc_fork_release();
    return rc;
}

/* The first map has MAP_BYTES, or the size of the file if that is larger. */
static int try_open(struct mrc_history_env *env, unsigned number, uint64_t map_bytes,
                    MDB_env **ret_env, struct mrc_history_dbs *ret_dbs)
{
    const struct mrc_history_env_options *options = &env->options;
    unsigned flags = MDB_NOSUBDIR | MDB_NOTLS;
    MDB_env *opened;
    int rc;

    if (!mrc_history_files_path(env->dir, number, "", env->path) ||
        !mrc_history_files_path(env->dir, number + 1, "", env->next_path))
        return ENAMETOOLONG;
    if (options->read_only)
        flags |= MDB_RDONLY;
    if (options->unsynced)
        flags |= MDB_NOSYNC;
    rc = reserve_lock_file(env->path);
    if (!rc)
        rc = mdb_env_create(&opened);
    if (rc)
        return rc;
    rc = mdb_env_set_maxdbs(opened, MRC_HISTORY_DBS_COUNT);
    if (!rc)
        rc = mdb_env_set_maxreaders(opened, READERS_MAX);
    if (!rc && !options->read_only)
        rc = mdb_env_set_mapsize(opened, (size_t)map_bytes);
    if (!rc && options->read_only)
        rc = check_begun(env->path);
    if (!rc)
        rc = open_unshared(opened, env->path, flags);
    if (!rc)
        rc = check_length(opened, env->path);
    if (!rc)
        rc = mrc_history_dbs_open(opened, options->key, options->read_only, ret_dbs);
    if (rc) {
        mdb_env_close(opened);
        return rc;
    }
    *ret_env = opened;
    return MDB_SUCCESS;
}

/* Closes the file, if it is open. No thread has a transaction in ENV. */
static void close_file(struct mrc_history_env *env)
{
    if (env->env)
        mdb_env_close(env->env);
    env->env = NULL;
}

/* Closes the file, unless a transaction is open. */
static bool try_close(void *owner)
{
    struct mrc_history_env *env = owner;

    if (pthread_rwlock_trywrlock(&env->lock) != 0)
        return false;
    close_file(env);
    pthread_rwlock_unlock(&env->lock);
    return true;
}

/* Opens file NUMBER. If there are not enough addresses for its map, other files are closed. */
static int open_number(struct mrc_history_env *env, unsigned number, uint64_t map_bytes)
{
    int rc = try_open(env, number, map_bytes, &env->env, &env->dbs);

    for (int i = 0; rc == ENOMEM && i < MRC_OPENED_MAX; i++) { /* threads may open them again */
        if (!mrc_opened_make_room(env->opened, &env->file))
            break;
        rc = try_open(env, number, map_bytes, &env->env, &env->dbs);
    }
    return rc;
}

/* Opens the newest file, with a first map of MAP_BYTES or more; 0: of the usual size. No thread has
 * a transaction in ENV. */
static int open_newest(struct mrc_history_env *env, uint64_t map_bytes)
{
    sigset_t mask;
    int rc = ENOENT;

    if (map_bytes == 0)
        map_bytes = env->options.map_bytes ? env->options.map_bytes : MRC_HISTORY_ENV_MAP_BYTES;
    hold_xfsz(&mask);
    for (int i = 0; i < TRIES; i++) {
        unsigned number, newest;
        int err = mrc_history_files_find(env->dir, &number);

        if (err || (number == 0 && !env->options.key)) {
            rc = err ? err : ENOENT;
            break;
        }
        env->number = number ? number : 1;
        rc = open_number(env, env->number, map_bytes);
        err = mrc_history_files_find(env->dir, &newest);
        if (!err && newest <= env->number)
            break;
        if (!rc) { /* replaced meanwhile, or it is not known whether */
            close_file(env);
            rc = err ? err : EAGAIN;
        }
    }
    release_xfsz(&mask);
    if (!rc)
        mrc_opened_enter(env->opened, &env->file);
    return rc;
}

apr_status_t mrc_history_env_open(apr_pool_t *pool, const char *dir,
                                  const struct mrc_history_env_options *options,
                                  struct mrc_error *error, struct mrc_history_env **ret_env)
{
    struct mrc_history_env *env = apr_pcalloc(pool, sizeof(*env));
    pthread_rwlockattr_t attr;
    int rc;

    env->dir = apr_pstrdup(pool, dir);
    env->options = *options;
    env->opened = mrc_opened_in(pool);
    env->file.try_close = try_close;
    env->file.owner = env;
    if (options->key)
        env->options.key = apr_pstrdup(pool, options->key);
    pthread_rwlockattr_init(&attr);
#if HAVE_DECL_PTHREAD_RWLOCKATTR_SETKIND_NP /* else many readers may keep a writer waiting */
    pthread_rwlockattr_setkind_np(&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
#endif
    pthread_rwlock_init(&env->lock, &attr);
    pthread_rwlockattr_destroy(&attr);
    rc = open_newest(env, 0);
    if (rc) {
        pthread_rwlock_destroy(&env->lock);
        return mrc_status_set(error, mrc_history_env_status(rc), "%.200s: %s",
                              rc == ENOENT || !env->path[0] ? dir : env->path, mdb_strerror(rc));
    }
    mrc_history_env_check_readers(env);
    *ret_env = env;
    return APR_SUCCESS;
}

void mrc_history_env_close(struct mrc_history_env *env)
{
    if (!env)
        return;
    mrc_opened_leave(env->opened, &env->file);
    close_file(env);
    pthread_rwlock_destroy(&env->lock);
}

const unsigned char *mrc_history_env_position_key(const struct mrc_history_env *env)
{
    return env->dbs.position_key;
}

const char *mrc_history_env_path(const struct mrc_history_env *env)
{
    return env->path;
}

/* ---- Transactions -----------------------------------------------------------------------------*/

/* Opens the newest file, after the open one was replaced or LMDB cannot use it any more. */
static int reopen(struct mrc_history_env *env)
{
    int rc;

    pthread_rwlock_wrlock(&env->lock);
    close_file(env);
    rc = open_newest(env, 0);
    pthread_rwlock_unlock(&env->lock);
    return rc;
}

/* Opens the newest file, unless another thread has just done so. */
static int open_again(struct mrc_history_env *env)
{
    int rc;

    pthread_rwlock_wrlock(&env->lock);
    rc = env->env ? MDB_SUCCESS : open_newest(env, 0);
    pthread_rwlock_unlock(&env->lock);
    return rc;
}

/* The size of the map after the one of MAP_BYTES; the same: it has its largest size. */
static uint64_t next_map_bytes(uint64_t map_bytes)
{
    if (map_bytes >= MRC_HISTORY_ENV_MAP_MAX_BYTES)
        return map_bytes;
    return map_bytes + (map_bytes < MRC_HISTORY_ENV_MAP_STEP_BYTES
                            ? map_bytes
                            : MRC_HISTORY_ENV_MAP_STEP_BYTES);
}

/*
 * Under the lock: gives the open file a map of BYTES, or of the size of the file if that is larger.
 * LMDB removes the old map first, and after a failure would still read where it was. The file is
 * then opened again, with a map of AGAIN_BYTES (0: of the usual size), which may close other files.
 */
static int set_map(struct mrc_history_env *env, uint64_t bytes, uint64_t again_bytes)
{
    int rc = mdb_env_set_mapsize(env->env, (size_t)bytes);

    if (!rc)
        return MDB_SUCCESS;
    close_file(env);
    return open_newest(env, again_bytes);
}

/* Makes the map larger, because another process has made the file larger. */
static int follow_map(struct mrc_history_env *env)
{
    MDB_envinfo info;
    int rc = MDB_SUCCESS;

    pthread_rwlock_wrlock(&env->lock);
    if (env->env)
        rc = mdb_env_info(env->env, &info);
    if (env->env && !rc)
        rc = set_map(env, next_map_bytes(info.me_mapsize), 0);
    pthread_rwlock_unlock(&env->lock);
    return rc;
}

/* Repairs the problem RC before the transaction is tried again. Returns LMDB's code; not
 * MDB_SUCCESS: it cannot be repaired. */
static int repair(struct mrc_history_env *env, int rc)
{
    switch (rc) {
    case MDB_MAP_RESIZED:
        return follow_map(env);
    case NOT_OPEN:
        return open_again(env);
    case MDB_PANIC:
    case MDB_VERSION_MISMATCH: /* from begin_here(): the file was replaced */
        return reopen(env);
    case MDB_READERS_FULL:
        mrc_history_env_check_readers(env);
        return MDB_SUCCESS;
    default:
        return rc;
    }
}

/* Begins a transaction in the open file, under the lock. */
static int begin_here(struct mrc_history_env *env, bool writes, MDB_txn **ret_txn)
{
    MDB_txn *txn;
    int rc;

    if (!env->env)
        return NOT_OPEN;
    mrc_opened_use(env->opened, &env->file);
    rc = mdb_txn_begin(env->env, NULL, writes ? 0 : MDB_RDONLY, &txn);
    if (rc)
        return rc;
    if (exists(env->next_path)) {
        mdb_txn_abort(txn);
        return MDB_VERSION_MISMATCH;
    }
    *ret_txn = txn;
    return MDB_SUCCESS;
}

apr_status_t mrc_history_env_begin(struct mrc_history_env *env, bool writes,
                                   struct mrc_history_txn *ret_txn)
{
    int rc = MDB_SUCCESS;

    for (int i = 0; i < TRIES; i++) {
        MDB_txn *txn;

        pthread_rwlock_rdlock(&env->lock);
        rc = begin_here(env, writes, &txn);
        if (!rc) {
            *ret_txn = (struct mrc_history_txn){.env = env, .txn = txn, .dbs = env->dbs};
            return APR_SUCCESS;
        }
        pthread_rwlock_unlock(&env->lock);
        rc = repair(env, rc);
        if (rc)
            break;
        rc = MDB_READERS_FULL;
    }
    return mrc_history_env_status(rc);
}

apr_status_t mrc_history_env_commit(struct mrc_history_txn *txn)
{
    sigset_t mask;
    int rc;

    hold_xfsz(&mask);
    rc = mdb_txn_commit(txn->txn);
    release_xfsz(&mask);
    txn->txn = NULL;
    pthread_rwlock_unlock(&txn->env->lock);
    return mrc_history_env_status(rc);
}

void mrc_history_env_abort(struct mrc_history_txn *txn)
{
    mdb_txn_abort(txn->txn);
    txn->txn = NULL;
    pthread_rwlock_unlock(&txn->env->lock);
}

apr_status_t mrc_history_env_grow(struct mrc_history_env *env)
{
    MDB_envinfo info;
    uint64_t bytes;
    int rc = MDB_SUCCESS;

    pthread_rwlock_wrlock(&env->lock);
    if (env->env)
        rc = mdb_env_info(env->env, &info);
    if (env->env && !rc) {
        bytes = next_map_bytes(info.me_mapsize);
        rc = bytes > info.me_mapsize ? set_map(env, bytes, bytes) : ENOSPC;
    }
    pthread_rwlock_unlock(&env->lock);
    return mrc_history_env_status(rc);
}

apr_status_t mrc_history_env_sync(struct mrc_history_env *env)
{
    int rc = NOT_OPEN;

    if (env->options.unsynced)
        return APR_SUCCESS;
    for (int i = 0; i < TRIES && rc == NOT_OPEN; i++) {
        rc = open_again(env);
        if (rc)
            break;
        pthread_rwlock_rdlock(&env->lock);
        rc = env->env ? mdb_env_sync(env->env, 1) : NOT_OPEN;
        pthread_rwlock_unlock(&env->lock);
    }
    return mrc_history_env_status(rc);
}

void mrc_history_env_check_readers(struct mrc_history_env *env)
{
    int dead;

    pthread_rwlock_rdlock(&env->lock);
    if (env->env)
        mdb_reader_check(env->env, &dead);
    pthread_rwlock_unlock(&env->lock);
}

/* ---- Compacting -------------------------------------------------------------------------------*/

/* Flushes the directory, so that a rename in it survives a power failure. */
static int sync_dir(const char *dir)
{
    DIR *files = opendir(dir);
    int err = 0;

    if (!files)
        return errno;
    if (fsync(dirfd(files)) != 0)
        err = errno;
    closedir(files);
    return err;
}

/* Writes the copy to the disk, under its temporary name PATH. */
static int copy_to(struct mrc_history_env *env, const char *path)
{
    FILE *file;
    int rc;

    unlink(path);
    rc = mdb_env_copy2(env->env, path, MDB_CP_COMPACT);
    if (rc)
        return rc;
    file = fopen(path, "r+e");
    if (!file)
        return errno;
    if (fchmod(fileno(file), MODE) != 0 || fsync(fileno(file)) != 0)
        rc = errno;
    fclose(file);
    return rc;
}

apr_status_t mrc_history_env_compact(struct mrc_history_env *env, struct mrc_error *error)
{
    struct mrc_history_txn writer;
    char lock_path[PATH_BYTES + 8];
    char copy[PATH_BYTES];
    apr_status_t status;
    int rc;

    status = mrc_history_env_begin(env, true, &writer); /* keeps all other writers out */
    if (status)
        return mrc_status_set(error, status, "%.200s cannot be locked", env->path);
    rc = mrc_history_files_path(env->dir, env->number + 1, ".new", copy) ? copy_to(env, copy)
                                                                         : ENAMETOOLONG;
    if (!rc && rename(copy, env->next_path) != 0)
        rc = errno;
    if (!rc)
        rc = sync_dir(env->dir);
    if (!rc) {
        unlink(env->path);
        snprintf(lock_path, sizeof(lock_path), "%s-lock", env->path);
        unlink(lock_path);
    } else {
        unlink(copy);
    }
    mrc_history_env_abort(&writer);
    return rc ? mrc_status_set(error, mrc_history_env_status(rc), "%.200s: %s", copy,
                               mdb_strerror(rc))
              : APR_SUCCESS;
}
