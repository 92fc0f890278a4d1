#include "store/history/dir.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "apr_strings.h"
#include "apr_time.h"

#include "core/base/siphash.h"
#include "store/base/clock.h"
#include "store/base/status.h"
#include "store/history/check.h"
#include "store/lmdb/files.h"

#define NAME_MAX_BYTES 40 /* of the readable part of a directory's name */
#define WAIT_STEP_MS   50

struct held {
    struct held *next;
    int fd;      /* the directory, with flock() */
    bool wanted; /* by the new configuration */
    char name[]; /* the path */
};

struct mrc_history_dirs {
    struct held *first;
};

/* ---- Names ------------------------------------------------------------------------------------*/

const char *mrc_history_dir_name(apr_pool_t *pool, const char *path, const char *key)
{
    static const uint64_t no_secret[2] = {0, 0};
    uint64_t hash = mrc_siphash(no_secret, mrc_bytes_of(key));
    char shown[NAME_MAX_BYTES + 1];
    size_t len = 0;

    /* The readable part is for people; the hash makes the name unique. */
    for (const char *c = key; *c && len < NAME_MAX_BYTES; c++) {
        bool plain = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') ||
                     (*c >= '0' && *c <= '9') || *c == '.' || *c == '_';

        if (plain && !(*c == '.' && len == 0))
            shown[len++] = *c;
        else if (len > 0 && shown[len - 1] != '-')
            shown[len++] = '-';
    }
    shown[len] = '\0';
    return apr_psprintf(pool, "%s/%s%s%016" PRIx64, path, shown,
                        len > 0 && shown[len - 1] != '-' ? "-" : "", hash);
}

/* The directory that contains PATH. */
static void parent_of(const char *path, char *ret, size_t size)
{
    size_t len = strlen(path);

    while (len > 1 && path[len - 1] == '/')
        len--;
    while (len > 0 && path[len - 1] != '/')
        len--;
    while (len > 1 && path[len - 1] == '/')
        len--;
    if (len == 0)
        snprintf(ret, size, ".");
    else
        snprintf(ret, size, "%.*s", (int)len, path);
}

/* ---- Suitable places --------------------------------------------------------------------------*/

bool mrc_history_dir_is_remote(unsigned long type)
{
    static const unsigned long remote[] = {
        0x6969,     /* NFS */
        0xFF534D42, /* CIFS */
        0xFE534D42, /* SMB 2 */
        0x517B,     /* SMB */
        0x00C36400, /* Ceph */
        0x5346414F, /* AFS */
        0x6B414653, /* kAFS */
        0x73757245, /* Coda */
        0x0BD00BD0, /* Lustre */
        0x01021997, /* 9P */
        0x01161970, /* GFS2 */
        0x7461636F, /* OCFS2 */
        0x564C,     /* NCP */
        0x19830326, /* BeeGFS */
        0x47504653, /* GPFS */
        0x786F4256, /* a folder of VirtualBox's host */
    };

    for (size_t i = 0; i < sizeof(remote) / sizeof(remote[0]); i++) {
        if ((type & 0xFFFFFFFF) == remote[i])
            return true;
    }
    return false;
}

static apr_status_t check_place(const char *place, const char *path, struct mrc_error *error)
{
    char reason[120];
    struct statfs fs;

    if (statfs(place, &fs) != 0) {
        apr_status_t status = errno;

        return mrc_status_set(error, status, "cannot examine %.200s: %s", place,
                              apr_strerror(status, reason, sizeof(reason)));
    }
    if (mrc_history_dir_is_remote((unsigned long)fs.f_type))
        return mrc_status_set(
            error, APR_EINVAL,
            "%.200s is on a network file system, where processes cannot share a history: "
            "use a path on a disk of this machine",
            path);
    if (access(place, W_OK | X_OK) != 0) {
        apr_status_t status = errno;

        return mrc_status_set(error, status, "cannot write to %.200s: %s", place,
                              apr_strerror(status, reason, sizeof(reason)));
    }
    return APR_SUCCESS;
}

apr_status_t mrc_history_dir_check(const char *path, struct mrc_error *error)
{
    char parent[MRC_HISTORY_FILES_PATH_BYTES];
    char reason[120];
    struct stat st;

    if (stat(path, &st) == 0)
        return S_ISDIR(st.st_mode)
                   ? check_place(path, path, error)
                   : mrc_status_set(error, APR_ENOTDIR, "%.200s is not a directory", path);
    if (errno != ENOENT) {
        apr_status_t status = errno;

        return mrc_status_set(error, status, "cannot examine %.200s: %s", path,
                              apr_strerror(status, reason, sizeof(reason)));
    }
    parent_of(path, parent, sizeof(parent));
    if (stat(parent, &st) != 0 || !S_ISDIR(st.st_mode))
        return mrc_status_set(
            error, APR_ENOENT,
            "%.200s cannot be created, because %.200s is not a directory: create it", path, parent);
    return check_place(parent, path, error);
}

/* ---- Creating and holding ---------------------------------------------------------------------*/

/* Fails with errno; WHAT could not be done with NAME. */
static apr_status_t refuse(struct mrc_error *error, const char *what, const char *name)
{
    apr_status_t status = errno;
    char reason[120];

    return mrc_status_set(error, status, "%s %.250s: %s", what, name,
                          apr_strerror(status, reason, sizeof(reason)));
}

/* Creates the directory NAME for OWNER. A directory that exists stays as it is. */
static apr_status_t make_dir(const char *name, mode_t mode, const struct mrc_history_owner *owner,
                             struct mrc_error *error)
{
    apr_status_t status = APR_SUCCESS;
    int fd;

    if (mkdir(name, mode) != 0)
        return errno == EEXIST ? APR_SUCCESS : refuse(error, "cannot create the directory", name);
    if (geteuid() != 0)
        return APR_SUCCESS;
    /* It may have been replaced meanwhile: change the owner of a directory only. */
    fd = open(name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || fchown(fd, owner->uid, owner->gid) != 0)
        status = refuse(error, "cannot give the server's user the directory", name);
    if (fd >= 0)
        close(fd);
    return status;
}

/* Opens NAME, which must belong to OWNER. */
static apr_status_t open_dir(const char *name, const struct mrc_history_owner *owner,
                             struct mrc_error *error, int *ret_fd)
{
    uid_t uid = geteuid() == 0 ? owner->uid : geteuid();
    struct stat st;
    int fd = open(name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    if (fd < 0)
        return refuse(error, "cannot open the directory", name);
    if (fstat(fd, &st) != 0 || st.st_uid != uid) {
        close(fd);
        return mrc_status_set(error, APR_EACCES,
                              "the directory %.250s does not belong to the server's user: "
                              "chown -R it to user %u",
                              name, (unsigned)uid);
    }
    *ret_fd = fd;
    return APR_SUCCESS;
}

/* Waits a while, because the previous server may still be stopping. */
static apr_status_t lock_dir(int fd, const char *name, struct mrc_error *error)
{
    int64_t until_us = mrc_clock_us() + MRC_HISTORY_DIR_WAIT_US;

    while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK && errno != EINTR)
            return refuse(error, "cannot lock", name);
        if (mrc_clock_us() > until_us)
            return mrc_status_set(
                error, APR_EBUSY,
                "another server uses %.250s: stop it, or give each server a path of "
                "its own",
                name);
        poll(NULL, 0, WAIT_STEP_MS);
    }
    return APR_SUCCESS;
}

/* ---- Examining a history ----------------------------------------------------------------------*/

enum verdict { SOUND, DAMAGED, UNUSABLE };

/* Prepares for a damaged file that crashes this process: no core dump, and no signal handlers of
 * httpd, which would report a crash of the server. */
static void expect_crash(void)
{
    static const int faults[] = {SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV};
    const struct rlimit none = {0, 0};

    setrlimit(RLIMIT_CORE, &none);
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
        signal(faults[i], SIG_DFL);
}

/* Running out of memory says nothing about the file, so it must not look like a crash. */
static int end_without_memory(int status)
{
    _exit(UNUSABLE);
}

/* In a separate process: becomes the server's user, checks NAME, writes the problem to FD. */
static void check_and_exit(const char *name, const struct mrc_history_owner *owner, int fd)
{
    struct mrc_error error = {""};
    apr_status_t status = APR_SUCCESS;
    apr_pool_t *pool;
    ssize_t unused;

    expect_crash();
    if (geteuid() == 0 && owner->uid != 0 &&
        (setgroups(1, &owner->gid) != 0 || setgid(owner->gid) != 0 || setuid(owner->uid) != 0))
        status = refuse(&error, "cannot become the server's user to check", name);
    else if (access(name, R_OK | W_OK | X_OK) != 0)
        status = refuse(&error, "the server's user cannot write to", name);
    if (!status && apr_pool_create_ex(&pool, NULL, end_without_memory, NULL))
        end_without_memory(APR_ENOMEM);
    if (!status)
        status = mrc_history_check(pool, name, &error);
    if (status) {
        unused = write(fd, error.text, strlen(error.text));
        (void)unused;
    }
    _exit(!status ? SOUND : status == MRC_STATUS_CORRUPT ? DAMAGED : UNUSABLE);
}

static enum verdict wait_for(pid_t pid, int fd, struct mrc_error *error)
{
    char text[256];
    size_t len = 0;
    ssize_t got;
    int state;

    while (len < sizeof(text) - 1 && ((got = read(fd, text + len, sizeof(text) - 1 - len)) > 0 ||
                                      (got < 0 && errno == EINTR)))
        len += got > 0 ? (size_t)got : 0;
    text[len] = '\0';
    while (waitpid(pid, &state, 0) < 0) {
        if (errno != EINTR)
            return UNUSABLE;
    }
    mrc_status_set(error, 0, "%s", len ? text : "out of memory");
    if (WIFSIGNALED(state)) {
        mrc_status_set(error, 0, "reading it ended with signal %d", WTERMSIG(state));
        return DAMAGED;
    }
    return (enum verdict)WEXITSTATUS(state);
}

/* Checks the directory NAME in a separate process. */
static enum verdict examine(const char *name, const struct mrc_history_owner *owner,
                            struct mrc_error *error)
{
    enum verdict verdict;
    int fds[2];
    pid_t pid;

    if (pipe2(fds, O_CLOEXEC) != 0) {
        refuse(error, "cannot check", name);
        return UNUSABLE;
    }
    pid = fork();
    if (pid == 0) {
        close(fds[0]);
        check_and_exit(name, owner, fds[1]);
    }
    close(fds[1]);
    if (pid < 0) {
        refuse(error, "cannot check", name);
        verdict = UNUSABLE;
    } else {
        verdict = wait_for(pid, fds[0], error);
    }
    close(fds[0]);
    return verdict;
}

/* Renames the damaged file in the directory NAME, opened as FD. */
static apr_status_t set_aside(int fd, const char *name, struct mrc_error *error)
{
    char path[MRC_HISTORY_FILES_PATH_BYTES];
    char aside[64], lock[64], when[32];
    const char *file;
    time_t now = time(NULL);
    struct tm tm;

    if (!mrc_history_files_path(name, mrc_history_files_newest(name), "", path))
        return mrc_status_set(error, APR_ENAMETOOLONG, "%.250s is too long", name);
    file = strrchr(path, '/') + 1;
    do { /* a file set aside in the same second keeps its name */
        gmtime_r(&now, &tm);
        strftime(when, sizeof(when), "%Y%m%dT%H%M%SZ", &tm);
        snprintf(aside, sizeof(aside), "%s.damaged-%s", file, when);
        now++;
    } while (faccessat(fd, aside, F_OK, AT_SYMLINK_NOFOLLOW) == 0);
    snprintf(lock, sizeof(lock), "%s-lock", file);
    if (renameat(fd, file, fd, aside) != 0)
        return refuse(error, "cannot rename the damaged history in", name);
    unlinkat(fd, lock, 0);
    return APR_SUCCESS;
}

/* Checks NAME, opened as FD. WARNING reports whether a damaged history was set aside. */
static apr_status_t check_dir(int fd, const char *name, const struct mrc_history_owner *owner,
                              struct mrc_error *warning, struct mrc_error *error)
{
    struct mrc_error why = {""};
    apr_status_t status;

    switch (examine(name, owner, &why)) {
    case SOUND:
        return APR_SUCCESS;
    case DAMAGED:
        status = set_aside(fd, name, error);
        if (!status)
            mrc_status_set(warning, 0,
                           "the history in %.200s is damaged (%.150s): it was set aside under "
                           "another name there, and the hub starts with an empty one",
                           name, why.text);
        return status;
    default:
        return mrc_status_set(error, APR_EACCES, "%s", why.text);
    }
}

/* ---- The directories of a server --------------------------------------------------------------*/

struct mrc_history_dirs *mrc_history_dirs_create(apr_pool_t *process_pool)
{
    return apr_pcalloc(process_pool, sizeof(struct mrc_history_dirs));
}

static struct held *find_held(const struct mrc_history_dirs *dirs, const char *name)
{
    struct held *held = dirs->first;

    while (held && strcmp(held->name, name) != 0)
        held = held->next;
    return held;
}

/* Children that still use a directory keep its lock: they inherited the descriptor. */
static void drop_unwanted(struct mrc_history_dirs *dirs)
{
    struct held **place = &dirs->first;

    while (*place) {
        struct held *held = *place;

        if (held->wanted) {
            place = &held->next;
            continue;
        }
        *place = held->next;
        close(held->fd);
        free(held);
    }
}

static apr_status_t make_and_open(const char *name, const struct mrc_history_owner *owner,
                                  struct mrc_error *error, int *ret_fd)
{
    char path[MRC_HISTORY_FILES_PATH_BYTES];
    apr_status_t status;

    parent_of(name, path, sizeof(path));
    status = mrc_history_dir_check(path, error);
    if (!status)
        status = make_dir(path, 0755, owner, error);
    if (!status)
        status = make_dir(name, 0700, owner, error);
    return status ? status : open_dir(name, owner, error, ret_fd);
}

/* Creates, locks and checks NAME. WARNING reports whether a damaged history was set aside. */
static apr_status_t hold(struct mrc_history_dirs *dirs, const char *name,
                         const struct mrc_history_owner *owner, struct mrc_error *warning,
                         struct mrc_error *error)
{
    size_t bytes = strlen(name) + 1;
    struct held *held;
    int fd = -1;
    apr_status_t status = make_and_open(name, owner, error, &fd);

    if (status)
        return status;
    status = lock_dir(fd, name, error);
    if (!status)
        status = check_dir(fd, name, owner, warning, error);
    held = status ? NULL : malloc(sizeof(*held) + bytes);
    if (!held) {
        close(fd);
        return status ? status : mrc_status_set(error, APR_ENOMEM, "out of memory");
    }
    memcpy(held->name, name, bytes);
    held->fd = fd;
    held->wanted = true;
    held->next = dirs->first;
    dirs->first = held;
    return APR_SUCCESS;
}

apr_status_t mrc_history_dirs_reconcile(struct mrc_history_dirs *dirs, const char *const *names,
                                        size_t n, const struct mrc_history_owner *owner,
                                        mrc_history_warn_fn *warn, void *warn_ctx,
                                        struct mrc_error *error, bool *ret_held)
{
    apr_status_t result = APR_SUCCESS;

    for (struct held *held = dirs->first; held; held = held->next)
        held->wanted = false;
    for (size_t i = 0; i < n; i++) {
        struct held *held = find_held(dirs, names[i]);
        struct mrc_error warning = {""}, problem = {""};
        apr_status_t status = APR_SUCCESS;

        if (held)
            held->wanted = true;
        else
            status = hold(dirs, names[i], owner, &warning, &problem);
        if (warning.text[0])
            warn(warn_ctx, warning.text);
        ret_held[i] = status == APR_SUCCESS;
        if (status && !result)
            result = mrc_status_set(error, status, "%s", problem.text);
    }
    drop_unwanted(dirs);
    return result;
}

void mrc_history_dirs_close(struct mrc_history_dirs *dirs)
{
    if (!dirs)
        return;
    for (struct held *held = dirs->first; held; held = held->next)
        held->wanted = false;
    drop_unwanted(dirs);
}
