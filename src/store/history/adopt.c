#include "store/history/adopt.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "apr_strings.h"

#include "store/base/status.h"
#include "store/lmdb/files.h"

#define KEPT_SUFFIX "kept"
#define KEPT_MAX    1000

bool mrc_history_adopt_exists(const char *name)
{
    struct stat st;

    return lstat(name, &st) == 0 && S_ISDIR(st.st_mode);
}

/* When the history in the directory NAME was written last; tv_sec -1: there is none. */
static struct timespec time_of(const char *name)
{
    const struct timespec none = {.tv_sec = -1};
    char path[MRC_HISTORY_FILES_PATH_BYTES];
    unsigned newest = mrc_history_adopt_exists(name) ? mrc_history_files_newest(name) : 0;
    struct stat st;

    if (newest == 0 || !mrc_history_files_path(name, newest, "", path) || lstat(path, &st) != 0)
        return none;
    return st.st_mtim;
}

size_t mrc_history_adopt_newest(const char *const *names, size_t n)
{
    struct timespec newest = {.tv_sec = -1};
    size_t found = n;

    for (size_t i = 0; i < n; i++) {
        struct timespec time = time_of(names[i]);

        if (time.tv_sec > newest.tv_sec ||
            (time.tv_sec == newest.tv_sec && time.tv_nsec > newest.tv_nsec)) {
            newest = time;
            found = i;
        }
    }
    return found;
}

static apr_status_t refuse(struct mrc_error *error, apr_status_t status, const char *former)
{
    char reason[120];

    return mrc_status_set(error, status, "cannot rename %.250s: %s", former,
                          apr_strerror(status, reason, sizeof(reason)));
}

apr_status_t mrc_history_adopt_move(const char *former, const char *name, struct mrc_error *error)
{
    int fd = open(former, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    apr_status_t status = APR_SUCCESS;

    if (fd < 0)
        return refuse(error, errno, former);
    if (flock(fd, LOCK_EX | LOCK_NB) != 0)
        status = errno == EWOULDBLOCK
                     ? mrc_status_set(error, APR_EBUSY, "another server uses %.250s", former)
                     : refuse(error, errno, former);
    else if (rename(former, name) != 0)
        status = refuse(error, errno, former);
    close(fd);
    return status;
}

/* A directory that is not empty has the new name. */
static bool is_taken(apr_status_t status)
{
    return status == EEXIST || status == ENOTEMPTY;
}

apr_status_t mrc_history_adopt_keep(apr_pool_t *pool, const char *former, struct mrc_error *error,
                                    const char **ret_kept)
{
    apr_status_t status = EEXIST;
    const char *kept = NULL;

    for (int n = 0; n < KEPT_MAX && is_taken(status); n++) {
        kept = n == 0 ? apr_pstrcat(pool, former, "." KEPT_SUFFIX, NULL)
                      : apr_psprintf(pool, "%s." KEPT_SUFFIX "-%d", former, n);
        status = mrc_history_adopt_move(former, kept, error);
    }
    if (!status)
        *ret_kept = kept;
    return status;
}
